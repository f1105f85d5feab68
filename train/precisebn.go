package train

import (
	"context"
	"slices"

	"fasternet/data"
	"fasternet/ops"
)

// normMeter measures batch norms on batches of training images.
type normMeter struct {
	norms   []*ops.BatchNorm
	measure func(b *data.Batch) error // moves the running statistics by those of a batch
}

// preciseBN measures the statistics of the batch norms again, on the first images of
// the epoch that has been trained: the mean over batches of what each of them has
// (Wu and Johnson, 2021). What frozen layers have stays. If it is interrupted the
// statistics are what they were, on all ranks.
func (t *trainer) preciseBN(ctx context.Context) error {
	c := t.config
	if c.Train.PreciseBN == 0 {
		return nil
	}
	if _, err := t.loaderFor(t.progress.Epoch); err != nil {
		return err
	}
	m, err := t.task.statistics(t.own, t.loaderSize)
	if err != nil {
		return err
	}
	return t.measureNorms(ctx, m, c.Train.PreciseBN/c.Train.BatchSize)
}

// wholeStatistics measures the batch norms of a pre-training on whole images: what a
// classifier that starts from its encoder needs.
func (t *trainer) wholeStatistics(ctx context.Context) error {
	task, ok := t.task.(*pretraining)
	if !ok || len(task.net.WholeNorms()) == 0 {
		return nil
	}
	const images, share = 1024, 8 // a part of an epoch at most, which the measurement then takes little of
	loader, err := t.loaderFor(t.progress.Epoch)
	if err != nil {
		return err
	}
	m, err := task.wholeStatistics(t.own)
	if err != nil {
		return err
	}
	if err := t.measureNorms(ctx, m, max(1, min(images/t.config.Train.BatchSize, loader.Steps()/share))); err != nil {
		return err
	}
	for _, n := range m.norms {
		*n.Tracked++ // measurements; 0 says that there has been none
	}
	if t.config.Train.SyncBatchNorm {
		return nil
	}
	return t.distribute(statisticsOf(m.norms))
}

// measureNorms sets the statistics of norms to the mean over some batches.
func (t *trainer) measureNorms(ctx context.Context, m normMeter, batches int) (err error) {
	loader, err := t.loaderFor(t.progress.Epoch)
	if err != nil {
		return err
	}
	undo := rememberNorms(m.norms)
	defer func() { undo(err != nil) }()
	it := loader.Epoch(context.Background(), t.progress.Epoch, 0)
	defer it.Close()
	for _, n := range m.norms { // so that the first batch leaves no trace of what was there
		clear(n.RunningMean)
		clear(n.RunningVar)
	}
	for k := range min(batches, loader.Steps()) {
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
		for _, n := range m.norms {
			n.Momentum = 1 / float64(k+1)
		}
		if err := m.measure(b); err != nil {
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
