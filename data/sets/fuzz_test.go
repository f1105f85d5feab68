package sets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
	"fasternet/internal/hostile"
)

// No file of records or names makes the CIFAR reader panic, or use more memory than the content,
// its pixels and a copy of them.
func FuzzCIFAR(f *testing.F) {
	kinds := []CIFARKind{CIFAR10, CIFAR100, CIFAR100Coarse}
	f.Add(make([]byte, 2*3074), "", uint8(1))
	f.Add(append([]byte{9}, make([]byte, 3072)...), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", uint8(0))
	f.Fuzz(func(t *testing.T, content []byte, names string, which uint8) {
		kind, dir := kinds[int(which)%len(kinds)], t.TempDir()
		datatest.WriteFile(t, filepath.Join(dir, kind.test[0]), content)
		if names != "" {
			datatest.WriteFile(t, filepath.Join(dir, kind.names), []byte(names))
		}
		var d *CIFAR
		var err error
		hostile.Bound(t, 1<<20+64*len(names)+4*len(content), func() { d, err = OpenCIFAR(dir, kind, false) })
		if err != nil {
			return
		}
		if len(d.Classes()) != kind.count || d.Len()*(kind.labels+3*cifarPixels) != len(content) {
			t.Errorf("%d records in %d classes of %d bytes", d.Len(), len(d.Classes()), len(content))
		}
		for i := range d.Len() {
			if l := d.Label(i); l < 0 || l >= kind.count {
				t.Errorf("label %d of %d classes", l, kind.count)
			}
			if m, err := d.Image(i); err != nil || m.Check() != nil || d.Name(i) == "" {
				t.Errorf("image %d %q: %v", i, d.Name(i), err)
			}
		}
	})
}

// A class map has a name in every line, each once, or reading it is an error. It uses memory for
// the text, and a header and a place in a table for each line.
func FuzzClassMap(f *testing.F) {
	f.Add("ant\nbee\n")
	f.Add("\ufeffant\r\nbee\r\n\r\n")
	f.Add("ant\n\nbee")
	f.Add("ant\nbee\nant")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "classes.txt")
		datatest.WriteFile(t, path, []byte(text))
		var names []string
		var err error
		hostile.Bound(t, 1<<20+64*len(text), func() { names, err = ReadClassMap(path) })
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, name := range names {
			if name == "" || name != strings.TrimSpace(name) || strings.Contains(name, "\n") || seen[name] {
				t.Errorf("class %q of %q", name, names)
			}
			seen[name] = true
		}
		if len(names) == 0 {
			t.Error("neither names nor an error")
		}
	})
}

// Opening a packed file uses memory for its index only. Every image is complete or an error.
func FuzzPacked(f *testing.F) {
	src := packSource(f)
	path := filepath.Join(f.TempDir(), "p.pack")
	if _, err := Pack(f.Context(), path, src, PackOptions{Form: PackDecoded}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:200])
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "p.pack")
		datatest.WriteFile(t, path, content)
		var d *Packed
		var err error
		hostile.Bound(t, 1<<20+64*len(content), func() { d, err = OpenPacked(path) })
		if err != nil {
			return
		}
		defer d.Close()
		for i := range min(d.Len(), 20) {
			d.Name(i)
			if m, err := d.Image(i); err == nil && m.Check() != nil {
				t.Error("an image that is not valid")
			}
		}
	})
}

// Indexing shards uses memory for their entries only. Their names are never opened as files.
func FuzzShards(f *testing.F) {
	a := string(datatest.PNGOf(f, 10))
	f.Add(tarOf(f, "x/1.png", a, "x/1.cls", "3"))
	f.Add(tarOf(f, "dog/1.png", a, "cat/2.png", a))
	f.Add(
		tarOf(
			f, "1.png", a, "2.png", a, "1.cls.txt", "dog", "2.json",
			`{"label": 1, "class_name": "a b"}`, "1.seg.png", a,
		),
	)
	f.Add(tarOf(f, "1.png", a, "1.txt", "a caption", "2.cls", "2", "._1.png", "x", "1.png", a))
	f.Add(tarOf(f, "1.json", `[1]`, "1.PNG", a, "2.png", a, "2.json", "{", "2.target.cls", "\xff\xfe2\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "s.tar")
		datatest.WriteFile(t, path, content)
		var d *Shards
		var err error
		labels := fuzzLabels[len(content)/512%len(fuzzLabels)]
		hostile.Bound(t, 4<<20+64*len(content)+40*maxClasses, func() { d, err = InspectShards([]string{path}, labels) })
		if err != nil {
			return
		}
		fuzzedSet(t, d)
		for i := range min(d.Len(), 20) {
			d.Image(i)
		}
	})
}

// fuzzLabels returns one of several meanings of labels, chosen by the length of the input.
var fuzzLabels = []Labels{{}, {Classes: []string{"a b", "b", "0", "dog"}}, {Key: "label"}}

// fuzzedSet checks that every label has a class, even of samples with faults.
func fuzzedSet(t *testing.T, d data.Dataset) {
	if _, err := data.CountClasses(d); err != nil {
		t.Error(err)
	}
	data.CheckFaults(d, false)
	data.CheckLabels(d, "")
	data.NotesOf(d)
	data.DescribeLeftOut(data.LeftOutOf(d))
}

// Every label of an annotation file has a class, and reading it uses memory for its lines only.
func FuzzAnnotations(f *testing.F) {
	f.Add("a.png 1\nb c.jpg 0\n")
	f.Add("a.png\nb.png")
	f.Add("path,label\r\na.png,1\r\n\"b, c.png\",\"0\"\r\n")
	f.Add("\ufeffa.png\ta b\nb.png\tb\n")
	f.Add("id;image;class_id;class_name\n1;a.png;3;dog\n")
	f.Add("\"x\\y.png\" a b\nz.png b\nz.png a b")
	f.Add("\xff\xfea\x00.\x00p\x00n\x00g\x00 \x001\x00")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), []string{"a.txt", "a.csv"}[len(text)/len(fuzzLabels)%2])
		datatest.WriteFile(t, path, []byte(text))
		var d *Annotations
		var err error
		labels := fuzzLabels[len(text)%len(fuzzLabels)]
		hostile.Bound(t, 1<<20+256*len(text)+40*maxClasses, func() { d, err = InspectAnnotations(path, "", labels) })
		if err == nil {
			fuzzedSet(t, d)
		}
	})
}
