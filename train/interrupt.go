package train

import (
	"context"
	"errors"
)

// promptly runs a preparation that cannot be stopped early: opening data, compiling a step, or reading weights.
// If the run is asked to stop meanwhile, promptly returns at once, because nothing is lost. The preparation
// then goes on in the background, with the pool and the model, until it is done or the process ends.
func (t *trainer) promptly(ctx context.Context, part func() error) error {
	type end struct {
		err error
		bug any // a panic
	}
	ended := make(chan end, 1)
	go func() {
		var e end
		defer func() {
			e.bug = recover()
			ended <- e
		}()
		e.err = part()
	}()
	select {
	case e := <-ended:
		if e.bug != nil {
			panic(e.bug)
		}
		return e.err
	case <-ctx.Done():
		t.left = true
		return interruption(ctx)
	}
}

// interrupt ends a run that was asked to stop. It writes the last checkpoint, unless the existing one is equal,
// and returns the reason.
func (t *trainer) interrupt(reason error) error {
	p := t.progress
	if p.Batches > 0 && p.text() != t.saved {
		if err := t.saveLast(); err != nil {
			return err
		}
	}
	if err := t.written(); err != nil {
		return err
	}
	t.show.End()
	by, err := "", ErrInterrupted
	if errors.Is(reason, ErrTimeLimit) {
		by, err = "by the time limit ", errTimeUp
	}
	switch {
	case p.Batches == 0:
		t.show.Line("stopped %sbefore the first step; continue with --resume", by)
	case p.Step == 0:
		t.show.Line("stopped %safter epoch %d; continue with --resume", by, p.Epoch)
	default:
		t.show.Line("stopped %sin epoch %d after step %d; continue with --resume", by, p.Epoch+1, p.Step)
	}
	return err
}
