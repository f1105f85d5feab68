package train

import (
	"context"

	"fasternet/data"
	"fasternet/ops"
)

// normMeter measures batch norms on batches of training images.
type normMeter struct {
	norms   []*ops.BatchNorm
	measure func(b *data.Batch) error // updates the running statistics with a batch
}

// preciseBN measures the statistics of the batch norms again, on the first images of the epoch just trained: the mean
// over the statistics of single batches (Wu and Johnson, 2021). Frozen layers keep theirs. After an
// interruption the statistics are unchanged on all ranks.
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

// wholeStatistics measures the batch norms of a pre-training on whole images. A classifier that starts from its
// encoder needs them.
func (t *trainer) wholeStatistics(ctx context.Context) error {
	task, ok := t.task.(*pretraining)
	if !ok || len(task.net.WholeNorms()) == 0 {
		return nil
	}
	const images, share = 1024, 8 // at most this part of an epoch, so that it takes little time
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
		*n.Tracked++ // number of measurements; 0 for none
	}
	if t.config.Train.SyncBatchNorm {
		return nil
	}
	return t.distribute(statisticsOf(m.norms))
}

// measureNorms sets the statistics of norms to their mean over some batches.
func (t *trainer) measureNorms(ctx context.Context, m normMeter, batches int) error {
	loader, err := t.loaderFor(t.progress.Epoch)
	if err != nil {
		return err
	}
	it := loader.Epoch(context.Background(), t.progress.Epoch, 0)
	defer it.Close()
	return ops.MeanStatistics(m.norms, min(batches, loader.Steps()), func(int) error {
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
		return m.measure(b)
	})
}
