package sets

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

func TestClassMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "classes.txt")
	for _, c := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{name: "plain", text: "dog\ncat\n", want: []string{"dog", "cat"}},
		{name: "Windows", text: "\ufeffdog\r\ncat\r\n\r\n", want: []string{"dog", "cat"}},
		{name: "UTF-16", text: utf16LE("dog\r\ncafé au lait\r\n"), want: []string{"dog", "café au lait"}},
		{name: "UTF-16 of the other order", text: "\xfe\xff\x00d\x00\n\x00c", want: []string{"d", "c"}},
		{name: "twice", text: "dog\ncat\ndog", err: ":3: class \"dog\" occurs twice, also in line 1"},
		{name: "empty line", text: "a\n\nb", err: ":2: want the name"},
		{name: "empty", text: "", err: ":1: want the name"},
		{name: "Latin-1", text: "dog\ncaf\xe9\n", err: `:2: class "caf\xe9" is not UTF-8`},
		{name: "UTF-16 without a mark", text: "d\x00o\x00g\x00", err: "not a text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			datatest.WriteFile(t, path, []byte(c.text))
			names, err := ReadClassMap(path)
			if c.err != "" {
				datatest.WantError(t, err, path)
				datatest.WantError(t, err, c.err)
				return
			}
			if err != nil || !slices.Equal(names, c.want) {
				t.Errorf("%q, %v, want %q", names, err, c.want)
			}
		})
	}
	_, err := ReadClassMap(filepath.Dir(path))
	datatest.WantError(t, err, "is a folder; want a text file")
}

// idxOf returns the content of an IDX file of bytes.
func idxOf(content []byte, dims ...int) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, uint32(d))
	}
	return append(out, content...)
}

// In every format a classifier needs samples of two classes at least.
func TestCheckLabels(t *testing.T) {
	a := string(datatest.PNGOf(t, 10))
	for _, c := range []struct {
		name, want string
		open       func(dir string, label int) (data.Dataset, error) // two samples, of class 1 and of another one
	}{
		{"folders", `are of one class, "c1", and a classifier needs two or more; put the images of each class ` +
			`into their own folder in `, func(dir string, label int) (data.Dataset, error) {
			writeTree(t, dir, "c1/1.png", fmt.Sprintf("c%d/2.png", label))
			return OpenClassFolders(dir, nil)
		}},
		{"list", `are of one class, "1", and a classifier needs two or more; ` +
			`give every line of `, func(dir string, label int) (data.Dataset, error) {
			writeTree(t, dir, "1.png", "2.png")
			datatest.WriteFile(t, filepath.Join(dir, "list.txt"), fmt.Appendf(nil, "1.png 1\n2.png %d\n", label))
			return OpenAnnotations(filepath.Join(dir, "list.txt"), dir, Labels{})
		}},
		{"shards", `are of one class, "dog", and a classifier needs two or more; ` +
			`the members are png, cls; a label is `, func(dir string, label int) (data.Dataset, error) {
			datatest.WriteFile(t, filepath.Join(dir, "a.tar"),
				tarOf(t, "1.png", a, "1.cls", "1", "2.png", a, "2.cls", fmt.Sprint(label)))
			return OpenShards([]string{filepath.Join(dir, "a.tar")}, Labels{Classes: []string{"cat", "dog"}})
		}},
		{"folders in shards", `are of one class, "1", and a classifier needs two or more; ` +
			`the members are png; a label is `, func(dir string, label int) (data.Dataset, error) {
			datatest.WriteFile(t, filepath.Join(dir, "a.tar"),
				tarOf(t, "1/1.png", a, fmt.Sprintf("%d/2.png", label), a))
			return OpenShards([]string{filepath.Join(dir, "a.tar")}, Labels{})
		}},
		{"packed", `are of one class, "c1"`, func(dir string, label int) (data.Dataset, error) {
			writeTree(t, dir, "c1/1.png", fmt.Sprintf("c%d/2.png", label))
			src, err := OpenClassFolders(dir, nil)
			if err != nil {
				return nil, err
			}
			path := filepath.Join(dir, "a.pack")
			if _, err := Pack(t.Context(), path, src, PackOptions{Form: PackDecoded}); err != nil {
				return nil, err
			}
			d, err := OpenPacked(path)
			if err == nil {
				t.Cleanup(func() { d.Close() })
			}
			return d, err
		}},
		{"idx", `are of one class, "1"`, func(dir string, label int) (data.Dataset, error) {
			datatest.WriteFile(t, filepath.Join(dir, "i"), idxOf(make([]byte, 8), 2, 2, 2))
			datatest.WriteFile(t, filepath.Join(dir, "l"), idxOf([]byte{1, byte(label)}, 2))
			return OpenIDX(filepath.Join(dir, "i"), filepath.Join(dir, "l"), nil)
		}},
		{"cifar", `are of one class, "automobile"`, func(dir string, label int) (data.Dataset, error) {
			records := make([]byte, 2*3073)
			records[0], records[3073] = 1, byte(label)
			datatest.WriteFile(t, filepath.Join(dir, "test_batch.bin"), records)
			return OpenCIFAR(dir, CIFAR10, false)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ds, err := c.open(t.TempDir(), 1)
			if err != nil {
				t.Fatal(err)
			}
			err = data.CheckLabels(data.Subset(ds, []int{0, 1}), "training")
			datatest.WantError(t, err, "all 2 training images "+c.want)
			if ds, err = c.open(t.TempDir(), 0); err != nil {
				t.Fatal(err)
			}
			if err := data.CheckLabels(ds, "training"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCountClasses(t *testing.T) {
	counts, err := data.CountClasses(ramp(5))
	if err != nil || !slices.Equal(counts, []int{3, 2}) {
		t.Errorf("%v, %v", counts, err)
	}
	for _, label := range []int{-1, 2} {
		ds := wrongLabel{ramp(5), label}
		_, err := data.CountClasses(ds)
		datatest.WantError(t, err, fmt.Sprintf("sample 3: label %d is not one of the 2 classes", label))
		// WriteShards refuses such a data set.
		err = WriteShards(t.Context(), t.TempDir(), ds, ShardOptions{Name: "train", PerShard: 2})
		datatest.WantError(t, err, "is not one of the 2 classes")
		_, err = Pack(t.Context(), filepath.Join(t.TempDir(), "p.pack"), ds, PackOptions{Form: PackDecoded})
		datatest.WantError(t, err, "is not one of the 2 classes")
	}
}

// wrongLabel is a data set in which sample 3 has a different label.
type wrongLabel struct {
	data.Dataset
	label int
}

func (w wrongLabel) Label(i int) int {
	if i == 3 {
		return w.label
	}
	return w.Dataset.Label(i)
}

// Shards read back as they were written: without labels if there were none, with the same names,
// and without other shards in the folder.
func TestWriteShardsForReading(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "10/a.png", "2/b.png", "1/c.png") // names that are numbers of other classes
	src, err := OpenClassFolders(root, []string{"2", "10", "1"})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	write := func(ds data.Dataset, name string, per int) error {
		return WriteShards(t.Context(), out, ds, ShardOptions{Name: name, PerShard: per})
	}
	if err := write(src, "train", 1); err != nil {
		t.Fatal(err)
	}
	files, err := ShardFiles(filepath.Join(out, "train-*.tar"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	names, err := ReadClassMap(filepath.Join(out, ClassFile))
	if err != nil || ShardLabelKind(out) != LabelNumber {
		t.Fatal(ShardLabelKind(out), err)
	}
	back, err := OpenShards(files, Labels{Classes: names, Kind: ShardLabelKind(out)})
	if err != nil {
		t.Fatal(err)
	}
	sameSet(t, back, src)
	if err := write(src, "train", 1); err != nil {
		t.Errorf("once more: %v", err)
	}
	datatest.WantError(t, write(src, "train", 2),
		"train-000002.tar exists already and would be read as one of the 2 new shards")
	datatest.WantError(t,
		write(relabel(t, src, []int{0, 1, 2}, []string{"2", "10", "5"}), "val", 2),
		`classes.txt has no class "5"; it belongs to the other part`)
	// Another part, without one of the classes and in another order, has the same labels.
	few, err := InspectValidationFolders(root, []string{"1", "2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(few, "val", 2); err != nil {
		t.Fatal(err)
	}
	if names, err = ReadClassMap(filepath.Join(out, ClassFile)); err != nil || !slices.Equal(names, src.Classes()) {
		t.Errorf("%q, %v", names, err)
	}
	shards := []string{filepath.Join(out, "val-000000.tar")}
	val, err := OpenShards(shards, Labels{Classes: names, Kind: ShardLabelKind(out)})
	if err != nil || val.Label(0) != 2 || val.Label(1) != 0 {
		t.Errorf("%+v, %v", val, err)
	}

	for _, name := range []string{" a", "", "a\nb"} {
		err := WriteShards(
			t.Context(), t.TempDir(), relabel(t, src, []int{0, 1, 2}, []string{"x", "y", name}),
			ShardOptions{Name: "train", PerShard: 5},
		)
		datatest.WantError(t, err, fmt.Sprintf("class 2 is called %q, which cannot be a line of classes.txt", name))
	}

	unlabelled := t.TempDir()
	image := Files{filepath.Join(root, "2", "b.png")}
	if err := WriteShards(t.Context(), unlabelled, image, ShardOptions{Name: "train", PerShard: 5}); err != nil {
		t.Fatal(err)
	}
	d, err := OpenShards([]string{filepath.Join(unlabelled, "train-000000.tar")}, Labels{})
	if err != nil || !data.Unlabelled(d) {
		t.Errorf("%+v, %v", d, err)
	}
	if found, _ := filepath.Glob(filepath.Join(unlabelled, "*.txt")); len(found) > 0 {
		t.Errorf("%q", found)
	}
}

// In the validation part, class folders may be missing or empty.
func TestValidationFolders(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "cat/1.png", "fox/2.png", "fox/3.png", "dog/notes.txt", "Emu/4.png")
	for _, c := range []struct {
		name    string
		classes []string
		labels  []int
		want    []string
		left    string
	}{
		{
			"names of their own", nil, []int{1, 2, 2, 0}, []string{"Emu", "cat", "fox"},
			"1 file with another ending is left out: .txt 1; 1 folder without images is left out",
		},
		{
			"class map", []string{"fox", "dog", "emu", "cat"}, []int{0, 0, 3},
			[]string{"fox", "dog", "emu", "cat"},
			"1 file with another ending is left out: .txt 1; 1 folder that is not a class of data.classes is " +
				"left out",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := InspectValidationFolders(root, c.classes)
			if err != nil {
				t.Fatal(err)
			}
			if err := data.CheckFaults(d, false); err != nil {
				t.Fatal(err)
			}
			var labels []int
			for i := range d.Len() {
				labels = append(labels, d.Label(i))
			}
			slices.Sort(labels)
			slices.Sort(c.labels)
			if !slices.Equal(labels, c.labels) || !slices.Equal(d.Classes(), c.want) {
				t.Errorf("%v of %q, want %v of %q", labels, d.Classes(), c.labels, c.want)
			}
			if text := data.DescribeLeftOut(d.LeftOut()); text != c.left {
				t.Error(text)
			}
		})
	}
	_, err := OpenClassFolders(root, []string{"fox", "emu"})
	datatest.WantError(t, err, `no folder of class 1, "emu", which data.classes has; there is one called "Emu"`)
	_, err = OpenClassFolders(root, nil)
	datatest.WantError(t, err, "dog: no images")
	empty := t.TempDir()
	writeTree(t, empty, "dog/notes.txt")
	_, err = InspectValidationFolders(empty, []string{"dog"})
	datatest.WantError(t, err, "no images ")
}

// All lines of a text end in "\n", whatever program wrote it.
func TestDecodeText(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"plain", "a\nb", "a\nb"}, {"Windows", "\ufeffa\r\nb\r\n", "a\nb\n"}, {"old Mac", "a\rb", "a\nb"},
		{"UTF-16", utf16LE("a\r\nb"), "a\nb"},
		{"zero at the end", "3\x00", "3"},
		{"empty", "", ""},
		{"a mark alone", "\xff\xfe", ""},
	} {
		if text, err := decodeText([]byte(c.content)); err != nil || text != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, text, err, c.want)
		}
	}
	_, err := decodeText(bytes.Repeat([]byte{'a', 0}, 3))
	datatest.WantError(t, err, "zero bytes; save it as UTF-8")
}

// One function parses the labels of lists and of shards.
func TestParseLabel(t *testing.T) {
	r := newLabelReader(Labels{Classes: []string{"cat", "2", "New York", "3.5", "-1"}})
	for _, c := range []struct {
		text         string
		name, number int32
	}{
		{"cat", 0, -1},
		{" New York\n", 2, -1},
		{"0", -1, 0},
		{"2", 1, 2},
		{"2.0", -1, 2},
		{"4.", -1, 4},
		{"+1", -1, 1},
		{"003", -1, 3},
		{"3.5", 3, -1},
		{"-1", 4, -1},
		{"-0", -1, 0},
	} {
		if got, err := r.parse(c.text); err != nil || got != (class{c.name, c.number}) {
			t.Errorf("%q: %+v, %v, want name %d, number %d", c.text, got, err, c.name, c.number)
		}
	}
	for _, text := range []string{"", "Cat", "5", "-2", "2.5", "1e0", "0x1", "1_0", "NaN", "inf", "1 2", ".", "٣"} {
		if got, err := r.parse(text); err == nil {
			t.Errorf("%q: %+v, want an error", text, got)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func relabel(t *testing.T, ds data.Dataset, index []int, classes []string) data.Dataset {
	t.Helper()
	out, err := data.Relabel(ds, index, classes)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
