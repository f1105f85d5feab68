package eval_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data/sets"
	"fasternet/eval"
)

// tree is a folder with files of the given names. Nobody reads what is in them.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// images returns the names of ten images in each folder.
func images(folders ...string) (names []string) {
	for _, f := range folders {
		for _, i := range "0123456789" {
			names = append(names, f+"/"+string(i)+".png")
		}
	}
	return names
}

// What is held out comes from the class folders that are meant, whatever else there is.
func TestHoldOutOfFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   []string
		train   string
		classes []string
		note    string // "" for none
		err     string
	}{
		{name: "class folders", files: images("cat", "dog"), classes: []string{"cat", "dog"}},
		{name: "a training part", files: images("train/cat", "train/dog"), classes: []string{"cat", "dog"}},
		{name: "in capitals", files: images("Train/cat", "Train/dog"), classes: []string{"cat", "dog"}},
		{
			name:    "a validation part that is not used",
			files:   images("train/cat", "train/dog", "Val/cat"),
			classes: []string{"cat", "dog"},
			note:    "Val is not used",
		},
		{
			name:    "a test part for later",
			files:   images("train/cat", "train/dog", "test/cat"),
			classes: []string{"cat", "dog"},
		},
		{
			name:    "a training part that is named",
			files:   images("a/cat", "a/dog", "val/cat"),
			train:   "a",
			classes: []string{"cat", "dog"},
		},
		{
			name:    "a class that is called train",
			files:   images("bus", "car", "train"),
			classes: []string{"bus", "car", "train"},
		},
		{
			name:    "a class that is called like a part",
			files:   images("bus", "car", "train 1"),
			classes: []string{"bus", "car", "train 1"},
		},
		{
			name:    "parts of other names",
			files:   images("training_set/cat", "training_set/dog", "test_set/cat"),
			classes: []string{"cat", "dog"},
		},
		{
			name:    "a validation part of another name that is not used",
			files:   images("training_set/cat", "training_set/dog", "dev/cat"),
			classes: []string{"cat", "dog"},
			note:    "dev is not used",
		},
		{
			name:    "several validation parts that are not used",
			files:   images("train/cat", "train/dog", "val_1/cat", "val_2/cat"),
			classes: []string{"cat", "dog"},
			note:    "val_1 is not used",
		},
		{
			name:  "several training parts",
			files: images("train_1/cat", "train_1/dog", "train_2/cat", "val/cat"),
			err: "look like parts of a data set, not like classes; " +
				"name the folder of the training images with data.train, e.g. data.train=train_1",
		},
		{name: "parts without classes", files: images("train", "test"), err: "look like parts of a data set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := configs.Data{
				Name:        "imagefolder",
				Dir:         tree(t, c.files...),
				Train:       c.train,
				ValFraction: 0.5,
				ValSplit:    configs.HashSplit,
				OnBadImage:  "error",
			}
			train, val, err := sets.OpenBoth(t.Context(), d)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(train.Classes(), c.classes) {
				t.Errorf("classes %q, want %q", train.Classes(), c.classes)
			}
			notes := strings.Join(eval.Notes(d, train, val), "; ")
			if (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}

// A list, a packed file or a shard of validation images that is not used is told of.
func TestValidationThatIsNotUsed(t *testing.T) {
	for _, c := range []struct{ name, file string }{
		{"annotations", "val.txt"},
		{"packed", "val.pack"},
		{"shards", "val/0.tar"},
		{"cifar10", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := configs.Data{Name: c.name, Dir: tree(t, "x", cmp.Or(c.file, "y")), ValFraction: 0.1}
			if c.file == "" {
				d.Dir = tree(t, "test_batch.bin")
			}
			notes := eval.Remarks(d, nil, nil)
			got := len(notes) > 0 && strings.HasSuffix(filepath.ToSlash(notes[0]), c.file+" is not used")
			if got != (c.file != "") {
				t.Errorf("%s: notes %q", c.name, notes)
			}
			d.ValFraction = 0
			if notes := eval.Remarks(d, nil, nil); len(notes) > 0 {
				t.Errorf("%s: notes %q without data.val_fraction", c.name, notes)
			}
		})
	}
}

// An image that is trained on and measured is told of.
func TestImagesInBothParts(t *testing.T) {
	root := tree(t, images("all/cat", "all/dog", "val/cat", "val/dog")...)
	d := configs.Data{Name: "imagefolder", Dir: root, Train: "all", OnBadImage: "error"}
	for _, c := range []struct{ val, note string }{
		{"val", ""},
		{"all", "validation images that are training images too: 20 of 20, such as"},
		{"./all/../all", "20 of 20"},
	} {
		d.Val = c.val
		train, val, err := sets.OpenBoth(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		_, notes, err := eval.WithClassesOf(train, val)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(notes, "; ")
		if (got == "") != (c.note == "") || !strings.Contains(got, c.note) {
			t.Errorf("%s: notes %q, want %q", c.val, got, c.note)
		}
	}
}
