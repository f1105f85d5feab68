package eval_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/sets"
	"fasternet/eval"
)

// labelled is a data set with the given labels.
type labelled struct {
	names  []string
	labels []int
}

func (d labelled) Len() int                          { return len(d.labels) }
func (d labelled) Classes() []string                 { return d.names }
func (d labelled) Label(i int) int                   { return d.labels[i] }
func (d labelled) Name(int) string                   { return "image" }
func (d labelled) Image(int) (*picture.Image, error) { return picture.NewImage(8, 8, 1), nil }

// several is a data set whose images have any number of labels.
type several struct {
	labelled
	sets [][]int32
}

func (d several) LabelSets() [][]int32 { return d.sets }

// A label that all training images have, and one that none has, are named.
func TestLabelsOfAllImages(t *testing.T) {
	names := labelled{[]string{"dog", "photo", "never"}, make([]int, 3)}
	train := several{names, [][]int32{{0, 1}, {1}, {1}}}
	_, notes, err := eval.WithClassesOf(train, train)
	if err != nil || len(notes) != 2 ||
		!strings.Contains(notes[0], `labels that all training images have: "photo": a model cannot learn`) ||
		!strings.Contains(notes[1], `there are no images of 1 of the 3 classes: "never"`) {
		t.Errorf("%q, %v", notes, err)
	}
}

// The validation part gets the labels of the training part. Classes without images give a
// note or an error.
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
		{
			name:   "one class missing in the list of names",
			train:  train,
			val:    named{"fox", "cat"},
			labels: []int{2, 0},
			notes:  []string{`the validation part has no images of 1 of the 3 classes: "dog"`},
		},
		{
			name:   "two classes without samples",
			train:  train,
			val:    labelled{pets, []int{1, 1}},
			labels: []int{1, 1},
			notes:  []string{`the validation part has no images of 2 of the 3 classes: "cat", "fox"`},
		},
		{
			name:   "another order",
			train:  train,
			val:    named{"fox", "cat", "dog"},
			labels: []int{2, 0, 1},
			notes:  []string{"matched by name"},
		},
		{
			name:   "fewer numbers",
			train:  labelled{[]string{"0", "1", "2"}, []int{0, 1, 2}},
			val:    labelled{[]string{"0", "1"}, []int{1}},
			labels: []int{1},
			notes:  []string{`no images of 2 of the 3 classes: "0", "2"`},
		},
		{
			name:   "a class without images",
			train:  labelled{pets, []int{0, 2}},
			val:    labelled{pets, []int{0, 2}},
			labels: []int{0, 2},
			notes:  []string{`there are no images of 1 of the 3 classes: "dog"`},
		},
		{
			name:  "a name that the training part does not have",
			train: train,
			val:   named{"cat", "dog", "fox", "zebra"},
			err:   `only in the validation part: "zebra"; both parts need the same classes`,
		},
		{
			name:  "a class without training samples",
			train: labelled{pets, []int{0, 2}},
			val:   labelled{pets, []int{0, 1, 1}},
			err:   `class "dog" has 2 validation images, but no training images`,
		},
		{
			name:  "one class",
			train: labelled{pets, []int{1, 1}},
			val:   train,
			err:   `all 2 training images are of one class, "dog", and a classifier needs two or more`,
		},
		{
			name:  "no labels",
			train: labelled{[]string{""}, []int{0, 0}},
			val:   train,
			err:   "the 2 training images have no labels",
		},
		{
			name:  "no validation labels",
			train: train,
			val:   labelled{[]string{""}, []int{0}},
			err:   "the 1 validation images have no labels",
		},
		{name: "no images", train: labelled{pets, nil}, val: train, err: "there are no training images"},
		{
			name:  "a label of no class",
			train: labelled{pets, []int{0, 3}},
			val:   train,
			err:   "label 3 is not one of the 3 classes",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			val, notes, err := eval.WithClassesOf(c.train, c.val)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if err != nil {
				return
			}
			if !slices.Equal(labels(val), c.labels) ||
				!slices.Equal(val.Classes(), c.train.Classes()) && len(notes) == 0 {
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
	if _, _, err := eval.ForModel(labelled{[]string{""}, []int{0}}, pets, 3); err == nil ||
		!strings.Contains(err.Error(), "the 1 images have no labels") {
		t.Error(err)
	}
}

// Labels of the validation part are read like the labels of the training part, even if
// they look like names and like numbers.
func TestLabelsOfValidationAreLikeTraining(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		write(fmt.Sprintf("%d.png", i), file.String())
	}
	write("classes.txt", "1\n10\n2\n3\n") // as folders sort
	write("val.txt", "0.png 1\n1.png 2\n")
	config := configs.Default().Data
	config.Name, config.Dir, config.Classes = "annotations", dir, "classes.txt"
	for _, c := range []struct {
		name, train string
		want        []int
	}{
		{"numbers", "0.png 0\n1.png 1\n2.png 2\n3.png 3\n", []int{1, 2}},
		{"names", "0.png 1\n1.png 10\n2.png 2\n3.png 3\n", []int{0, 2}},
	} {
		write("train.txt", c.train)
		val, err := sets.Open(t.Context(), config, false)
		if err != nil {
			t.Fatal(err)
		}
		_, both, err := sets.OpenBoth(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(labels(val), c.want) || !slices.Equal(labels(both), c.want) {
			t.Errorf("%s: %v and %v, want %v", c.name, labels(val), labels(both), c.want)
		}
	}
	if err := os.Remove(filepath.Join(dir, "train.txt")); err != nil {
		t.Fatal(err)
	}
	if _, err := sets.Open(t.Context(), config, false); err == nil ||
		!strings.Contains(err.Error(), "val.txt:1: label 1 may be the name of class 0 or the number of class 1") {
		t.Error(err)
	}
	config.LabelKind = "name"
	if val, err := sets.Open(t.Context(), config, false); err != nil || !slices.Equal(labels(val), []int{0, 2}) {
		t.Error(val, err)
	}
	// Without names, the labels of the training part decide how many classes there are.
	config.Classes, config.LabelKind = "", "auto"
	write("train.txt", "0.png 0\n1.png 1\n")
	if _, err := sets.Open(t.Context(), config, false); err == nil ||
		!strings.Contains(err.Error(),
			"val.txt:2: label 2 is not a class of the training part, whose labels end at 1") {
		t.Error(err)
	}
}
