package eval_test

import (
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/eval"
)

// labelled is a data set with the given labels.
type labelled struct {
	names  []string
	labels []int
}

func (d labelled) Len() int                       { return len(d.labels) }
func (d labelled) Classes() []string              { return d.names }
func (d labelled) Label(i int) int                { return d.labels[i] }
func (d labelled) Name(int) string                { return "image" }
func (d labelled) Image(int) (*data.Image, error) { return data.NewImage(8, 8, 1), nil }

// The validation part has the labels of the training part; classes without images are
// told of, or an error.
func TestWithClassesOf(t *testing.T) {
	pets := []string{"cat", "dog", "fox"}
	train := labelled{pets, []int{0, 1, 2, 2}}
	for _, c := range []struct {
		name       string
		train, val data.Dataset
		labels     []int
		notes      []string
		err        string
	}{
		{name: "same", train: train, val: train, labels: []int{0, 1, 2, 2}},
		{name: "without one, by its names", train: train, val: named{"fox", "cat"}, labels: []int{2, 0}, notes: []string{`the validation part has no images of 1 of the 3 classes: "dog"`}},
		{name: "without two, by its samples", train: train, val: labelled{pets, []int{1, 1}}, labels: []int{1, 1}, notes: []string{`the validation part has no images of 2 of the 3 classes: "cat", "fox"`}},
		{name: "another order", train: train, val: named{"fox", "cat", "dog"}, labels: []int{2, 0, 1}, notes: []string{"matched by name"}},
		{name: "fewer numbers", train: labelled{[]string{"0", "1", "2"}, []int{0, 1, 2}}, val: labelled{[]string{"0", "1"}, []int{1}}, labels: []int{1}, notes: []string{`no images of 2 of the 3 classes: "0", "2"`}},
		{name: "a class without any", train: labelled{pets, []int{0, 2}}, val: labelled{pets, []int{0, 2}}, labels: []int{0, 2}, notes: []string{`there are no images of 1 of the 3 classes: "dog"`}},
		{name: "not in the training part, by its names", train: train, val: named{"cat", "dog", "fox", "zebra"}, err: `only in the validation part: "zebra"; both parts need the same classes`},
		{name: "not in the training part, by its samples", train: labelled{pets, []int{0, 2}}, val: labelled{pets, []int{0, 1, 1}}, err: `class "dog" has 2 validation images, but no training images`},
		{name: "one class", train: labelled{pets, []int{1, 1}}, val: train, err: `all 2 training images are of one class, "dog", and a classifier needs two or more`},
		{name: "no labels", train: labelled{[]string{""}, []int{0, 0}}, val: train, err: "the 2 training images have no labels"},
		{name: "no validation labels", train: train, val: labelled{[]string{""}, []int{0}}, err: "the 1 validation images have no labels"},
		{name: "no images", train: labelled{pets, nil}, val: train, err: "there are no training images"},
		{name: "a label of no class", train: labelled{pets, []int{0, 3}}, val: train, err: "label 3 is not one of the 3 classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			val, notes, err := eval.WithClassesOf(c.train, c.val)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if err != nil {
				return
			}
			if !slices.Equal(labels(val), c.labels) || !slices.Equal(val.Classes(), c.train.Classes()) && len(notes) == 0 {
				t.Errorf("labels %v of %q", labels(val), val.Classes())
			}
			if len(notes) != len(c.notes) {
				t.Fatalf("notes %q, want %q", notes, c.notes)
			}
			for i, want := range c.notes {
				if !strings.Contains(notes[i], want) {
					t.Errorf("note %q, want %q", notes[i], want)
				}
			}
		})
	}
	if _, _, err := eval.ForModel(labelled{[]string{""}, []int{0}}, pets, 3); err == nil || !strings.Contains(err.Error(), "the 1 images have no labels") {
		t.Error(err)
	}
}
