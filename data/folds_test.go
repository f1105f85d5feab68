package data

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fasternet/data/picture"
)

// named is a dataset of names, labels and contents.
type named struct {
	names    []string
	labels   []int
	contents []byte // one pixel each
	classes  int
}

func (n *named) Len() int          { return len(n.names) }
func (n *named) Classes() []string { return strings.Split("abcdefgh", "")[:n.classes] }
func (n *named) Label(i int) int   { return n.labels[i] }
func (n *named) Name(i int) string { return n.names[i] }
func (n *named) Image(i int) (*picture.Image, error) {
	return &picture.Image{Height: 1, Width: 2, Channels: 1, Pix: []byte{n.contents[i], byte(i)}}, nil
}

func (n *named) add(name string, label int) {
	n.contents = append(n.contents, byte(len(n.names)))
	n.names = append(n.names, name)
	n.labels = append(n.labels, label)
}

// copied gives all samples whose index is listed the pixels of the first of them.
type copied struct {
	*named
	copies map[int]int
}

func (c copied) Image(i int) (*picture.Image, error) {
	if j, ok := c.copies[i]; ok {
		i = j
	}
	return c.named.Image(i)
}

// foldNames returns the names that each fold holds out.
func foldNames(t *testing.T, ds Dataset, folds int, seed uint64, pattern string) (all [][]string) {
	t.Helper()
	seen := map[string]int{}
	for f := 1; f <= folds; f++ {
		train, val, err := HoldOutFold(ds, f, folds, seed, pattern)
		if err != nil {
			t.Fatal(err)
		}
		if train.Len()+val.Len() != ds.Len() {
			t.Fatalf("fold %d: %d and %d of %d", f, train.Len(), val.Len(), ds.Len())
		}
		var names []string
		for i := range val.Len() {
			names = append(names, val.Name(i))
			seen[val.Name(i)]++
		}
		slices.Sort(names)
		all = append(all, names)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is held out %d times", name, n)
		}
	}
	return all
}

// Every sample is held out once, and each fold has its share of every class. The order of the
// samples and the number of the fold change nothing.
func TestFolds(t *testing.T) {
	ds := &named{classes: 3}
	for i := range 97 {
		ds.add(fmt.Sprintf("%03d.png", i), min(i%5, 2)) // the classes have 20, 20 and 57 samples
	}
	want := foldNames(t, ds, 4, 0, "")
	for f, names := range want {
		counts := make([]int, 3)
		for _, name := range names {
			counts[ds.labels[slices.Index(ds.names, name)]]++
		}
		within := func(class, least, most int) bool { return counts[class] >= least && counts[class] <= most }
		if !within(0, 4, 6) || !within(1, 4, 5) || !within(2, 14, 15) {
			t.Errorf("fold %d has %v of the classes, want 5, 5 and 14 or 15", f+1, counts)
		}
	}
	back := &named{classes: 3}
	for i := ds.Len() - 1; i >= 0; i-- {
		back.add(ds.names[i], ds.labels[i])
	}
	if got := foldNames(t, back, 4, 0, ""); !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("the order of the samples changes the folds")
	}
	if got := foldNames(t, ds, 4, 1, ""); slices.EqualFunc(got, want, slices.Equal) {
		t.Error("another seed makes the same folds")
	}
}

// Samples of one group, with one name or with one content go to one fold.
func TestFoldGroups(t *testing.T) {
	ds := &named{classes: 2}
	for patient := range 20 {
		for k := range 1 + patient%4 {
			ds.add(fmt.Sprintf("p%02d_%d.png", patient, k), patient%2)
		}
	}
	for f, names := range foldNames(t, ds, 3, 0, `^(p\d+)_`) {
		for _, name := range names {
			for _, other := range ds.names {
				if strings.HasPrefix(other, name[:4]) && !slices.Contains(names, other) {
					t.Fatalf("fold %d has %s without %s", f+1, name, other)
				}
			}
		}
		if n := len(names); n < 14 || n > 20 {
			t.Errorf("fold %d has %d of the %d images", f+1, n, ds.Len())
		}
	}
	copies := copied{ds, map[int]int{7: 3, 20: 3, 41: 40}}
	for f, names := range foldNames(t, copies, 3, 0, "") {
		for i, j := range copies.copies {
			if slices.Contains(names, ds.names[i]) != slices.Contains(names, ds.names[j]) {
				t.Errorf("fold %d has one of the copies %s and %s", f+1, ds.names[i], ds.names[j])
			}
		}
	}
}

// Impossible folds are errors.
func TestFoldErrors(t *testing.T) {
	ds := &named{classes: 2}
	for i := range 6 {
		ds.add(fmt.Sprintf("x_%d.png", i), i/3)
	}
	for _, tt := range []struct {
		name        string
		fold, folds int
		pattern     string
		want        string
	}{
		{"no such fold", 4, 3, "", "there is no fold 4 of 3"},
		{"one fold", 1, 1, "", "there is no fold 1 of 1"},
		{"more folds than images", 7, 7, "", "use fewer folds"},
		{"one group", 1, 2, "^x", "of the 6 images: use fewer folds, or smaller groups"},
		{"pattern", 1, 2, "(", "missing closing )"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := HoldOutFold(ds, tt.fold, tt.folds, 0, tt.pattern)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	groups := &named{classes: 2}
	for i := range 4 {
		groups.add(fmt.Sprintf("a_%d.png", i), 0)
		groups.add(fmt.Sprintf("b%d_%d.png", i, i), 1)
	}
	failed := false
	for f := 1; f <= 2; f++ {
		_, _, err := HoldOutFold(groups, f, 2, 0, "^([^_]+)_")
		failed = failed || err != nil && strings.Contains(err.Error(), `all images of class "a" are in fold`)
	}
	if !failed {
		t.Error("a class of one group gives no error")
	}
}
