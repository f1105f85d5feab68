package train

import (
	"context"
	"slices"

	"fasternet/ops"
)

// preciseBN measures the statistics of the batch norms anew, on the first images of
// the epoch that has been trained: the mean over batches of what each of them has
// (Wu and Johnson, 2021). What frozen layers have stays. If it is interrupted the
// statistics are what they were, on all ranks.
func (t *trainer) preciseBN(ctx context.Context) (err error) {
	p, c := &t.progress, t.config
	task, ok := t.task.(*classification)
	if !ok || c.Train.PreciseBN == 0 {
		return nil
	}
	loader, err := t.loaderFor(p.Epoch)
	if err != nil {
		return err
	}
	size := t.loaderSize
	program, err := task.runner.Statistics(t.own, size, size)
	if err != nil {
		return err
	}
	var norms []*ops.BatchNorm
	for _, n := range task.store().Norms {
		if !n.Weight.Frozen || task.runner.Frozen == 0 {
			norms = append(norms, n)
		}
	}
	undo := rememberNorms(norms)
	defer func() { undo(err != nil) }()
	it := loader.Epoch(context.Background(), p.Epoch, 0)
	defer it.Close()
	for _, n := range norms { // so that the first batch leaves no trace of what was there
		clear(n.RunningMean)
		clear(n.RunningVar)
	}
	for k := range min(c.Train.PreciseBN/c.Train.BatchSize, loader.Steps()) {
		reason, err := t.ranks.stopping(ctx)
		if err == nil {
			err = reason
		}
		if err != nil {
			return err
		}
		b, err := it.Next()
		if err != nil {
			return err
		}
		for _, n := range norms {
			n.Momentum = 1 / float64(k+1)
		}
		if err := program.Measure(b.Images); err != nil {
			return err
		}
	}
	return nil
}

// rememberNorms keeps how norms move, how many batches they have seen, and their
// statistics. It returns what puts these back; the statistics only if all is to be
// undone.
func rememberNorms(norms []*ops.BatchNorm) func(all bool) {
	type state struct {
		momentum       float64
		tracked        int64
		mean, variance []float32
	}
	var states []state
	for _, n := range norms {
		states = append(states, state{n.Momentum, *n.Tracked, slices.Clone(n.RunningMean), slices.Clone(n.RunningVar)})
	}
	return func(all bool) {
		for i, n := range norms {
			n.Momentum, *n.Tracked = states[i].momentum, states[i].tracked
			if all {
				copy(n.RunningMean, states[i].mean)
				copy(n.RunningVar, states[i].variance)
			}
		}
	}
}
