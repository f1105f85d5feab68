// Package eval measures classifiers: accuracy and loss over a data set and by class,
// and which classes a model confuses.
package eval

import (
	"context"

	"fasternet/data"
	"fasternet/graph"
)

// Result holds the accuracy and loss of a classifier.
type Result struct {
	Top1  float64 `json:"top1"` // percent
	Top5  float64 `json:"top5"` // percent; with fewer than five classes, all of them count
	Loss  float64 `json:"loss"` // mean cross entropy without smoothing, nats
	Count int     `json:"count"`

	// For task multilabel, in percent, instead of top1 and top5.
	MAP      float64 `json:"map,omitempty"`       // mean average precision over the labels
	MicroMAP float64 `json:"map_micro,omitempty"` // average precision of all pairs of an image and a label
	F1       float64 `json:"f1_macro,omitempty"`  // with the thresholds of the labels
}

// Options say how to evaluate.
type Options struct {
	Batch, Workers int
	Progress       func(done, total int) // counts images; may be nil
	SkipBad        bool                  // leave out images that cannot be read, without an error
	Mistakes       int                   // keep at most this many mistakes, the most confident ones
	Features       bool                  // keep intermediate values
	KeepLogits     int                   // keep at most this many logits for figures, such as EvalLogits
	ThinLogits     bool                  // if there are more logits, keep some, for a temperature
	Temperature    float64               // divides logits; 0 for none
	// The draws of a random transform depend on the seed, the epoch and the sample.
	Seed  uint64
	Epoch int
	// Rank of Ranks runs its part of the batches. With Ranks 0, one process runs all.
	Rank, Ranks int
	// Loader is what NewLoader returned for the same arguments, so that evaluations of
	// the same images share the memory of the batches; nil makes a new loader.
	Loader *data.Loader
}

// Limits for Options.KeepLogits. ROC-AUC, average precision and precision-recall curves need all
// logits of an evaluation.
const (
	EvalLogits  = 64 << 20 // for a command: 256 MB, enough for ImageNet's validation images
	TrainLogits = 16 << 20 // during training: 64 MB
)

// Resamples is the number of resamples for the intervals of an evaluation, unless the user asks for
// another number.
const Resamples = 1000

// part returns the first batch to run, and the batch after the last: whole batches, so that each
// is the same as without ranks.
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
