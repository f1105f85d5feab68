package data_test

import (
	"slices"
	"testing"

	"fasternet/data"
)

// labelled is a dataset that has only labels.
type labelled struct {
	data.Dataset
	labels []int
}

func (l labelled) Len() int        { return len(l.labels) }
func (l labelled) Label(i int) int { return l.labels[i] }
func (labelled) Classes() []string { return []string{"a", "b", "c"} }

func TestFew(t *testing.T) {
	all := labelled{labels: []int{0, 0, 0, 0, 1, 2, 2, 0, 2, 0, 2, 2, 0}}
	of := func(n int, seed uint64) (labels []int) {
		ds := data.Few(all, n, seed)
		for i := range ds.Len() {
			labels = append(labels, ds.Label(i))
		}
		return labels
	}
	counts := make([]int, 3)
	for _, l := range of(3, 1) {
		counts[l]++
	}
	if !slices.Equal(counts, []int{3, 1, 3}) {
		t.Errorf("%v of each class, want 3, 1, 3", counts)
	}
	if !slices.Equal(of(100, 1), all.labels) {
		t.Error("more than there are is not all")
	}
	first := data.FewRows(all.labels, 3, 3, 1)
	again := data.FewRows(all.labels, 3, 3, 1)
	other := data.FewRows(all.labels, 3, 3, 2)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Error("the choice does not follow the seed")
	}
}
