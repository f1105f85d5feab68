package browser_test

import (
	"fmt"
	"path/filepath"
	"testing"

	evaluation "fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/report"
	"fasternet/train"
)

// The table of labels is sorted by the column that a reader clicks on, as numbers, whatever has no value last.
func TestLabels(t *testing.T) {
	r := trained(t, config(t, classifier, stripes(t), "train.epochs=1", "sched.warmup_epochs=0"),
		filepath.Join(t.TempDir(), "run"))
	f := &metrics.LabelFigures{}
	for i, ap := range []float64{0.095, 0.5, 1} {
		f.Labels = append(f.Labels, metrics.LabelFigure{
			Index: i, Name: fmt.Sprintf("<i>%d</i>", i), Count: []int{1200, 9, 80}[i], AveragePrecision: &ap,
		})
	}
	f.Labels = append(f.Labels, metrics.LabelFigure{Index: 3, Name: "nowhere"})
	f.NoImages = []int{3}
	r.Labels = &train.LabelEvaluation{LabelReport: evaluation.LabelReport{Count: 1300, Figures: f}}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := report.Write(path, r); err != nil {
		t.Fatal(err)
	}
	ctx, w := tab(t, fileURL(t, path))
	for _, c := range []struct {
		name   string
		column int
		want   string
	}{
		{"positives, ascending", 1, "nowhere,<i>1</i>,<i>2</i>,<i>0</i>"},
		{"positives, descending", 1, "<i>0</i>,<i>2</i>,<i>1</i>,nowhere"},
		{"average precision, ascending", 2, "<i>0</i>,<i>1</i>,<i>2</i>,nowhere"},
		{"average precision, descending", 2, "<i>2</i>,<i>1</i>,<i>0</i>,nowhere"},
		{"names", 0, "<i>0</i>,<i>1</i>,<i>2</i>,nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eval[bool](t, ctx,
				fmt.Sprintf(`document.querySelectorAll(".labels thead button")[%d].click(); true`, c.column))
			got := eval[string](t, ctx,
				`[...document.querySelectorAll(".labels tbody tr")].map((e) => e.cells[0].textContent).join(",")`)
			if got != c.want {
				t.Errorf("the order is %s, want %s", got, c.want)
			}
		})
	}
	w.check(t)
}
