package data

import (
	"fmt"
	"math"

	"fasternet/rng"
)

// HoldOut takes a dataset apart for training and validation: of each class the
// given fraction, rounded, is held out, drawn by the seed. The samples keep their
// order. It is an error when nothing or everything would be held out.
func HoldOut(ds Dataset, fraction float64, seed uint64) (train, val Dataset, err error) {
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Errorf("data: a fraction of %v cannot be held out; a number between 0 and 1 is needed", fraction)
	}
	byClass := make([][]int, len(ds.Classes()))
	for i := range ds.Len() {
		l := ds.Label(i)
		if l < 0 || l >= len(byClass) {
			return nil, nil, fmt.Errorf("data: %s: label %d is not one of the %d classes", ds.Name(i), l, len(byClass))
		}
		byClass[l] = append(byClass[l], i)
	}
	out := make([]bool, ds.Len())
	for c, rows := range byClass {
		order := rng.New(seed, rng.HoldOut, uint64(c)).Perm(len(rows))
		for _, k := range order[:int(math.Round(fraction*float64(len(rows))))] {
			out[rows[k]] = true
		}
	}
	var kept, held []int
	for i, yes := range out {
		if yes {
			held = append(held, i)
		} else {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 || len(held) == 0 {
		return nil, nil, fmt.Errorf("data: a fraction of %v of %d images leaves %d for training and %d for validation; both need some",
			fraction, ds.Len(), len(kept), len(held))
	}
	return part{ds, kept}, part{ds, held}, nil
}
