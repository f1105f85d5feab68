package sets

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// A fingerprint stays the same when a data set moves, and shows what has changed.
func TestFingerprint(t *testing.T) {
	files := []string{"train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "train/dog/2.png"}
	set := func(t *testing.T, change func(dir string)) *data.Fingerprint {
		t.Helper()
		dir := t.TempDir()
		writeTree(t, dir, files...)
		if change != nil {
			change(dir)
		}
		return data.TakeFingerprint(openFolder(t, dir, data.Train), true)
	}
	before := set(t, nil)
	if before.Samples != 4 || !slices.Equal(before.PerClass, []int{2, 2}) {
		t.Errorf("%+v", before)
	}
	for _, c := range []struct {
		name   string
		change func(dir string)
		want   data.Changes
	}{
		{"moved", nil, data.Changes{}},
		{
			"added",
			func(dir string) { writeTree(t, dir, "train/dog/0.png", "train/dog/new/1.png") },
			data.Changes{Added: 2},
		},
		{"removed", func(dir string) { os.Remove(filepath.Join(dir, "train/cat/1.png")) }, data.Changes{Removed: 1}},
		{"renamed", func(dir string) {
			os.Rename(filepath.Join(dir, "train/cat/1.png"), filepath.Join(dir, "train/cat/9.png"))
		}, data.Changes{Added: 1, Removed: 1}},
		{"another image", func(dir string) {
			datatest.WriteFile(t, filepath.Join(dir, "train/cat/1.png"),
				datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rect(0, 0, 90, 20)), color.White)))
		}, data.Changes{Resized: 1}},
		{"another class", func(dir string) {
			os.Rename(filepath.Join(dir, "train/cat/1.png"), filepath.Join(dir, "train/dog/3.png"))
		}, data.Changes{Added: 1, Removed: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			after := set(t, c.change)
			if got := data.Compare(before.Stamps, after.Stamps); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if same := before.Listing == after.Listing; same != c.want.None() {
				t.Errorf("the same listing: %v", same)
			}
		})
	}
}

// The order of the samples has its own hash, which file sizes do not change.
func TestFingerprintOrder(t *testing.T) {
	dir := t.TempDir()
	list := func(text string) *Annotations {
		path := filepath.Join(dir, "list.txt")
		datatest.WriteFile(t, path, []byte(text))
		d, err := InspectAnnotations(path, dir, Labels{Classes: []string{"cat", "dog"}})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	datatest.WriteFile(t, filepath.Join(dir, "a.png"), datatest.PNGOf(t, 1))
	a := data.TakeFingerprint(list("a.png cat\nb.png dog\n"), true)
	b := data.TakeFingerprint(list("b.png dog\na.png cat\n"), true)
	c := data.TakeFingerprint(list("a.png cat\nb.png cat\n"), true)
	if a.Listing != b.Listing || a.Order == b.Order {
		t.Errorf("another order: %+v, %+v", a, b)
	}
	if got := data.Compare(a.Stamps, c.Stamps); got != (data.Changes{Relabelled: 1}) ||
		a.Order == c.Order || a.Listing == c.Listing {
		t.Errorf("another label: %+v", got)
	}
	if d := data.TakeFingerprint(list("a.png cat\nb.png dog\n"), false); d.Order != a.Order || d.Listing == a.Listing {
		t.Errorf("without sizes: %+v, %+v", a, d)
	}
}

// Names may occur several times, as in shards that all begin with 000.png.
func TestCompareSameNames(t *testing.T) {
	stamps := func(sizes ...uint64) (s []data.Stamp) {
		for _, size := range sizes {
			s = append(s, data.Stamp{Name: 7, Size: size})
		}
		return s
	}
	for _, c := range []struct {
		before, after []data.Stamp
		want          data.Changes
	}{
		{stamps(10, 20, 30), stamps(20, 30), data.Changes{Removed: 1}},
		{stamps(10, 10, 20), stamps(10, 10, 10, 20), data.Changes{Added: 1}},
		{stamps(10, 20), stamps(10, 25), data.Changes{Resized: 1}},
		{nil, stamps(1, 2), data.Changes{Added: 2}},
		{stamps(1, 2), nil, data.Changes{Removed: 2}},
	} {
		if got := data.Compare(c.before, c.after); got != c.want {
			t.Errorf("%v to %v: %+v, want %+v", c.before, c.after, got, c.want)
		}
	}
}

// In every format the fingerprint shows a change of one sample.
func TestFingerprintFormats(t *testing.T) {
	pixels := func(v uint8) []uint8 { return []uint8{1, 2, 3, v} }
	for _, c := range []struct {
		name string
		open func(t *testing.T, dir string, v uint8) data.Dataset // the last sample depends on v
		want data.Changes
	}{
		{"shards", func(t *testing.T, dir string, v uint8) data.Dataset {
			path := filepath.Join(dir, "a.tar")
			picture := image.NewRGBA(image.Rect(0, 0, 4+int(v), 30))
			content := datatest.EncodePNG(t, datatest.Filled(picture, color.White))
			datatest.WriteFile(t, path,
				tarOf(
					t,
					"1.png", string(datatest.PNGOf(t, 1)), "1.cls", "0",
					"2.png", string(content)+fmt.Sprintf("%*d", v, 1), "2.cls", "1",
				))
			d, err := OpenShards([]string{path}, Labels{})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}, data.Changes{Resized: 1}},
		{"packed", func(t *testing.T, dir string, v uint8) data.Dataset {
			writeTree(t, dir, "cat/1.png", "dog/1.png")
			datatest.WriteFile(t, filepath.Join(dir, "dog/1.png"),
				datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rect(0, 0, 4+int(v), 30)), color.White)))
			src, err := OpenClassFolders(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "x.pack")
			if _, err := Pack(t.Context(), path, src, PackOptions{Form: PackDecoded}); err != nil {
				t.Fatal(err)
			}
			d, err := OpenPacked(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d
		}, data.Changes{Resized: 1}},
		{"idx", func(_ *testing.T, _ string, v uint8) data.Dataset {
			return &IDX{"train.gz", "train.gz", pixels(v), 1, 2, []int32{0, 1}, []string{"a", "b"}}
		}, data.Changes{Resized: 1}},
		{"cifar", func(_ *testing.T, _ string, v uint8) data.Dataset {
			d := &CIFAR{
				files: []string{"/x/a.bin"}, ends: []int{2}, labels: []uint8{0, 1},
				classes: []string{"a", "b"}, pixels: make([]uint8, 2*3*cifarPixels),
			}
			d.pixels[len(d.pixels)-1] = v
			return d
		}, data.Changes{Resized: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			a, again := data.TakeFingerprint(c.open(t, filepath.Join(dir, "a"), 1), true), data.TakeFingerprint(
				c.open(t, filepath.Join(dir, "b"), 1), true,
			)
			if a.Listing != again.Listing || a.Order != again.Order {
				t.Error("the same data have another fingerprint elsewhere")
			}
			b := data.TakeFingerprint(c.open(t, filepath.Join(dir, "c"), 9), true)
			if got := data.Compare(a.Stamps, b.Stamps); got != c.want || a.Order != b.Order {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// A folder and its packed file or its shards have the same fingerprint.
func TestFingerprintPacked(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"cat/1.png", "cat/2.png", "dog/1.png"} {
		datatest.WriteFile(t, filepath.Join(dir, name),
			datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rect(0, 0, 5+i, 6)), color.White)))
	}
	src, err := OpenClassFolders(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := data.TakeFingerprint(src, true)
	path := filepath.Join(t.TempDir(), "x.pack")
	if _, err := Pack(t.Context(), path, src, PackOptions{Form: PackJPEG, Quality: 95}); err != nil {
		t.Fatal(err)
	}
	packed, err := OpenPacked(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	if got := data.TakeFingerprint(packed, true); got.Listing != want.Listing || got.Order != want.Order {
		t.Errorf("packed: %+v, want %+v", data.Compare(want.Stamps, got.Stamps), data.Changes{})
	}
	shards := t.TempDir()
	if err := WriteShards(t.Context(), shards, src, ShardOptions{Name: "train", PerShard: 2}); err != nil {
		t.Fatal(err)
	}
	files, err := ShardFiles(filepath.Join(shards, "*.tar"))
	if err != nil {
		t.Fatal(err)
	}
	sharded, err := OpenShards(files, Labels{Classes: src.Classes()})
	if err != nil {
		t.Fatal(err)
	}
	if got := data.TakeFingerprint(sharded, true); got.Listing != want.Listing || got.Order != want.Order {
		t.Errorf("sharded: %+v", data.Compare(want.Stamps, got.Stamps))
	}
}

// The fingerprint of a large data set is quick, because nothing is decoded.
func BenchmarkFingerprint(b *testing.B) {
	d := &Annotations{root: b.TempDir(), classes: numbered(1000)}
	for i := range 100_000 {
		d.files, d.labels = append(d.files, fmt.Sprintf("n%08d/n%08d_%d.JPEG", i%1000, i%1000, i)), append(
			d.labels, int32(i%1000),
		)
	}
	for b.Loop() {
		data.TakeFingerprint(d, true)
	}
}
