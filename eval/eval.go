// Package eval measures classifiers: accuracy and loss over a data set, by class,
// and which classes are taken for which.
package eval

import (
	"context"

	"fasternet/data"
	"fasternet/graph"
)

// Result is the measure of a classifier.
type Result struct {
	Top1  float64 `json:"top1"` // percent
	Top5  float64 `json:"top5"` // percent; with fewer classes, of that many
	Loss  float64 `json:"loss"` // mean cross entropy without smoothing, nats
	Count int     `json:"count"`

	// Of task multilabel, percent, in the place of top1 and top5.
	MAP      float64 `json:"map,omitempty"`       // mean average precision over the labels
	MicroMAP float64 `json:"map_micro,omitempty"` // average precision of all pairs of an image and a label
	F1       float64 `json:"f1_macro,omitempty"`  // by the thresholds
}

// Options say how to evaluate.
type Options struct {
	Batch, Workers int
	Progress       func(done, total int) // images; may be nil
	SkipBad        bool                  // images that cannot be read are left out, not an error
	Mistakes       int                   // most confident mistakes that are kept at most
	Features       bool                  // run programs that keep intermediate values
	KeepLogits     int                   // logits that are kept for figures at most, such as EvalLogits
	ThinLogits     bool                  // of more logits, keep some, for a temperature
	Temperature    float64               // that logits are divided by; 0 for none
	Seed           uint64                // of a random transform, whose draws depend on
	Epoch          int                   // the seed, the epoch and the sample
	// Rank of Ranks runs its part of the batches; Ranks 0 is one that runs all.
	Rank, Ranks int
	// Loader is what NewLoader returned for the same arguments, so that evaluations of
	// the same images share the memory of the batches; nil for a loader of its own.
	Loader *data.Loader
}

// Limits for Options.KeepLogits: with all logits of an evaluation there are ROC-AUC, average
// precision and precision-recall curves.
const (
	EvalLogits  = 64 << 20 // of a command: 256 MB, enough for ImageNet's validation images
	TrainLogits = 16 << 20 // during training: 64 MB
)

// Resamples is how many resamples the intervals of an evaluation are made of, unless a user wants
// others.
const Resamples = 1000

// part are the first of the batches that are to be run, and the one after the last:
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
