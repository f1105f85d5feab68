package ops

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fasternet/kernels"
)

// tick is a clock that every reading moves on.
func tick() func() time.Duration {
	var n atomic.Int64
	return func() time.Duration { return time.Duration(n.Add(1)) }
}

// The parts of an operation add up to its time for each worker, nothing is measured twice, and
// profiling changes no bit of the results.
func TestProfileParts(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 3} {
		build := func(k *kernels.Set) *harness {
			h := newHarnessOn(t, k, workers, true)
			h.block(rand.New(rand.NewPCG(1, 2)), 4, 6, 5, 24, 6, 48, kernels.GELU, false, true)
			return h
		}
		plain, h := build(kernels.Default()), build(kernels.Default().Metered(tick()))
		p := NewProfile(h.tape.Pool())
		h.tape.Measure(p)
		const runs = 3
		for range runs {
			p.Section("section", "clear", func() { h.tape.Kernels().Clear(make([]float32, 10)) })
			if got, want := h.run(), plain.run(); got != want {
				t.Errorf("%d workers: the profile changes %v to %v", workers, want, got)
			}
		}
		for i, q := range h.params {
			if !slices.Equal(q.GradData(), plain.params[i].GradData()) {
				t.Errorf("%d workers: the profile changes the gradient of %s", workers, q.Name)
			}
		}
		times := p.Times()
		flops, passes := map[Pass]float64{}, map[Pass]int{}
		for _, o := range times {
			passes[o.Pass]++
			sum := time.Duration(0)
			for _, x := range o.Parts {
				sum += x.Time
				flops[o.Pass] += x.FLOPs
				if x.Time < 0 {
					t.Errorf("%d workers, %s: %+v", workers, o.Kind, x)
				}
				if workers == 1 && x.Rest == "" && x.Time != time.Duration(x.Calls) {
					t.Errorf("%s: %s is measured within another: %d calls take %d", o.Kind, x.Work, x.Calls, x.Time)
				}
			}
			if want := time.Duration(workers) * o.Total; sum != want || o.Calls != runs {
				t.Errorf("%d workers, %s in %d calls: the parts take %d, want %d: %+v",
					workers, o.Kind, o.Calls, sum, want, o.Parts)
			}
		}
		if passes[Forward] == 0 || passes[Backward] == 0 || passes[Around] != 2 {
			t.Errorf("operations of each pass: %v", passes)
		}
		// Three of four samples are kept; the second product is skipped for the other one.
		rows := 4 * 6 * 5
		forward := 2 * float64(rows*9*6*6+rows*24*48+rows*3/4*24*48)
		if got := flops[Forward] / runs; got != forward {
			t.Errorf("%d workers: %v FLOPs forward, want %v", workers, got, forward)
		}
		if got := flops[Backward] / runs; got != 2*forward {
			t.Errorf("%d workers: %v FLOPs backward, want %v", workers, got, 2*forward)
		}
		checkTake(t, p, times, h)
	}
}

// checkTake checks that Take starts again from zero.
func checkTake(t *testing.T, p *Profile, times []OpTime, h *harness) {
	t.Helper()
	if got := p.Take(); len(got) != len(times) || got[0].Total != times[0].Total {
		t.Errorf("taken: %+v", got)
	}
	h.run()
	for _, o := range p.Take() {
		if want := 1; o.Name != "clear" && (o.Calls != want || o.Regions.Count > 5) {
			t.Errorf("%s %s after the first was taken: %+v", o.Kind, o.Name, o)
		}
	}
}

// Without a meter there are times but no parts. Without a profile there is nothing.
func TestProfileWithoutMeter(t *testing.T) {
	t.Parallel()
	h := newHarness(t, 1, false)
	h.block(rand.New(rand.NewPCG(1, 2)), 1, 4, 4, 8, 2, 16, kernels.GELU, false, false)
	p := NewProfile(h.tape.Pool())
	h.tape.Measure(p)
	h.run()
	for _, o := range p.Times() {
		if o.Parts != nil || o.Total < 0 || o.Total > time.Duration(math.MaxInt64/2) {
			t.Errorf("got %+v", o)
		}
	}
	var none *Profile
	ran := false
	none.Section("a", "b", func() { ran = true })
	if !ran || none.Times() != nil || none.Take() != nil {
		t.Error("no profile does not run the section, or has times")
	}
}
