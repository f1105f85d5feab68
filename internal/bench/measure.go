package bench

import (
	"context"
	"slices"
	"time"
)

// least is the smallest number of runs for a median.
const least = 5

// timing is a step to run again and again.
type timing struct {
	step   func() error
	warm   func() error     // called after the warm-up runs; may be nil
	before func()           // called before every run, not timed; may be nil
	after  func(ms float64) // called after every run, not timed; may be nil
	warmup int
	// Run this many times, or, with 0, for this many seconds and at least this many times.
	iterations int
	seconds    float64
	least      int // 0 for five
}

// measure returns the sorted times of the runs in milliseconds.
func measure(ctx context.Context, t timing) ([]float64, error) {
	run := func() (time.Duration, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if t.before != nil {
			t.before()
		}
		begin := time.Now()
		err := t.step()
		d := time.Since(begin)
		if t.after != nil {
			t.after(milliseconds(d))
		}
		return d, err
	}
	for range t.warmup {
		if _, err := run(); err != nil {
			return nil, err
		}
	}
	if t.warm != nil {
		if err := t.warm(); err != nil {
			return nil, err
		}
	}
	var times []float64
	if t.least == 0 {
		t.least = least
	}
	end := time.Now().Add(time.Duration(t.seconds * float64(time.Second)))
	more := func() bool {
		if t.iterations > 0 {
			return len(times) < t.iterations
		}
		return time.Now().Before(end) || len(times) < t.least
	}
	for more() {
		d, err := run()
		if err != nil {
			return nil, err
		}
		times = append(times, milliseconds(d))
	}
	slices.Sort(times)
	return times, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func quantile(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)-1)+0.5)] }

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
