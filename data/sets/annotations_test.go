package sets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// listOf opens a list with images at the given paths next to it.
func listOf(t *testing.T, name, text string, labels Labels, images ...string) (*Annotations, error) {
	t.Helper()
	dir := t.TempDir()
	writeTree(t, dir, images...)
	datatest.WriteFile(t, filepath.Join(dir, name), []byte(text))
	return OpenAnnotations(filepath.Join(dir, name), dir, labels)
}

// utf16LE returns a text as Windows writes it.
func utf16LE(text string) string {
	b := []byte{0xff, 0xfe}
	for _, r := range text {
		b = append(b, byte(r), byte(r>>8))
	}
	return string(b)
}

// Lists are read in all the forms that people write.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	images := []string{"a.png", "b c.png", "x/y.jpg", "d, e.png", "raw"}
	pets := Labels{Classes: []string{"cat", "dog", "Retriever", "Golden Retriever", "dog, old"}, From: "classes.txt"}
	for _, c := range []struct {
		name, file, text string
		labels           Labels
		want             []string // file=label
		classes          int
	}{
		{
			name: "numbers", text: "b c.png 2\n\nx/y.jpg\t0\na.png 1.0\n",
			want:    []string{"b c.png=2", "x/y.jpg=0", "a.png=1"},
			classes: 3,
		},
		{
			name: "names", labels: pets, text: "a.png dog\nb c.png 0\nx/y.jpg cat",
			want:    []string{"a.png=1", "b c.png=0", "x/y.jpg=0"},
			classes: 5,
		},
		{
			name: "names with blanks", labels: pets,
			text:    "a.png Golden Retriever\nb c.png Retriever\nx/y.jpg  \t Golden Retriever  \n",
			want:    []string{"a.png=3", "b c.png=2", "x/y.jpg=3"},
			classes: 5,
		},
		{name: "no labels", text: "a.png\nb c.png\n", want: []string{"a.png=0", "b c.png=0"}, classes: 1},
		{
			name: "names, but no labels", labels: pets, text: "a.png\nb c.png\n",
			want: []string{"a.png=0", "b c.png=0"}, classes: 1,
		},
		{
			name: "a file without an ending", labels: pets, text: "raw dog\nraw dog",
			want: []string{"raw=1", "raw=1"}, classes: 5,
		},
		{name: "header of words", text: "path label\na.png 1\n", want: []string{"a.png=1"}, classes: 2},
		{
			name: "quoted path", labels: pets,
			text: "\"b c.png\" Golden Retriever\n\"a.png\"\tdog",
			want: []string{"b c.png=3", "a.png=1"}, classes: 5,
		},
		{name: "Windows", text: "\ufeffa.png 1\r\nx\\y.jpg 0\r\n", want: []string{"a.png=1", "x/y.jpg=0"}, classes: 2},
		{name: "UTF-16", text: utf16LE("a.png 1\r\nb c.png 0\r\n"), want: []string{"a.png=1", "b c.png=0"}, classes: 2},
		{name: "old Mac", text: "a.png 1\rb c.png 0\r", want: []string{"a.png=1", "b c.png=0"}, classes: 2},
		{name: "a comma in a path", text: "d, e.png 1\na.png 0", want: []string{"d, e.png=1", "a.png=0"}, classes: 2},

		{name: "CSV", text: "a.png,1\nb c.png, 0\n", want: []string{"a.png=1", "b c.png=0"}, classes: 2},
		{
			name: "quoted CSV", labels: pets,
			text: "\"a.png\",\"Golden Retriever\"\n\"d, e.png\", \"dog, old\"\n",
			want: []string{"a.png=3", "d, e.png=4"}, classes: 5,
		},
		{
			name: "a comma in a name", labels: pets, text: "a.png,dog, old\nb c.png,dog\n",
			want: []string{"a.png=4", "b c.png=1"}, classes: 5,
		},
		{
			name: "CSV with a header", file: "train.csv", text: "filename,label\nraw,1\na.png,0\n",
			want: []string{"raw=1", "a.png=0"}, classes: 2,
		},
		{
			name: "header of a spreadsheet", file: "train.csv",
			text: "\ufeffFile Name;Class ID;Width\r\na.png;1;40\r\n;;\r\nb c.png;0;40\r\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "header of pandas",
			text: ",path,label\n0,a.png,1\n1,b c.png,0\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "number and name", labels: pets,
			text: "image_path,class_id,class_name\na.png,1,dog\nb c.png,,cat\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 5,
		},
		{
			name: "number and a name that nobody knows",
			text: "image,label,class_name\na.png,1,dog\nb c.png,0,cat\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "label first", text: "label,image\n1,a.png\n0,b c.png\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "label first without a header", text: "1,a.png\n0,b c.png\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "header of other words", file: "t.csv", text: "photo,breed\na.png,1\nb c.png,0\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "a column that is named", labels: Labels{Key: "breed"},
			text: "id,image,label,breed\n7,a.png,5,1\n8,b c.png,6,0\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "TSV", labels: pets,
			text: "a.png\tGolden Retriever\nb c.png\tdog\n",
			want: []string{"a.png=3", "b c.png=1"}, classes: 5,
		},
		{
			name: "TSV with a header", file: "t.tsv",
			text: "path\tsplit\tlabel\na.png\ttrain\t1\nb c.png\ttrain\t0\n",
			want: []string{"a.png=1", "b c.png=0"}, classes: 2,
		},
		{
			name: "quoted TSV", file: "t.tsv",
			text: "\"path\"\t\"label\"\n\"a.png\"\t\"1\"\n",
			want: []string{"a.png=1"}, classes: 2,
		},
		{
			name: "table of one column", file: "t.csv", text: "path\na.png\nb c.png\n",
			want: []string{"a.png=0", "b c.png=0"}, classes: 1,
		},
		{
			name: "table without labels", file: "t.csv", text: "path,width,height\na.png,40,30\n",
			want: []string{"a.png=0"}, classes: 1,
		},
		{name: "blanks under tabs", text: "a.png\t1\nb c.png 0\n", want: []string{"a.png=1", "b c.png=0"}, classes: 2},
		{name: "twice", text: "a.png 1\n./a.png 1\n", want: []string{"a.png=1", "./a.png=1"}, classes: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.file == "" {
				c.file = "train.txt"
			}
			d, err := listOf(t, c.file, c.text, c.labels, images...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range d.Len() {
				got = append(got, fmt.Sprintf("%s=%d", filepath.ToSlash(d.files[i]), d.Label(i)))
				if _, err := d.Image(i); err != nil {
					t.Error(err)
				}
			}
			if !slices.Equal(got, c.want) || len(d.Classes()) != c.classes {
				t.Errorf("%q in classes %q, want %q in %d", got, d.Classes(), c.want, c.classes)
			}
		})
	}
}

// An error in a list names the line, before training starts.
func TestAnnotationErrors(t *testing.T) {
	t.Parallel()
	pets := Labels{Classes: []string{"cat", "dog", "Golden Retriever"}, From: "classes.txt"}
	var long strings.Builder // of one folder, so that it is listed
	for i := range 40 {
		fmt.Fprintf(&long, "many/%02d.png 1\n", i)
	}
	for _, c := range []struct {
		name, file, text string
		labels           Labels
		want             []string
	}{
		{name: "empty", text: "\n \n", want: []string{"train.txt: no images are listed"}},
		{name: "header alone", file: "t.csv", text: "path,label\n", want: []string{"t.csv: no images are listed"}},
		{
			name: "some without a label", text: "a.png 1\nb.png",
			want: []string{"train.txt:2: no label, which other lines have"},
		},
		{
			name: "an empty label", text: "a.png,1\nb.png,\n",
			want: []string{"train.txt:2: no label, which other lines have"},
		},
		{
			name: "name without names", text: "a.png x",
			want: []string{`train.txt:1: label "x" is not a number; labels by name need data.classes`},
		},
		{
			name: "unknown name", labels: pets, text: "\na.png Golden retriever",
			want: []string{
				`train.txt:2: label "Golden retriever" is neither a number nor one of the 3 class names of ` +
					`classes.txt; did you mean "Golden Retriever"?`,
			},
		},
		{name: "part of a name", labels: pets, text: "a.png Retriever", want: []string{`label "Retriever" is neither`}},
		{name: "negative", text: "a.png -1", want: []string{"train.txt:1: label -1 is negative"}},
		{name: "too large", text: "a.png 99999999", want: []string{"label 99999999 is not from 0 to"}},
		{
			name: "over the classes", labels: pets, text: "a.png 3",
			want: []string{
				"train.txt:1: label 3 is not below the number of classes, 3 of classes.txt; labels count from 0",
			},
		},
		{
			name:   "not in the training part",
			labels: Labels{Classes: []string{"0", "1"}, From: FromTraining},
			text:   "a.png 2",
			want:   []string{"label 2 is not a class of the training part, whose labels end at 1"},
		},
		{name: "fraction", text: "a.png 1.5", want: []string{"label 1.5 is not a whole number"}},
		{name: "several labels", text: "a.png 1 2 3", want: []string{`train.txt:1: label "1 2 3" is not a number`}},
		{
			name: "several labels in CSV", text: "a.png,1,0,1",
			want: []string{"train.txt:1: 4 fields; want a path and a label, or a header"},
		},
		{
			name: "number and name disagree", labels: pets,
			text: "image,class_id,class_name\na.png,1,cat\n",
			want: []string{
				`train.txt:2: two labels that disagree: 1 in column "class_id", cat in column "class_name"`,
			},
		},
		{
			name: "a file with two labels", text: "a.png 1\nb.png 0\n./a.png 0",
			want: []string{
				`train.txt:3: two labels that disagree: ./a.png is of class "0" here and of class "1" in line 1`,
			},
		},
		{
			name: "a file with two labels, by two kinds of slashes",
			text: "many/01.png 1\nmany\\01.png 0",
			want: []string{`train.txt:2: two labels that disagree: many/01.png is of class "0" here`},
		},
		{
			name: "more fields than the header", text: "path,label\nd, e.png,1\n",
			want: []string{
				"train.txt:2: 3 fields, but the header has 2; put a field with a separator in it into quotes",
			},
		},
		{
			name: "fewer fields", text: "path,label\na.png\n",
			want: []string{`train.txt:2: 1 of the 2 fields of the header; there is nothing for "label"`},
		},
		{name: "no path", text: "path,label\n,1\n", want: []string{"train.txt:2: the path of the image is empty"}},
		{
			name: "open quote", file: "t.csv", text: "path,label\n\"a.png,1\nb.png,0\n",
			want: []string{"t.csv:", "quote"},
		},
		{
			name: "quote over lines", file: "t.csv", text: "path,label\n\"a.png\nb.png\",0\n",
			want: []string{"t.csv:2: the path of the image goes over several lines; is a quote missing?"},
		},
		{
			name: "stray quote", file: "t.csv", text: "path,label\na \"b\".png,1\n",
			want: []string{"t.csv:2: column 3: ", "double the quotes"},
		},
		{
			name: "no column of paths", file: "t.csv", text: "label,thing\n1,x\n",
			want: []string{`t.csv:1: the columns are "label", "thing": which has the images?`},
		},
		{
			name: "no such column", labels: Labels{Key: "breed"}, text: "path,label\na.png,1\n",
			want: []string{
				`train.txt:1: data.label_key: there is no column "breed"; the columns are "path", "label"`,
			},
		},
		{
			name: "a column of a plain list", labels: Labels{Key: "breed"}, text: "a.png 1\n",
			want: []string{`data.label_key: "breed" names a column, but the file is not a table`},
		},
		{
			name: "a column without a header", labels: Labels{Key: "breed"}, text: "a.png,1\n",
			want: []string{"the table has no header"},
		},
		{name: "not a text", text: "a\x00.\x00p\x00n\x00g\x00 \x001\x00", want: []string{"not a text"}},

		{
			name: "missing file",
			text: "a.png 1\n\nnone.png 0\nb.png 0\nsub/none.png 1",
			want: []string{"train.txt:3: there is no file ", "none.png; paths are relative to data.dir (and 1 more"},
		},
		{
			name: "missing among many", text: long.String() + "many/x.png 0",
			want: []string{"train.txt:41: there is no file "},
		},
		{name: "a folder", text: "a.png 1\nmany 0", want: []string{"train.txt:2: there is no file "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.file == "" {
				c.file = "train.txt"
			}
			images := []string{"a.png", "b.png"}
			for i := range 40 {
				images = append(images, fmt.Sprintf("many/%02d.png", i))
			}
			_, err := listOf(t, c.file, c.text, c.labels, images...)
			for _, want := range c.want {
				datatest.WantError(t, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %v", err)
			}
		})
	}
}

// A missing file, and a link to nothing, is an image that cannot be read. Another image can replace
// it.
func TestAnnotationsOfMissingFiles(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, "a.png")
	symlink(t, filepath.Join(dir, "nowhere"), filepath.Join(dir, "link.png"))
	var list strings.Builder
	list.WriteString("a.png 0\nlink.png 1\n")
	for i := range 2 * 1000 {
		fmt.Fprintf(&list, "%d.png 0\n", i)
	}
	path := filepath.Join(dir, "train.txt")
	datatest.WriteFile(t, path, []byte(list.String()))
	d, err := InspectAnnotations(path, dir, Labels{})
	if err != nil {
		t.Fatal(err)
	}
	err = data.CheckFaults(d, false)
	datatest.WantError(t, err, "train.txt:2: there is no file "+filepath.Join(dir, "link.png"))
	datatest.WantError(t, err, "(and 2000 more; data verify lists all)")
	if err := data.CheckFaults(d, true); err != nil {
		t.Errorf("with data.on_bad_image: skip: %v", err)
	}
	if faults := data.FaultsOf(d); len(faults) != 1001 ||
		!strings.Contains(faults[1000].Err.Error(), "1001 more faults") {
		t.Errorf("%d faults, the last is %v", len(faults), faults[len(faults)-1])
	}
	if d.Len() != 2*1000+2 {
		t.Errorf("%d samples", d.Len())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = OpenAnnotations(path, dir, Labels{})
	datatest.WantError(t, err, "train.txt")
}

func TestAnnotationNotes(t *testing.T) {
	d, err := listOf(t, "train.txt", "a.png 1\nb.png 0\n./a.png 1\na.png 1\n", Labels{}, "a.png", "b.png")
	if err != nil {
		t.Fatal(err)
	}
	if notes := data.NotesOf(d); len(notes) != 1 ||
		!strings.HasSuffix(notes[0], "train.txt: 2 of 4 lines list a file that an earlier line lists") {
		t.Errorf("%q", notes)
	}
	d, err = listOf(t, "train.csv", "path,Split,label\na.png,train,1\nb.png,val,0\n", Labels{}, "a.png", "b.png")
	if err != nil {
		t.Fatal(err)
	}
	want := `train.csv: column "Split" is ignored: all rows belong to this part; write a file for each part`
	if notes := data.NotesOf(d); len(notes) != 1 || !strings.HasSuffix(notes[0], want) {
		t.Errorf("%q", notes)
	}
	d, err = listOf(t, "train.csv", "image,breed,weight\na.png,cat,3\nb.png,dog,4\n", Labels{}, "a.png", "b.png")
	if err != nil {
		t.Fatal(err)
	}
	err = data.CheckLabels(d, "training")
	datatest.WantError(t, err, "the 2 training images have no labels, which a classifier needs: ")
	datatest.WantError(t, err,
		`train.csv: the columns are "image", "breed", "weight": which has the labels? Call it label, or name it `+
			`with data.label_key`)
	d, err = listOf(t, "train.txt", "a.png\nb.png\n", Labels{}, "a.png", "b.png")
	if err != nil {
		t.Fatal(err)
	}
	datatest.WantError(t, data.CheckLabels(d, "training"),
		"the 2 training images have no labels, which a classifier needs; give every line of ")
}
