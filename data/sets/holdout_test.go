package sets

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// named is a data set that has only names and labels.
type named struct {
	names  []string
	labels []int
}

func (n named) Len() int                        { return len(n.names) }
func (n named) Classes() []string               { return []string{"a", "b", "c", "d"} }
func (n named) Label(i int) int                 { return n.labels[i] }
func (n named) Name(i int) string               { return n.names[i] }
func (named) Image(int) (*picture.Image, error) { return picture.NewImage(1, 1, 1), nil }

// with returns a copy with one more sample.
func (n named) with(at int, name string, label int) named {
	return named{slices.Insert(slices.Clone(n.names), at, name), slices.Insert(slices.Clone(n.labels), at, label)}
}

// without returns a copy without a sample.
func (n named) without(i int) named {
	return named{slices.Delete(slices.Clone(n.names), i, i+1), slices.Delete(slices.Clone(n.labels), i, i+1)}
}

func fourClasses(perClass int) named {
	var n named
	for c := range 4 {
		for i := range perClass {
			n.names = append(n.names, fmt.Sprintf("%d/%03d.png", c, i))
			n.labels = append(n.labels, c)
		}
	}
	return n
}

// heldOut returns the keys of the samples that are held out.
func heldOut(t *testing.T, ds data.Dataset, fraction float64, seed uint64) map[string]bool {
	t.Helper()
	train, val, err := data.HoldOut(ds, fraction, seed)
	if err != nil {
		t.Fatal(err)
	}
	if train.Len()+val.Len() != ds.Len() {
		t.Fatalf("%d + %d samples of %d", train.Len(), val.Len(), ds.Len())
	}
	held := map[string]bool{}
	for i := range val.Len() {
		held[data.Key(val, i)] = true
	}
	for i := range train.Len() {
		if held[data.Key(train, i)] {
			t.Fatalf("%s is in both parts", train.Name(i))
		}
	}
	return held
}

// The score of a name never changes and is the same everywhere: other programs compute it too
// (the numbers come from Python's hashlib).
func TestScore(t *testing.T) {
	for _, c := range []struct {
		name string
		seed uint64
		want float64
	}{
		{"cat/001.png", 0, 0.5551509978962634},
		{"dog/\u00e9t\u00e9.jpg", 7, 0.7347320961916308},
		{"dog/e\u0301te\u0301.jpg", 7, 0.7347320961916308}, // as macOS may write it
	} {
		if got := data.Score(c.name, c.seed); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%q with seed %d: %v, want %v", c.name, c.seed, got, c.want)
		}
	}
}

func TestHoldOutFraction(t *testing.T) {
	ds := fourClasses(2500)
	for _, f := range []float64{0.01, 0.1, 0.5, 0.9} {
		n := len(heldOut(t, ds, f, 3))
		if sigma := math.Sqrt(f * (1 - f) * 10000); math.Abs(float64(n)-f*10000) > 4*sigma {
			t.Errorf("%v of 10000 is %d", f, n)
		}
	}
	a, b := heldOut(t, ds, 0.1, 1), heldOut(t, ds, 0.1, 2)
	both := 0
	for name := range a {
		if b[name] {
			both++
		}
	}
	if both > len(a)/4 {
		t.Errorf("of %d images that one seed holds out another holds out %d too", len(a), both)
	}
}

// Adding or removing a sample moves no other one, wherever it is in the list.
func TestHoldOutMovesNone(t *testing.T) {
	ds := fourClasses(30)
	for seed := range uint64(5) {
		before := heldOut(t, ds, 0.2, seed)
		check := func(what string, after map[string]bool, changed string) {
			t.Helper()
			for _, name := range ds.names {
				if name != changed && before[name] != after[name] {
					t.Errorf("seed %d: %s moves %s", seed, what, name)
				}
			}
		}
		for i, name := range ds.names {
			check("without "+name, heldOut(t, ds.without(i), 0.2, seed), name)
		}
		for at := 0; at <= ds.Len(); at += 7 {
			check("with another image", heldOut(t, ds.with(at, fmt.Sprintf("2/new%d.png", at), 2), 0.2, seed), "")
		}
		larger := heldOut(t, ds, 0.4, seed)
		for name := range before {
			if !larger[name] {
				t.Errorf("seed %d: a larger fraction does not hold out %s", seed, name)
			}
		}
	}
}

// A class keeps a training image, however few it has, and whatever the seed.
func TestHoldOutKeepsOne(t *testing.T) {
	for seed := range uint64(200) {
		ds := fourClasses(20).with(0, "x/only.png", 3)
		for i := ds.Len() - 1; i >= 0; i-- { // class d has that one, class c two
			if c := ds.labels[i]; c == 3 && ds.names[i] != "x/only.png" || c == 2 && ds.names[i] > "2/001.png" {
				ds = ds.without(i)
			}
		}
		train, _, err := data.HoldOut(ds, 0.7, seed)
		if err != nil {
			t.Fatal(err)
		}
		count := make([]int, 4)
		for i := range train.Len() {
			count[train.Label(i)]++
		}
		if slices.Contains(count, 0) {
			t.Fatalf("seed %d: training images %v", seed, count)
		}
		// Another image can move only one image of its class: the one that would be the last in
		// training.
		before := heldOut(t, ds, 0.7, seed)
		after := heldOut(t, ds.with(5, "2/new.png", 2), 0.7, seed)
		for _, name := range ds.names {
			last := name[:2] == "2/" && count[2] == 1 && data.Score(name, seed) < 0.7
			if before[name] != after[name] && !last {
				t.Errorf("seed %d: %s has moved", seed, name)
			}
		}
	}
}

// An image that is listed twice, or in two classes, is never in both parts.
func TestHoldOutOneNameTwice(t *testing.T) {
	for seed := range uint64(50) {
		ds := fourClasses(10).with(0, "1/003.png", 0).with(20, "9/shared.png", 2).with(3, "9/shared.png", 3)
		heldOut(t, ds, 0.8, seed)
		// Class a would lose x, its last image, which class b has too.
		few := named{[]string{"x", "x", "w", "y", "z", "z", "v"}, []int{0, 1, 1, 1, 2, 2, 2}}
		if few := few.with(0, "u", 3); data.Score("u", seed) > 0.9 {
			heldOut(t, few, 0.9, seed)
		}
	}
}

func TestHoldOutErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		ds       named
		fraction float64
		want     string
	}{
		{"no fraction", fourClasses(5), 0, "cannot hold out a fraction of 0"},
		{"not a number", fourClasses(5), math.NaN(), "cannot hold out a fraction of NaN"},
		{
			"none", fourClasses(1), 1e-9,
			"leaves 4 for training and 0 for validation; each is held out by its name with that probability",
		},
		{"one image", named{[]string{"a"}, []int{0}}, 0.99, "leaves 1 for training and 0 for validation"},
		{"a wrong label", named{[]string{"a", "b"}, []int{0, 4}}, 0.5, "b: label 4 is not one of the 4 classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := data.HoldOut(c.ds, c.fraction, 0)
			datatest.WantError(t, err, c.want)
		})
	}
}

// A data set is split in the same way after it has been moved, packed, or written to shards in
// another order.
func TestHoldOutEverywhere(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	var paths []string
	for c := range 3 {
		for i := range 12 {
			paths = append(paths, fmt.Sprintf("c%d/%d/img.%d.png", c, i%2, i))
		}
	}
	writeTree(t, root, paths...)
	writeTree(t, other, paths...)
	open := func(ds data.Dataset, err error) map[string]bool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return heldOut(t, ds, 0.3, 5)
	}
	src, err := OpenClassFolders(root, nil)
	want := open(src, err)
	if len(want) < 5 {
		t.Fatalf("only %d are held out", len(want))
	}
	train, _, err := data.HoldOut(src, 0.3, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := data.Encoded(data.Few(train, 3, 1), 0, nil); !ok || err != nil {
		t.Errorf("the file of a part of a part: %v, %v", ok, err)
	}
	list := ""
	for i := len(paths) - 1; i >= 0; i-- {
		list += paths[i] + " " + paths[i][1:2] + "\n"
	}
	datatest.WriteFile(t, filepath.Join(root, "list.txt"), []byte(list))
	pack, shards := filepath.Join(t.TempDir(), "train.pack"), t.TempDir()
	if _, err := Pack(t.Context(), pack, src, PackOptions{Form: PackJPEG, Quality: 90, ShortSide: 2}); err != nil {
		t.Fatal(err)
	}
	o := ShardOptions{Name: "train", PerShard: 10, Shuffle: true}
	if err := WriteShards(t.Context(), shards, src, o); err != nil {
		t.Fatal(err)
	}
	work, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(work, other)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		open func() (data.Dataset, error)
	}{
		{"moved", func() (data.Dataset, error) { return OpenClassFolders(other, nil) }},
		{"relative", func() (data.Dataset, error) { return OpenClassFolders(relative+"/.", nil) }},
		{
			"classes in another order",
			func() (data.Dataset, error) { return OpenClassFolders(other, []string{"c2", "c0", "c1"}) },
		},
		{
			"a list",
			func() (data.Dataset, error) { return OpenAnnotations(filepath.Join(root, "list.txt"), root, Labels{}) },
		},
		{"packed", func() (data.Dataset, error) {
			d, err := OpenPacked(pack)
			if err == nil {
				t.Cleanup(func() { d.Close() })
			}
			return d, err
		}},
		{"shards", func() (data.Dataset, error) {
			files, err := ShardFiles(filepath.Join(shards, "train-*.tar"))
			if err != nil {
				return nil, err
			}
			return OpenShards(files, Labels{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := open(c.open())
			if len(got) != len(want) {
				t.Errorf("%d are held out, want %d", len(got), len(want))
			}
			for name := range want {
				if !got[name] {
					t.Errorf("%s is not held out", name)
				}
			}
		})
	}
}

// Runs of older versions held images out by a shuffle. They continue with the same parts.
func TestHoldOutShuffled(t *testing.T) {
	ds := fourClasses(10)
	train, val, err := data.HoldOutShuffled(ds, 0.2, 1)
	if err != nil || train.Len() != 32 || val.Len() != 8 {
		t.Fatalf("%d and %d, %v", train.Len(), val.Len(), err)
	}
	var names []string
	for i := range val.Len() {
		names = append(names, val.Name(i))
	}
	want := []string{
		"0/004.png", "0/009.png",
		"1/001.png", "1/006.png",
		"2/005.png", "2/006.png",
		"3/002.png", "3/003.png",
	}
	if !slices.Equal(names, want) {
		t.Errorf("held out %q, want %q", names, want)
	}
	_, _, err = data.HoldOutShuffled(ds, 0.01, 1)
	datatest.WantError(t, err, "leaves 40 for training and 0 for validation")
}
