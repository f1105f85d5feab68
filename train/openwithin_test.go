package train

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/internal/progress"
)

// A budget that ends while the data set is being opened says how far that came.
func TestOpenWithin(t *testing.T) { synctest.Test(t, openWithin) }

func openWithin(t *testing.T) {
	waits := func(ctx context.Context) error {
		progress.Of(ctx)("looking for copies", 3000, 12_000)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	seen := 0
	ctx := progress.With(t.Context(), func(_ string, done, _ int) { seen = done })
	err := OpenWithin(ctx, time.Now(), 8*time.Minute, waits)
	var late *LateError
	if !errors.As(err, &late) || seen != 3000 {
		t.Fatalf("%v, progress %d", err, seen)
	}
	const want = "a budget of 8m0s is too short: " +
		"it ended in looking for copies, after 3000 of 12000 files; want 1h4m0s or more; "
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	failure := errors.New("no such folder")
	for _, c := range []struct {
		name   string
		budget time.Duration
		ctx    func() context.Context
		open   func(context.Context) error
		want   error
	}{
		{"no budget", 0, t.Context, func(ctx context.Context) error { return ctx.Err() }, nil},
		{"in time", time.Hour, t.Context, func(ctx context.Context) error { return ctx.Err() }, nil},
		{"a short budget leaves time to look", time.Millisecond, t.Context, func(ctx context.Context) error {
			time.Sleep(10 * time.Millisecond)
			return ctx.Err()
		}, nil},
		{"a failure", time.Hour, t.Context, func(context.Context) error { return failure }, failure},
		{"interrupted", time.Hour, func() context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		}, waits, context.Canceled},
	} {
		if err := OpenWithin(c.ctx(), time.Now(), c.budget, c.open); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
