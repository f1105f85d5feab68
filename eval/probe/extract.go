package probe

import (
	"context"
	"fmt"

	"fasternet/data"
	"fasternet/eval"
	"fasternet/eval/predict"
	"fasternet/graph"
)

// Extract runs a model over a data set and keeps the features that [predict.Extract]
// knows by that name; if they are a map, its mean. It also returns the images that were
// left out.
func Extract(ctx context.Context, r *graph.Runner, ds data.Dataset, o predict.Options,
	which string) (*Set, []eval.Bad, error) {
	f, err := predict.Extract(ctx, r, predict.FromDataset(ds), o, which, true)
	if err != nil {
		return nil, nil, err
	}
	if len(f.Arrays) != 1 {
		return nil, nil, fmt.Errorf("probe: want one kind of features, got %d", len(f.Arrays))
	}
	a := f.Arrays[0]
	return &Set{Values: a.Values, Width: a.Shape[1], Labels: f.Labels, Classes: f.Classes}, f.Skipped, nil
}
