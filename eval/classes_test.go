package eval_test

import (
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/eval"
)

// named is a data set with a sample of each class.
type named []string

func (n named) Len() int                          { return len(n) }
func (n named) Classes() []string                 { return n }
func (n named) Label(i int) int                   { return i }
func (n named) Name(i int) string                 { return "image of " + n[i] }
func (n named) Image(int) (*picture.Image, error) { return picture.NewImage(8, 8, 1), nil }

func labels(ds data.Dataset) (all []int) {
	for i := range ds.Len() {
		all = append(all, ds.Label(i))
	}
	return all
}

// The labels of a data set become the outputs of the model, by name.
func TestForModel(t *testing.T) {
	ten := []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
	for _, c := range []struct {
		name          string
		have, trained []string
		outputs       int
		labels        []int
		note, err     string
	}{
		{name: "same", have: ten, trained: ten, outputs: 10, labels: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{name: "a head with room", have: ten[:3], trained: ten[:3], outputs: 1000, labels: []int{0, 1, 2}},
		{
			name:    "another order",
			have:    []string{"cat", "bird", "airplane"},
			trained: []string{"airplane", "bird", "cat"},
			outputs: 3,
			labels:  []int{2, 1, 0},
			note:    "matched by name",
		},
		{
			name:    "some of them",
			have:    []string{"cat", "dog", "ship"},
			trained: ten,
			outputs: 10,
			labels:  []int{3, 5, 8},
			note:    `has 3 of the 10 classes of the model, without "airplane", "automobile", "bird" and 4 more`,
		},
		{
			name:    "other names",
			have:    []string{"plane", "car"},
			trained: ten[:2],
			outputs: 2,
			err:     `class 0 is "airplane" in the model and "plane" in the data set`,
		},
		{
			name:    "one more",
			have:    ten[:4],
			trained: ten[:3],
			outputs: 10,
			err:     `only in the data set: "cat"; give the classes the names that the model has`,
		},
		{
			name:    "numbers of names",
			have:    []string{"0", "1", "2"},
			trained: ten,
			outputs: 10,
			labels:  []int{0, 1, 2},
			note:    "the data set does not say what its classes are called",
		},
		{
			name:    "names of numbers",
			have:    ten[:2],
			trained: []string{"0", "1"},
			outputs: 2,
			labels:  []int{0, 1},
			note:    "the model does not say",
		},
		{
			name:    "nothing known, fewer",
			have:    ten[:3],
			outputs: 1000,
			labels:  []int{0, 1, 2},
			note: "the model does not say what its classes are called: they are compared by their number; " +
				"the data set has 3, the model 1000",
		},
		{name: "nothing known", have: ten[:3], outputs: 3, labels: []int{0, 1, 2}, note: "compared by their number"},
		{name: "nothing known, more", have: ten, outputs: 3, err: "the data set has 10 classes, the model only 3"},
		{
			name:    "more numbers",
			have:    []string{"0", "1", "2"},
			trained: ten[:2],
			outputs: 10,
			err:     "the data set has 3 classes, the model only 2",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ds, note, err := eval.ForModel(named(c.have), c.trained, c.outputs)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if (note != "") != (c.note != "") || !strings.Contains(note, c.note) {
				t.Errorf("note %q, want %q", note, c.note)
			}
			if err == nil && !slices.Equal(labels(ds), c.labels) {
				t.Errorf("labels %v, want %v", labels(ds), c.labels)
			}
			if err == nil && len(c.trained) > 0 && !slices.Equal(ds.Classes(), c.trained) {
				t.Errorf("classes %v, want %v", ds.Classes(), c.trained)
			}
		})
	}
}
