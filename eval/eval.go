// Package eval measures classifiers: accuracy and loss over a data set, by class,
// and which classes are taken for which.
package eval

import (
	"context"
	"math"

	"fasternet/data"
	"fasternet/graph"
)

// Result is the measure of a classifier.
type Result struct {
	Top1  float64 `json:"top1"` // percent
	Top5  float64 `json:"top5"` // percent; with fewer classes, of that many
	Loss  float64 `json:"loss"` // mean cross entropy without smoothing, nats
	Count int     `json:"count"`
}

// Options say how to evaluate.
type Options struct {
	Batch, Workers int
	Progress       func(done, total int) // images; may be nil
	SkipBad        bool                  // images that cannot be read are left out, not an error
	Mistakes       int                   // most confident mistakes that are kept at most
	Features       bool                  // run programs that keep intermediate values
	Seed           uint64                // of a random transform, whose draws depend on
	Epoch          int                   // the seed, the epoch and the sample
	// Rank of Ranks runs its part of the batches; Ranks 0 is one that runs all.
	Rank, Ranks int
	// Loader is what NewLoader returned for the same arguments, so that evaluations of
	// the same images share the memory of the batches; nil for a loader of its own.
	Loader *data.Loader
}

// part are the first of the batches that are to be run, and the one behind the last:
// whole batches, so that each is what it is without ranks.
func (o Options) part(batches int) (from, to int) {
	if o.Ranks <= 1 {
		return 0, batches
	}
	return batches * o.Rank / o.Ranks, batches * (o.Rank + 1) / o.Ranks
}

// Evaluate runs a model over a data set.
func Evaluate(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform, o Options) (Result, error) {
	m, err := Examine(ctx, r, ds, t, o)
	if err != nil {
		return Result{}, err
	}
	return m.Result, nil
}

// Rank is the number of classes with a larger logit than the label's; of
// equal ones the first counts. A NaN is never right.
func Rank(row []float32, label int) int {
	own, rank := row[label], 0
	for c, v := range row {
		if !(v < own) && (v != own || c < label) {
			rank++
		}
	}
	return rank
}

// answer is the class of rank 0, or -1 if there is none because of a NaN.
func answer(row []float32) int {
	best := 0
	for c, v := range row {
		if v != v {
			return -1
		}
		if v > row[best] {
			best = c
		}
	}
	return best
}

func crossEntropy(row []float32, label int) float64 {
	top := math.Inf(-1)
	for _, v := range row {
		top = max(top, float64(v))
	}
	var sum float64
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	return math.Log(sum) + top - float64(row[label])
}
