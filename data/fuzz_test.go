package data

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/internal/hostile"
)

// No content makes the decoder panic, or take more memory than the pixels that it
// can hold: 1 to 8256 in a byte, of at most 32 bytes while they are decoded.
func FuzzDecode(f *testing.F) {
	grey, colours := image.NewGray(image.Rect(0, 0, 9, 5)), image.NewNRGBA(image.Rect(0, 0, 17, 20))
	for i := range colours.Pix {
		colours.Pix[i] = byte(i * i)
	}
	palette := image.NewPaletted(image.Rect(0, 0, 3, 3), color.Palette{color.Black, color.White})
	for _, m := range []image.Image{grey, colours, palette} {
		var p, j bytes.Buffer
		if err := png.Encode(&p, m); err != nil {
			f.Fatal(err)
		}
		if err := jpeg.Encode(&j, m, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(p.Bytes())
		f.Add(j.Bytes())
	}
	g := goldenSafetensors(f, "pillow_formats.safetensors")
	for _, name := range g.Names() {
		if strings.HasPrefix(name, "file/") {
			_, content := g.get(name)
			f.Add(content)
		}
	}
	f.Add(blankWebP(40, 30))
	f.Add(sameStrips(40, 30, 10, []byte{0xd9, 0}, 32773, 8)) // a row of zeros, too few of them
	f.Add(sameStrips(40, 30, 30, []byte{0xff, 0xff, 0xff, 0xff}, 4, 1))
	f.Fuzz(func(t *testing.T, content []byte) {
		var m *Image
		var err error
		r := rooms[sniff(content)]
		hostile.Bound(t, 1<<20+32*min(MaxPixels, r.free+r.perByte*len(content)), func() { m, err = Decode(content) })
		if err != nil {
			return
		}
		if m.Height < 1 || m.Width < 1 || m.Channels != 1 && m.Channels != 3 || len(m.Pix) != m.Height*m.Width*m.Channels {
			t.Errorf("%d×%d×%d with %d values", m.Height, m.Width, m.Channels, len(m.Pix))
		}
	})
}

// No file of records and no file of names makes the reader of CIFAR panic, or take
// more memory than the content, its pixels and their copy.
func FuzzCIFAR(f *testing.F) {
	kinds := []CIFARKind{CIFAR10, CIFAR100, CIFAR100Coarse}
	f.Add(make([]byte, 2*3074), "", uint8(1))
	f.Add(append([]byte{9}, make([]byte, 3072)...), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", uint8(0))
	f.Fuzz(func(t *testing.T, content []byte, names string, which uint8) {
		kind, dir := kinds[int(which)%len(kinds)], t.TempDir()
		writeFile(t, filepath.Join(dir, kind.test[0]), content)
		if names != "" {
			writeFile(t, filepath.Join(dir, kind.names), []byte(names))
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
			if m, err := d.Image(i); err != nil || m.check() != nil || d.Name(i) == "" {
				t.Errorf("image %d %q: %v", i, d.Name(i), err)
			}
		}
	})
}

// A class map has a name in every line, each once, or an error; its memory is that of
// the text, and of a header and a place in a table for every line.
func FuzzClassMap(f *testing.F) {
	f.Add("ant\nbee\n")
	f.Add("\ufeffant\r\nbee\r\n\r\n")
	f.Add("ant\n\nbee")
	f.Add("ant\nbee\nant")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "classes.txt")
		writeFile(t, path, []byte(text))
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

// A packed file is opened in memory for its index, and every image is whole or an error.
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
		writeFile(t, path, content)
		var d *Packed
		var err error
		hostile.Bound(t, 1<<20+64*len(content), func() { d, err = OpenPacked(path) })
		if err != nil {
			return
		}
		defer d.Close()
		for i := range min(d.Len(), 20) {
			d.Name(i)
			if m, err := d.Image(i); err == nil && m.check() != nil {
				t.Error("an image that is not valid")
			}
		}
	})
}

// Shards are listed in memory for their entries, whose names are never opened as files.
func FuzzShards(f *testing.F) {
	a := string(pngOf(f, 10))
	f.Add(tarOf(f, "x/1.png", a, "x/1.cls", "3"))
	f.Add(tarOf(f, "dog/1.png", a, "cat/2.png", a))
	f.Add(tarOf(f, "1.png", a, "2.png", a, "1.cls.txt", "dog", "2.json", `{"label": 1, "class_name": "a b"}`, "1.seg.png", a))
	f.Add(tarOf(f, "1.png", a, "1.txt", "a caption", "2.cls", "2", "._1.png", "x", "1.png", a))
	f.Add(tarOf(f, "1.json", `[1]`, "1.PNG", a, "2.png", a, "2.json", "{", "2.target.cls", "\xff\xfe2\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "s.tar")
		writeFile(t, path, content)
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

// fuzzLabels are what labels may mean; the length of an input decides.
var fuzzLabels = []Labels{{}, {Classes: []string{"a b", "b", "0", "dog"}}, {Key: "label"}}

// fuzzedSet checks that there is a class for every label, also of what is at fault.
func fuzzedSet(t *testing.T, d Dataset) {
	if _, err := CountClasses(d); err != nil {
		t.Error(err)
	}
	CheckFaults(d, false)
	CheckLabels(d, "")
	NotesOf(d)
	DescribeLeftOut(LeftOutOf(d))
}

// An annotation file has a class in every line that is known, in memory for its lines.
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
		writeFile(t, path, []byte(text))
		var d *Annotations
		var err error
		labels := fuzzLabels[len(text)%len(fuzzLabels)]
		hostile.Bound(t, 1<<20+256*len(text)+40*maxClasses, func() { d, err = InspectAnnotations(path, "", labels) })
		if err == nil {
			fuzzedSet(t, d)
		}
	})
}
