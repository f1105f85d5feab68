package eval_test

import (
	"testing"

	"fasternet/eval"
)

// Every class has examples that are recognised and examples that are not, in the order of the data
// set. With many classes, only some of them have examples.
func TestExamples(t *testing.T) {
	m, err := examine(t, torn{30, map[int]bool{0: true}},
		eval.Options{Batch: 4, SkipBad: true, KeepLogits: 1000}, 0.5, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	m.Inspect(shades(30))
	seen := map[[2]bool]int{}
	last := -1
	for _, x := range m.Examples {
		right := x.Label == x.Answer
		want := shades(30).Label(x.Index)
		if x.Label != want ||
			x.Name != shades(30).Name(x.Index) ||
			x.Index == 0 ||
			!(x.Confidence > 0) ||
			x.Confidence > 1 {
			t.Errorf("%+v, whose label is %d", x, want)
		}
		if x.Label < last {
			t.Errorf("class %d after %d", x.Label, last)
		}
		last = x.Label
		seen[[2]bool{right, m.Confusion.Count(x.Label, x.Answer) > 0}]++
	}
	for k := range 3 { // up to four of each kind, as many as there are
		right, wrong := 0, 0
		for _, x := range m.Examples {
			switch {
			case x.Label != k:
			case x.Answer == k:
				right++
			default:
				wrong++
			}
		}
		total := m.Confusion.Totals()[k]
		if have := m.Confusion.Count(k, k); right != min(have, 4) || wrong != min(total-have, 4) {
			t.Errorf("class %d: %d right and %d wrong examples, of %d and %d", k, right, wrong, have, total-have)
		}
	}
	if seen[[2]bool{true, false}]+seen[[2]bool{false, false}] > 0 {
		t.Error("an example is in no cell of the confusion matrix")
	}
	if m.LabelIssues == nil || m.LabelIssues.Count != len(m.LabelIssues.Listed) || m.LabelIssues.Answer {
		t.Errorf("%+v", m.LabelIssues)
	}
}
