package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
)

// The note appears only for weights that were trained on images that are now held out.
func TestKnownNote(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	held := func(fraction float64, seed uint64, split string) configs.Data {
		return configs.Data{Dir: dir, ValFraction: fraction, ValSeed: seed, ValSplit: split}
	}
	at := func(d configs.Data, dir string) configs.Data {
		d.Dir = dir
		return d
	}
	was := held(0.3, 1, configs.HashSplit)
	for _, c := range []struct {
		name    string
		was, is configs.Data
		key     string // appears in the note; "" for no note
	}{
		{"the same", was, was, ""},
		{"a larger part", was, held(0.5, 1, configs.HashSplit), "data.val_fraction 0.3 (here 0.5)"},
		{"a part of it", was, held(0.2, 1, configs.HashSplit), ""},
		{"a part of it, by the older rule", held(0.3, 1, configs.ShuffleSplit),
			held(0.2, 1, configs.ShuffleSplit), "data.val_fraction 0.3 (here 0.2)"},
		{"another seed", was, held(0.3, 2, configs.HashSplit), "data.val_seed 1 (here 2)"},
		{"another seed and less", was, held(0.2, 2, configs.HashSplit), "data.val_fraction"},
		{"another rule", was, held(0.3, 1, configs.ShuffleSplit), "data.val_split hash (here shuffle)"},
		{"all were trained on", held(0, 1, configs.HashSplit), was, "data.val_fraction 0 (here 0.3)"},
		{"a part of its own", was, held(0, 1, configs.HashSplit), ""},
		{"the same folder by a link", was, at(held(0.5, 1, configs.HashSplit), link), "data.val_fraction"},
		{"the same folder with a slash", was, at(held(0.5, 1, configs.HashSplit), dir+"/"), "data.val_fraction"},
		{"another folder", was, at(held(0.5, 1, configs.HashSplit), filepath.Join(dir, "other")), ""},
	} {
		got := KnownNote(c.was, c.is)
		if (got == "") != (c.key == "") || !strings.Contains(got, c.key) {
			t.Errorf("%s: %q, want %q in it", c.name, got, c.key)
		}
	}
}

// A smaller fraction holds out some of the images that a larger one holds out: this is why
// KnownNote says nothing.
func TestSmallerFractionHoldsOutSome(t *testing.T) {
	ds := labelledSet{names: make([]string, 60)}
	for i := range ds.names {
		ds.names[i] = strings.Repeat("x", i+1)
	}
	held := func(fraction float64) map[string]bool {
		_, val, err := data.HoldOut(ds, fraction, 3)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for i := range val.Len() {
			names[val.Name(i)] = true
		}
		return names
	}
	fractions := []float64{0.1, 0.3, 0.6, 0.9, 0.99}
	for k := range fractions[1:] {
		less, more := held(fractions[k]), held(fractions[k+1])
		for name := range less {
			if !more[name] {
				t.Errorf("%s is held out of %v, and not of %v", name, fractions[k], fractions[k+1])
			}
		}
	}
}

// labelledSet has 20 small classes.
type labelledSet struct {
	data.Dataset
	names []string
}

func (d labelledSet) Len() int          { return len(d.names) }
func (d labelledSet) Classes() []string { return make([]string, 20) }
func (d labelledSet) Label(i int) int   { return i % 20 }
func (d labelledSet) Name(i int) string { return d.names[i] }
