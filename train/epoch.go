package train

import (
	"context"
	"fmt"
	"math"

	"fasternet/data"
	"fasternet/graph"
)

func (t *trainer) loop(ctx context.Context) error {
	for t.progress.Epoch < t.config.Train.Epochs && !t.stale() {
		lr, err := t.epoch(ctx)
		if err != nil {
			return err
		}
		if err := t.finishEpoch(ctx, lr); err != nil {
			return err
		}
	}
	return nil
}

// epoch trains the rest of an epoch. It returns the learning rate of its last step.
func (t *trainer) epoch(ctx context.Context) (lr float64, err error) {
	p, c := &t.progress, t.config
	loader, err := t.loaderFor(p.Epoch)
	if err != nil {
		return 0, err
	}
	accum := c.Train.AccumSteps
	steps := loader.Steps()
	schedule := scheduleOf(c, (steps+accum-1)/accum)
	it := loader.Epoch(context.Background(), p.Epoch, p.Step)
	defer it.Close()
	m := newMeter(t, steps)
	defer t.show.End()
	lr = schedule.At(p.Epoch, max(schedule.Steps-1, 0))
	for p.Step < steps {
		n := min(accum, steps-p.Step)
		lr = schedule.At(p.Epoch, p.Step/accum)
		norm, err := t.update(it, n, lr, m)
		if err != nil {
			return 0, err
		}
		if err := m.show(lr, norm); err != nil {
			return 0, err
		}
		reason, err := t.ranks.stopping(ctx)
		if err != nil {
			return 0, err
		}
		if reason != nil {
			return 0, t.interrupt(reason)
		}
		if every := c.Checkpoint.EverySteps; every > 0 && p.Updates%every == 0 {
			if err := t.save(t.folder.SaveLast); err != nil {
				return 0, err
			}
		}
	}
	return lr, nil
}

// update makes one step of the optimizer from n batches.
func (t *trainer) update(it *data.Iterator, n int, lr float64, m *meter) (norm float64, err error) {
	p := &t.progress
	t.ranks.Progress(fmt.Sprintf("epoch %d, step %d", p.Epoch+1, p.Step+1))
	t.optimizer.ZeroGrad()
	var all tally
	for k := range n {
		waiting := clock()
		b, err := it.Next()
		if err != nil && t.config.Data.OnBadImage == "skip" {
			return 0, err
		}
		if err != nil {
			return 0, fmt.Errorf("%w; data.on_bad_image=skip takes other images instead, and fasternet-train data verify lists all that are broken", err)
		}
		m.wait(since(waiting))
		t.bad.note(t.show, b.Replaced)
		t.buckets.active = k+1 == n
		loss, scales, err := t.task.gradients(b, graph.Position{Seed: t.config.Seed, Step: uint64(p.Batches + k), Places: b.Places, Batch: b.Whole})
		if err != nil {
			return 0, err
		}
		all.add(b, loss, scales)
	}
	if err := t.buckets.wait(); err != nil {
		return 0, err
	}
	m.sync(t.buckets.waited)
	own := all.finite()
	if err := all.sum(t.ranks); err != nil {
		return 0, err
	}
	for _, b := range all.batches {
		if !finite(b.loss) {
			return 0, t.diverged(&DivergedError{Epoch: p.Epoch, Step: p.Step, Loss: b.loss}, !own, b.samples)
		}
		p.LossSum += b.loss * float64(b.whole)
		p.LossCount += b.whole
		p.ScaleSums = addScales(p.ScaleSums, b.scales, b.whole)
		p.Step++
		p.Batches++
		m.add(b.loss, b.scales, b.whole)
	}
	norm = t.optimizer.GradNorm() / float64(n)
	if !finite(norm) {
		return 0, t.diverged(&DivergedError{Epoch: p.Epoch, Step: p.Step - 1, Loss: m.lastLoss, GradNorm: norm}, t.buckets.broken, all.batches[n-1].samples)
	}
	t.optimizer.Step(lr, t.optimizer.Clip(norm, n))
	p.Updates++
	if t.ema != nil {
		t.ema.Update(p.Updates)
	}
	return norm, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
