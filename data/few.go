package data

import (
	"fasternet/data/picture"
	"fasternet/internal/rng"
)

// FewRows returns the positions of at most n labels of each class, drawn by the seed, in
// ascending order.
func FewRows(labels []int, classes, n int, seed uint64) []int {
	byClass := make([][]int, classes)
	for i, l := range labels {
		if l >= 0 && l < classes {
			byClass[l] = append(byClass[l], i)
		}
	}
	chosen := make([]bool, len(labels))
	for c, rows := range byClass {
		order := rng.New(seed, rng.Few, uint64(c)).Perm(len(rows))
		for _, k := range order[:min(n, len(order))] {
			chosen[rows[k]] = true
		}
	}
	var rows []int
	for i, yes := range chosen {
		if yes {
			rows = append(rows, i)
		}
	}
	return rows
}

// Few returns a dataset with at most n samples of each class, drawn by the seed, for
// experiments with few labels.
func Few(ds Dataset, n int, seed uint64) Dataset {
	labels := make([]int, ds.Len())
	for i := range labels {
		labels[i] = ds.Label(i)
	}
	return Subset(ds, FewRows(labels, len(ds.Classes()), n, seed))
}

// Subset returns some samples of a dataset, in the order of the rows.
func Subset(ds Dataset, rows []int) Dataset { return part{ds, rows} }

type part struct {
	Dataset
	rows []int
}

func (p part) Len() int                            { return len(p.rows) }
func (p part) Label(i int) int                     { return p.Dataset.Label(p.rows[i]) }
func (p part) Image(i int) (*picture.Image, error) { return p.Dataset.Image(p.rows[i]) }
func (p part) Name(i int) string                   { return p.Dataset.Name(p.rows[i]) }
func (p part) source() Dataset                     { return p.Dataset }
func (p part) unwrap(i int) (Dataset, int)         { return p.Dataset, p.rows[i] }
