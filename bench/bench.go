// Package bench times a model on synthetic images: steps of training, or
// inference.
package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
	"fasternet/rng"
	"fasternet/train"
)

// Options say what to time.
type Options struct {
	Train   bool
	Batch   int
	Threads int // 0 for one a processor
	Size    int // side of the images; 0 for the configured one
	Warmup  int // runs that are not timed
	Seconds float64
	Profile bool // time of each operation
}

// Result is the timing of a model.
type Result struct {
	Model      string         `json:"model"`
	Mode       string         `json:"mode"` // train or infer
	Kernels    string         `json:"kernels"`
	Precision  string         `json:"precision"`
	Threads    int            `json:"threads"`
	Batch      int            `json:"batch"`
	Size       int            `json:"size"`
	Runs       int            `json:"runs"`
	MedianMS   float64        `json:"median_ms"`
	P10MS      float64        `json:"p10_ms"`
	P90MS      float64        `json:"p90_ms"`
	BestMS     float64        `json:"best_ms"`
	ImgPerS    float64        `json:"img_per_s"` // at the median
	GMACs      float64        `json:"gmacs"`     // of the forward pass of one image
	GFLOPS     float64        `json:"gflops"`    // 2 FLOPs a MAC; training counts as three forward passes
	PeakRSSMiB float64        `json:"peak_rss_mib"`
	ArenaMiB   float64        `json:"arena_mib"` // activations
	Profile    []ProfileEntry `json:"profile,omitempty"`
}

// ProfileEntry is the mean time of an operation in one run.
type ProfileEntry struct {
	Op   string  `json:"op"`
	Name string  `json:"name"`
	MS   float64 `json:"ms"`
}

// Run times the model of a configuration. A step of training is forward,
// backward and AdamW.
func Run(ctx context.Context, name string, c *configs.Config, o Options) (Result, error) {
	if o.Size == 0 {
		o.Size = c.Data.ImageSize
	}
	if err := c.Model.CheckImageSize(o.Size); err != nil {
		return Result{}, err
	}
	if o.Batch < 1 {
		return Result{}, fmt.Errorf("batch: want 1 or more, got %d", o.Batch)
	}
	net, err := model.New(c, max(c.Model.NumClasses, 10))
	if err != nil {
		return Result{}, err
	}
	if f, ok := net.(graph.Foldable); ok && !o.Train {
		if net, err = f.Fold(); err != nil {
			return Result{}, err
		}
	}
	pool := kernels.NewPool(o.Threads)
	defer pool.Close()
	runner := graph.NewRunner(net, pool)
	program, err := runner.Program(graph.Shape{Batch: o.Batch, Height: o.Size, Width: o.Size, Train: o.Train})
	if err != nil {
		return Result{}, err
	}
	step := inference(program, net, o)
	mode := "infer"
	if o.Train {
		mode, step = "train", training(program, net, pool, c, o)
	}
	for range o.Warmup {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	var profile ops.Profile
	if o.Profile {
		program.Profile(&profile)
	}
	times, err := measure(ctx, step, o.Seconds)
	if err != nil {
		return Result{}, err
	}
	total := graph.Total(net.Count(o.Size, o.Size))
	macs := float64(total.MACs + total.AttentionMACs)
	median := quantile(times, 0.5)
	r := Result{
		Model: name, Mode: mode, Kernels: string(kernels.Active()), Precision: "fp32", Threads: pool.Workers(), Batch: o.Batch, Size: o.Size,
		Runs: len(times), MedianMS: median, P10MS: quantile(times, 0.1), P90MS: quantile(times, 0.9), BestMS: times[0],
		ImgPerS: 1000 * float64(o.Batch) / median, GMACs: macs / 1e9, GFLOPS: 2 * macs * float64(o.Batch) / median / 1e6,
		PeakRSSMiB: PeakRSS() / (1 << 20), ArenaMiB: float64(program.ArenaBytes()) / (1 << 20),
	}
	if o.Train {
		r.GFLOPS *= 3
	}
	for _, t := range profile.Times() {
		r.Profile = append(r.Profile, ProfileEntry{t.Kind, t.Name, t.Total.Seconds() * 1000 / float64(len(times))})
	}
	return r, nil
}

func images(net graph.Model, o Options) []float32 {
	x := kernels.Aligned(o.Batch * o.Size * o.Size * net.Channels())
	r := rng.New(0, rng.Bench)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func inference(p *graph.Program, net graph.Model, o Options) func() error {
	x := images(net, o)
	return func() error {
		_, err := p.Forward(x)
		return err
	}
}

func training(p *graph.Program, net graph.Model, pool *kernels.Pool, c *configs.Config, o Options) func() error {
	x, targets := images(net, o), make([]float32, o.Batch*net.Classes())
	for i := range o.Batch {
		targets[i*net.Classes()+i%net.Classes()] = 1
	}
	optimizer := train.NewAdamW(c.Optim, net.Store().Params(), pool)
	steps := uint64(0)
	return func() error {
		optimizer.ZeroGrad()
		if _, err := p.Gradients(x, targets, graph.Position{Step: steps}); err != nil {
			return err
		}
		steps++
		optimizer.Step(1e-3, 1)
		return nil
	}
}

// measure returns the times of the runs in milliseconds, sorted.
func measure(ctx context.Context, step func() error, seconds float64) ([]float64, error) {
	const least = 5
	var times []float64
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end) || len(times) < least; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		begin := time.Now()
		if err := step(); err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(begin))/float64(time.Millisecond))
	}
	slices.Sort(times)
	return times, nil
}

func quantile(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)-1)+0.5)] }
