package bench

import (
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/ops"
)

func load(t *testing.T, preset string) *configs.Config {
	t.Helper()
	c, err := configs.Load(preset)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The parts of every operation add up to its time, the operations to the time of a run, and the
// products to the MACs of the model.
func TestProfileAddsUp(t *testing.T) {
	for _, o := range []Options{
		{Train: true, Batch: 3, Threads: 2, Iterations: 5, Warmup: 1},
		{Batch: 2, Threads: 1, Iterations: 4},
	} {
		o.Profile = true
		r, err := Run(t.Context(), "quickstart", load(t, "quickstart"), o)
		if err != nil {
			t.Fatal(err)
		}
		near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-6*want }
		share, total, longest, sections := 0.0, 0.0, 0.0, 0
		flops := map[ops.Pass]float64{}
		for i, e := range r.Profile {
			if i > 0 && e.MS > r.Profile[i-1].MS {
				t.Errorf("%s %s is not in its place", e.Op, e.Name)
			}
			if e.Op == "optimizer" {
				sections++
			}
			parts := 0.0
			for _, p := range e.Parts {
				parts += p.MS
				flops[p.Pass] += p.GFLOPS * p.MS * 1e6
				if p.MS < 0 || (p.OfPeak > 0) != (p.GFLOPS > 0) || p.GFLOPS > 0 && p.GBps > 0 {
					t.Errorf("%s: %+v", e.Name, p)
				}
			}
			if !near(parts, e.MS) {
				t.Errorf("%s %s: the parts take %v, and all %v ms", e.Op, e.Name, parts, e.MS)
			}
			share, total, longest = share+e.Share, total+e.MS, longest+e.LongestMS
		}
		sums := 0.0
		for _, p := range r.Sums.Parts {
			sums += p.MS
			if strings.Contains(p.Part, "→") {
				t.Errorf("a sum of one size: %+v", p)
			}
		}
		s := r.Sums
		if !near(share, 1) ||
			!near(total, s.RunMS) ||
			!near(sums, s.RunMS) ||
			s.Regions <= 0 ||
			!near(longest, s.LongestMS) ||
			s.Peaks["fp32"] <= 0 {
			t.Errorf("shares of %v, %v ms and %v ms: %+v", share, total, sums, s)
		}
		forward := 2 * r.GMACs * 1e9 * float64(o.Batch)
		if !near(flops[ops.Forward], forward) {
			t.Errorf("%v FLOPs forward, want %v", flops[ops.Forward], forward)
		}
		// The images have no gradient.
		if f := flops[ops.Backward]; o.Train != (f > 1.8*forward && f <= 2*forward) || o.Train != (sections == 2) {
			t.Errorf("train %v: %v FLOPs backward, %v forward; %d sections of the optimizer",
				o.Train, f, forward, sections)
		}
	}
}

// No measurement contains another one, in a step of any family. With a clock that moves by 1 at
// every look, each call takes 1.
func TestNothingIsMeasuredTwice(t *testing.T) {
	for _, c := range []struct {
		preset    string
		precision string
		settings  []string
	}{
		{preset: "quickstart", precision: "auto"},
		{preset: "mim_quickstart"},
		{preset: "vit_tiny", precision: "auto", settings: []string{"model.depth=2", "data.image_size=64"}},
		{preset: "swin_tiny", settings: []string{"model.depths=[1, 2, 1, 1]", "train.grad_checkpointing=true"}},
	} {
		t.Run(c.preset, func(t *testing.T) {
			if testing.Short() && c.preset == "swin_tiny" {
				t.Skip("takes a second")
			}
			config, err := configs.Load(c.preset, c.settings...)
			if err != nil {
				t.Fatal(err)
			}
			if c.precision != "" {
				config = config.In(c.precision)
			}
			var now atomic.Int64
			pool := kernels.Default().Metered(func() time.Duration { return time.Duration(now.Add(1)) }).NewPool(1)
			defer pool.Close()
			o := Options{
				Train:   true,
				Batch:   1,
				Size:    config.Data.ImageSize,
				profile: &profiled{Profile: ops.NewProfile(pool)},
			}
			s, err := o.subject(config, pool)
			if err != nil {
				t.Fatal(err)
			}
			s.program.Profile(o.profile.Profile)
			if err := s.step(); err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, op := range o.profile.Times() {
				for _, p := range op.Parts {
					parts = append(parts, p.Work.WithoutSizes().String())
					if p.Rest == "" && p.Time != time.Duration(p.Calls) || p.Time < 0 {
						t.Errorf("%s %s: %s is measured within another: %d calls take %d",
							op.Kind, op.Name, p.Work, p.Calls, p.Time)
					}
				}
			}
			for _, want := range []string{
				"product AᵀB", "activation", "packing", "copies", "update", "clearing", "addition",
			} {
				if !slices.ContainsFunc(parts, func(p string) bool {
					return strings.Replace(p, " bf16", "", 1) == want
				}) {
					t.Errorf("no %s", want)
				}
			}
		})
	}
}
