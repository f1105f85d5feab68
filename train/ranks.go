package train

import (
	"context"
	"errors"
	"fmt"

	"fasternet/collective"
)

// ranks are the processes that train together. A single process is the only rank.
type ranks struct{ collective.Group }

// errTimeUp ends a run that Options.MaxTime has interrupted.
var errTimeUp = fmt.Errorf("%w: %w", ErrInterrupted, ErrTimeLimit)

// interruption says why a run was asked to stop.
func interruption(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrTimeLimit) {
		return errTimeUp
	}
	return ErrInterrupted
}

// agree is [collective.Agree] for errors, including that a run was interrupted.
func (r ranks) agree(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		err = interruption(ctx)
	}
	return collective.Agree(r, err, errTimeUp, ErrInterrupted)
}

// stopping says why the run must stop, the same on all ranks, if any of them was asked to.
func (r ranks) stopping(ctx context.Context) (reason, err error) {
	asked := make([]float64, 2) // by the time limit, by others
	if ctx.Err() != nil {
		if interruption(ctx) == errTimeUp { //nolint:errorlint // this exact value
			asked[0] = 1
		} else {
			asked[1] = 1
		}
	}
	if err := r.Sum64(asked); err != nil {
		return nil, err
	}
	switch {
	case asked[1] > 0:
		return ErrInterrupted, nil
	case asked[0] > 0:
		return errTimeUp, nil
	}
	return nil, nil
}

// knows reports whether all ranks end with an error, or none.
func (r ranks) knows(err error) bool {
	var diverged *DivergedError
	var known *collective.RankError
	return err == nil ||
		r.Size() == 1 ||
		errors.Is(err, ErrInterrupted) ||
		errors.As(err, &diverged) ||
		errors.As(err, &known)
}

// settle returns the error that a run ends with, if all ranks know it. Otherwise the others would wait for this rank
// in vain, so it ends the job.
func (r ranks) settle(err error) error {
	if !r.knows(err) {
		r.Abort(err)
	}
	return err
}
