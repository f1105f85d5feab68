package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"fasternet/collective"
	"fasternet/data"
	"fasternet/ops"
)

func (t *trainer) loop(ctx context.Context) error {
	for t.more() && !t.stale() && !t.paused() {
		if err := t.stopped(ctx); err != nil {
			return err
		}
		lr, err := t.epoch(ctx)
		if err != nil {
			return err
		}
		if err := t.finishEpoch(ctx, lr); err != nil {
			return err
		}
	}
	t.endBudget()
	err := t.written()
	if err == nil {
		err = t.confirm()
	}
	return collective.Agree(t.ranks, err)
}

// paused reports whether the run has reached Options.Until.
func (t *trainer) paused() bool { return t.until > 0 && t.progress.Epoch >= t.until }

// epoch trains the rest of an epoch. It returns the learning rate of its last step.
func (t *trainer) epoch(ctx context.Context) (lr float64, err error) {
	p, c := &t.progress, t.config
	loader, err := t.loaderFor(p.Epoch)
	if err != nil {
		return 0, err
	}
	accum := c.Train.AccumSteps
	steps := loader.Steps()
	updates := (steps + accum - 1) / accum
	it := loader.Epoch(t.patience, p.Epoch, p.Step)
	defer it.Close()
	m := newMeter(t, steps)
	defer t.show.End()
	lr = t.lastRate(updates)
	for p.Step < steps && !t.over() {
		n := min(accum, steps-p.Step)
		lr = t.rate(updates)
		norm, err := t.update(ctx, it, n, lr, m)
		if errors.Is(err, ErrInterrupted) {
			return 0, t.interrupt(err)
		}
		if err != nil {
			return 0, err
		}
		if err := t.tick(updates); err != nil {
			return 0, err
		}
		if err := m.show(lr, norm); err != nil {
			return 0, err
		}
		if err := t.stopped(ctx); err != nil {
			return 0, err
		}
		if every := c.Checkpoint.EverySteps; every > 0 && p.Updates%every == 0 {
			if err := t.saveLast(); err != nil {
				return 0, err
			}
		}
	}
	return lr, nil
}

// stopped ends the run with an error if it was asked to stop.
func (t *trainer) stopped(ctx context.Context) error {
	reason, err := t.stopping(ctx)
	if err != nil || reason == nil {
		return err
	}
	return t.interrupt(reason)
}

// stopping says why the run has to stop, the same on all ranks. It ignores the time limit before the first step
// of this process.
func (t *trainer) stopping(ctx context.Context) (reason, err error) {
	reason, err = t.ranks.stopping(ctx)
	if errors.Is(reason, ErrTimeLimit) && t.progress.Updates == t.firstUpdate && t.progress.Step < t.steps {
		return nil, err
	}
	return reason, err
}

// update makes one step of the optimizer from n batches. If the run is asked to stop between them, the step is
// undone: its gradients are dropped, and batch norms get their earlier statistics.
func (t *trainer) update(
	ctx context.Context,
	it *data.Iterator,
	n int,
	lr float64,
	m *meter,
) (norm float64, err error) {
	p := &t.progress
	t.ranks.Progress(fmt.Sprintf("epoch %d, step %d", p.Epoch+1, p.Step+1))
	t.optimizer.ZeroGrad()
	var all tally
	a := attempt{batches: n, it: it, before: p.clone(), undo: ops.RememberNorms(t.task.store().Norms), lr: lr}
	undo := a.undo
	for k := range n {
		if k > 0 {
			reason, err := t.stopping(ctx)
			if err != nil {
				return 0, err
			}
			if reason != nil {
				undo(true)
				return 0, reason
			}
		}
		waiting := clock()
		b, err := it.Next()
		if err != nil && t.patience.Err() != nil {
			undo(true)
			return 0, interruption(t.patience)
		}
		if err != nil && t.config.Data.OnBadImage == "skip" {
			return 0, err
		}
		if err != nil {
			return 0, fmt.Errorf("%w; set data.on_bad_image=skip to use other images, "+
				"or list all broken ones with fasternet-train data verify",
				err)
		}
		m.wait(since(waiting))
		t.bad.note(t.show, b.Replaced)
		t.buckets.active, a.last = k+1 == n, b
		loss, scales, err := t.task.gradients(b, t.position(p.Batches+k, b))
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
			return 0, t.diverged(&DivergedError{Epoch: p.Epoch, Step: p.Step, Loss: b.loss}, !own, b.samples, a)
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
		return 0, t.diverged(
			&DivergedError{Epoch: p.Epoch, Step: p.Step - 1, Loss: all.batches[n-1].loss, GradNorm: norm},
			t.buckets.broken,
			all.batches[n-1].samples,
			a,
		)
	}
	if t.explains && (lr > enormous || norm > enormous) {
		a.state = t.copyState()
	}
	if err := t.beforeChange(); err != nil {
		return 0, err
	}
	t.optimizer.Step(lr, t.optimizer.Clip(norm, n))
	if bad := t.notFinite(); bad != "" {
		a.updated = true
		e := &DivergedError{Epoch: p.Epoch, Step: p.Step - 1, Loss: all.batches[n-1].loss, GradNorm: norm}
		e.update = fmt.Sprintf("%s after the update by %s with learning rate %g", bad, t.config.Optim.Opt, lr)
		return 0, t.diverged(e, false, all.batches[n-1].samples, a)
	}
	t.hasGradients = true
	p.Updates++
	p.NormSum += norm
	p.NormCount++
	if err := t.average(); err != nil {
		return 0, err
	}
	if t.ema != nil {
		t.ema.Update(p.Updates)
	}
	return norm, nil
}

// notFinite names a parameter that an update has made infinite or NaN; "" for none. A learning-rate search sees
// from the next loss that the rate is too large.
func (t *trainer) notFinite() string {
	if !t.explains {
		return ""
	}
	return t.optimizer.NotFinite()
}

// enormous is a learning rate or gradient norm above which an update may leave the range of float32. The state
// before such an update is kept, so that the step can be repeated.
const enormous = 1e15

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
