package sets

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

const composed, decomposed = "\u00e9", "e\u0301" // both look like é

// Class names that cannot be stored, or that look like another name, are faults.
func TestWrongName(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		class int
		want  string // "" if nothing is wrong
	}{
		{"none", nil, 0, ""},
		{"usual", []string{"cat", "dog", composed}, 0, ""},
		{"case", []string{"cat", "Cat"}, 0, ""},
		{"not UTF-8", []string{"cat", "caf\xe9"}, 1, `class "caf\xe9" is not UTF-8`},
		{"twice", []string{"cat", "dog", "cat"}, 2, `class "cat" occurs twice`},
		{
			"two forms", []string{"x", composed, decomposed}, 2,
			`two classes look like "é": "\u00e9" and "e\u0301" are different ways`,
		},
	} {
		class, got := wrongName(c.names)
		if class != c.class || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: class %d, %q; want %d, %q", c.name, class, got, c.class, c.want)
		}
	}
}

func TestNameNotes(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		want  string
	}{
		{"usual", []string{"cat", "dog"}, ""},
		{"case", []string{"Cat", "cat", "dog"}, `differ only in case or white space: "Cat" and "cat"`},
		{"blanks", []string{"dog", "dog "}, `"dog" and "dog "`},
		{"numbers in order", []string{"0", "1", "2"}, ""},
		{"numbers with zeros", []string{"01", "02", "10"}, ""},
		{"numbers as text", []string{"0", "1", "10", "2"}, `numbers, sorted as text: class 2 is "10"`},
		{"numbers from 1", []string{"1", "10", "2"}, `class 1 is "10"`},
		{"not all numbers", []string{"1", "10", "2", "x"}, ""},
	} {
		got := strings.Join(nameNotes(c.names), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A name in data.classes and a name in folders, lists or shards are the same if they look the same.
func TestClassesByLook(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "train/"+decomposed+"/1.png", "train/dog/1.png")
	classes := Labels{Classes: []string{"dog", composed}}
	d, err := OpenClassFolders(filepath.Join(root, "train"), classes.Classes)
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 2 || d.Label(1) != 1 || len(d.LeftOut()) != 0 {
		t.Errorf("folders: %d images, label %d, left out %v", d.Len(), d.Label(1), d.LeftOut())
	}
	writeTree(t, root, "train/"+composed+"/1.png")
	entries, _ := os.ReadDir(filepath.Join(root, "train"))
	if len(entries) == 3 { // 2 on systems where both names are the same file
		_, err := OpenClassFolders(filepath.Join(root, "train"), classes.Classes)
		datatest.WantError(t, err, "two classes look like")
	}
	for _, text := range []string{"a.png " + decomposed, "a.png," + decomposed, "path,label\na.png," + decomposed} {
		datatest.WriteFile(t, filepath.Join(root, "list.txt"), []byte(text))
		writeTree(t, root, "a.png")
		a, err := OpenAnnotations(filepath.Join(root, "list.txt"), root, classes)
		if err != nil || a.Label(0) != 1 {
			t.Errorf("list %q: %v", text, err)
		}
	}
	long := "a.png " + strings.Repeat(decomposed, 5) // longer in bytes than the name of the class
	datatest.WriteFile(t, filepath.Join(root, "list.txt"), []byte(long))
	long5 := Labels{Classes: []string{"x", strings.Repeat(composed, 5)}}
	if a, err := OpenAnnotations(filepath.Join(root, "list.txt"), root, long5); err != nil || a.Label(0) != 1 {
		t.Errorf("list %q: %v", long, err)
	}
	datatest.WriteFile(t, filepath.Join(root, "classes.txt"), []byte("dog\n"+composed+"\n"+decomposed+"\n"))
	_, err = ReadClassMap(filepath.Join(root, "classes.txt"))
	datatest.WantError(t, err, "classes.txt:3: two classes look like")
}

// Class folders that cannot be classes are faults, each with its reason.
func TestClassFolderFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		paths []string
		link  [2]string // target and path
		want  string    // "" for none
	}{
		{
			"two forms of Unicode", []string{composed + "/1.png", decomposed + "/1.png"},
			[2]string{}, "two classes look like",
		},
		{
			"not UTF-8", []string{"caf\xe9/1.png", "dog/1.png"}, [2]string{},
			`the name of class "caf\xe9" is not UTF-8: rename it`,
		},
		{
			"a link to a class", []string{"cat/1.png", "dog/1.png"}, [2]string{"cat", "kitten"},
			"kitten are the same folder, by a symbolic link",
		},
		{
			"a link that comes first", []string{"cat/1.png", "dog/1.png"}, [2]string{"dog", "a"},
			"are the same folder, by a symbolic link",
		},
		{
			"a link to another folder", []string{"cat/1.png", "x/fox/1.png"},
			[2]string{"../root/x", "y"}, "are the same folder",
		},
		{
			"parts", []string{"training_set/cat/1.png", "test_set/cat/1.png"}, [2]string{},
			`the folders "test_set", "training_set" look like parts`,
		},
		{"parts and more", []string{"Train/1.png", "Val/1.png", "meta/1.png"}, [2]string{}, "look like parts"},
		{"a class that is called train", []string{"bus/1.png", "car/1.png", "train/1.png"}, [2]string{}, ""},
		{"classes that are called test", []string{"test1/1.png", "test2/1.png"}, [2]string{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			for _, p := range c.paths {
				if os.MkdirAll(filepath.Join(root, filepath.Dir(p)), 0o755) != nil {
					t.Skip("no such names here")
				}
			}
			writeTree(t, root, c.paths...)
			if c.link[0] != "" {
				symlink(t, c.link[0], filepath.Join(root, c.link[1]))
			}
			_, err := OpenClassFolders(root, nil)
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" {
				datatest.WantError(t, err, c.want)
			}
		})
	}
}

// Images in folders that a system keeps for itself belong to no class.
func TestSystemFolders(t *testing.T) {
	root := t.TempDir()
	writeTree(
		t, root, "cat/1.png", "cat/@eaDir/1.png/SYNOFILE_THUMB_M.jpg", "dog/1.png",
		"__MACOSX/cat/1.png", "lost+found/1.png", "$RECYCLE.BIN/1.png",
	)
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 2 || !slices.Equal(d.Classes(), []string{"cat", "dog"}) {
		t.Errorf("%d images in %q", d.Len(), d.Classes())
	}
	if got := data.DescribeLeftOut(d.LeftOut()); got != "4 hidden files and folders are left out" {
		t.Error(got)
	}
}

// The folders of parts are found whatever the case of their letters.
func TestFindSplitInAnyCase(t *testing.T) {
	for _, c := range []struct {
		name  string
		paths []string
		split data.Split
		want  string // the folder, or words of the error
	}{
		{"small letters", []string{"train/a/1.png", "Train/b/1.png"}, data.Train, "train"},
		{"a capital", []string{"Train/a/1.png"}, data.Train, "Train"},
		{"capitals", []string{"TRAINING/a/1.png"}, data.Train, "TRAINING"},
		{"Valid", []string{"Train/a/1.png", "Valid/a/1.png", "Test/a/1.png"}, data.Val, "Valid"},
		{"Test", []string{"Train/a/1.png", "Test/a/1.png"}, data.Val, "Test"},
		{
			"two", []string{"TRAIN/a/1.png", "Train/a/1.png"}, data.Train,
			`which of "TRAIN", "Train" is the train split? Name it with data.train`,
		},
		{"other names", []string{"training_set/a/1.png", "test_set/a/1.png"}, data.Train, "training_set"},
		{"other names of validation", []string{"train/a/1.png", "test_set/a/1.png"}, data.Val, "test_set"},
		{"dev before test", []string{"train/a/1.png", "test_set/a/1.png", "Dev/a/1.png"}, data.Val, "Dev"},
		{
			"several training parts", []string{"train1/a/1.png", "train2/a/1.png", "val/a/1.png"}, data.Train,
			`there is "train1", "train2": name the folder with data.train`,
		},
		{
			"several validation parts", []string{"train/a/1.png", "val1/a/1.png", "val2/a/1.png"}, data.Val,
			`there is "val1", "val2": name the folder with data.val`,
		},
		{"nothing like it", []string{"cat/1.png"}, data.Train, "put the images of a class into"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			writeTree(t, root, c.paths...)
			if entries, _ := os.ReadDir(root); len(entries) < 2 && c.name == "two" {
				t.Skip("case does not count here")
			}
			got, err := FindSplit(root, c.split)
			if err != nil {
				got = err.Error()
			}
			if filepath.Base(got) != c.want && !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	datatest.WriteFile(t, file, nil)
	_, err := FindSplit(file, data.Train)
	datatest.WantError(t, err, "is a file; a folder is needed")
	archive := filepath.Join(t.TempDir(), "photos.ZIP")
	datatest.WriteFile(t, archive, []byte("PK"))
	_, err = FindSplit(archive, data.Train)
	datatest.WantError(t, err, "a folder is needed: unpack the archive first")
	_, err = OpenClassFolders(archive, nil)
	datatest.WantError(t, err, "a folder is needed: unpack the archive first")
}
