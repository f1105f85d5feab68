package classes_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fasternet/data/classes"
)

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

func TestCompare(t *testing.T) {
	pets := []string{"cat", "dog", "fox"}
	for _, c := range []struct {
		name       string
		have, want []string
		kind       classes.Kind
		index      []int
		common     int
		says       string // in the note or the error
		refused    bool
	}{
		{name: "same", have: pets, want: pets, kind: classes.Same, index: []int{0, 1, 2}, common: 3},
		{
			name: "same numbers", have: numbered(3), want: numbered(3), kind: classes.Same,
			index: []int{0, 1, 2}, common: 3,
		},
		{
			name: "reordered", have: []string{"fox", "cat", "dog"}, want: pets,
			kind: classes.Reordered, index: []int{2, 0, 1}, common: 3,
			says: `the classes of the data set are in a different order than in the model: class 0 is "cat" in the ` +
				`model and "fox" in the data set (3 of 3 differ); they are matched by name`,
		},
		{
			name: "reordered numbers", have: []string{"2", "0", "1"}, want: numbered(3),
			kind: classes.Reordered, index: []int{2, 0, 1}, common: 3, says: "matched by name",
		},
		{
			name: "numbers as folders sort", have: []string{"0", "1", "10", "2"},
			want: numbered(11), kind: classes.Part, index: []int{0, 1, 10, 2}, common: 4,
			says: "4 of the 11 classes of the model",
		},
		{
			name: "part", have: []string{"dog", "fox"}, want: pets, kind: classes.Part,
			index: []int{1, 2}, common: 2,
			says: `has 2 of the 3 classes of the model, without "cat"; they are matched by name`,
		},
		{
			name: "one of many", have: []string{"fox"}, want: pets, kind: classes.Part,
			index: []int{2}, common: 1, says: `without "cat", "dog"`,
		},
		{
			name: "renamed", have: []string{"dog", "fox", "zebra"}, want: pets,
			kind: classes.Different, index: []int{1, 2, -1}, common: 2, refused: true,
			says: `class 0 is "cat" in the model and "dog" in the data set (3 of 3 differ); only in the model: ` +
				`"cat"; only in the data set: "zebra"`,
		},
		{
			name: "renamed in place", have: []string{"kitten", "dog", "fox"}, want: pets,
			kind: classes.Different, index: []int{-1, 1, 2}, common: 2, refused: true,
			says: `class 0 is "cat" in the model and "kitten" in the data set; only in`,
		},
		{
			name: "added at the end", have: append(slices.Clone(pets), "zebra"), want: pets,
			kind: classes.Different, index: []int{0, 1, 2, -1}, common: 3, refused: true,
			says: `the data set has different classes from the model: only in the data set: "zebra"`,
		},
		{
			name: "nothing in common", have: []string{"a", "b"}, want: pets,
			kind: classes.Different, index: []int{-1, -1}, refused: true,
			says: `only in the model: "cat", "dog", "fox"; only in the data set: "a", "b"`,
		},
		{
			name: "no names known", have: pets, want: nil, kind: classes.Unnamed,
			index: []int{0, 1, 2},
			says:  "the model does not say what its classes are called: they are compared by their number",
		},
		{
			name: "empty names", have: pets, want: []string{"", "", ""}, kind: classes.Unnamed,
			index: []int{0, 1, 2}, says: "the model does not say",
		},
		{
			name: "labels by number", have: numbered(3), want: pets, kind: classes.Unnamed,
			index: []int{0, 1, 2}, says: "the data set does not say",
		},
		{
			name: "fewer labels by number", have: numbered(2), want: pets, kind: classes.Unnamed,
			index: []int{0, 1},
			says:  "compared by their number; the data set has 2, the model 3",
		},
		{
			name: "more labels by number", have: numbered(4), want: pets, kind: classes.Unnamed,
			index: []int{0, 1, 2, 3}, refused: true,
			says: "the data set has 4 classes, the model only 3",
		},
		{
			name: "numbers from 1", have: []string{"1", "2", "3"}, want: numbered(3),
			kind: classes.Different, index: []int{1, 2, -1}, common: 2, refused: true,
			says: `only in the model: "0"; only in the data set: "3"`,
		},
		{
			name: "numbers as folders sort, with another",
			have: []string{"0", "10", "2"}, want: numbered(10), kind: classes.Different,
			index: []int{0, -1, 2}, common: 2, refused: true, says: `"10"`,
		},
		{
			name: "twice", have: []string{"crane", "dog", "crane"},
			want: []string{"crane", "crane", "dog"}, kind: classes.Different, index: []int{1, 2, 1},
			common: 3, refused: true, says: `two classes are called "crane"`,
		},
		{
			name: "twice and the same", have: []string{"crane", "crane"},
			want: []string{"crane", "crane"}, kind: classes.Same, index: []int{0, 1}, common: 2,
		},
		{
			name: "one é, two ways", have: []string{"cafe\u0301", "the"},
			want: []string{"caf\u00e9", "the"}, kind: classes.Same, index: []int{0, 1}, common: 2,
		},
		{
			name: "case counts", have: []string{"Cat", "dog", "fox"}, want: pets,
			kind: classes.Different, index: []int{-1, 1, 2}, common: 2, refused: true,
			says: `"Cat"`,
		},
		{
			name: "a blank name among others", have: []string{"", "dog"}, want: pets,
			kind: classes.Different, index: []int{-1, 1}, common: 1, refused: true, says: `""`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := classes.Compare(c.have, c.want)
			if m.Kind != c.kind || !slices.Equal(m.Index, c.index) || m.Common() != c.common {
				t.Errorf("kind %v, index %v, %d in common; want %v, %v, %d",
					m.Kind, m.Index, m.Common(), c.kind, c.index, c.common)
			}
			note, err := m.Judge("the data set", "the model")
			if (err != nil) != c.refused {
				t.Fatalf("error %v, want one: %v", err, c.refused)
			}
			if err != nil {
				note = err.Error()
			}
			if !strings.Contains(note, c.says) || (note == "") != (c.says == "") {
				t.Errorf("says %q, want %q", note, c.says)
			}
		})
	}
}

// The difference of a thousand classes with long names is one short line.
func TestDifferenceIsShort(t *testing.T) {
	var have, want []string
	for i := range 1000 {
		have = append(have, fmt.Sprintf("new %d %s", i, strings.Repeat("x", 200)))
		want = append(want, fmt.Sprintf("old %d", i))
	}
	text := classes.Compare(have, want).Difference("the data set", "the checkpoint")
	if len(text) > 700 || !strings.Contains(text, "and 997 more") || !strings.Contains(text, "(1000 of 1000 differ)") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

func TestPermutation(t *testing.T) {
	abc := []string{"a", "b", "c"}
	for _, c := range []struct {
		name    string
		have    []string
		want    []string
		outputs int
		order   []int
		wrong   bool
	}{
		{name: "another order", have: []string{"c", "a", "b"}, want: abc, outputs: 3, order: []int{2, 0, 1}},
		{
			name: "outputs without a class", have: []string{"c", "a", "b"}, want: abc, outputs: 5,
			order: []int{2, 0, 1, 3, 4},
		},
		{name: "a part", have: []string{"c"}, want: abc, outputs: 4, order: []int{2, 0, 1, 3}},
		{name: "the same", have: abc, want: abc, outputs: 3},
		{name: "numbers", have: abc, outputs: 4},
		{name: "unknown", have: []string{"c", "a", "x"}, want: abc, outputs: 3, wrong: true},
		{name: "too few outputs", have: abc, want: abc, outputs: 2, wrong: true},
		{name: "twice", have: []string{"a", "a", "b"}, want: abc, outputs: 3, wrong: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			order, err := classes.Compare(c.have, c.want).Permutation(c.outputs)
			if !slices.Equal(order, c.order) || (err != nil) != c.wrong {
				t.Errorf("%v, %v; want %v", order, err, c.order)
			}
		})
	}
}

func TestMoved(t *testing.T) {
	if n := classes.Compare([]string{"b", "a", "c"}, []string{"a", "b", "c"}).Moved(); n != 2 {
		t.Errorf("%d classes have a different number, want 2", n)
	}
}
