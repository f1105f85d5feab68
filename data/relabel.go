package data

import "fmt"

// Relabel returns a dataset with other labels: index has the new label for each class of ds,
// and classes are the names of the new labels. It is an error when a sample would get a
// label that is not one of them.
func Relabel(ds Dataset, index []int, classes []string) (Dataset, error) {
	for i := range ds.Len() {
		for _, l := range LabelSet(ds, i) {
			if l < 0 || l >= len(index) || index[l] < 0 || index[l] >= len(classes) {
				return nil, fmt.Errorf("data: %s: its label %d is not one of the %d classes",
					ds.Name(i), l, len(classes))
			}
		}
	}
	return relabelled{ds, index, classes}, nil
}

type relabelled struct {
	Dataset
	index   []int
	classes []string
}

func (r relabelled) Classes() []string { return r.classes }
func (r relabelled) Label(i int) int {
	l := r.Dataset.Label(i)
	if l < 0 { // samples may have any number of labels
		return l
	}
	return r.index[l]
}
func (r relabelled) source() Dataset             { return r.Dataset }
func (r relabelled) unwrap(i int) (Dataset, int) { return r.Dataset, i }
