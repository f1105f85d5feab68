// Package bench times training steps and inference of a model on synthetic images, the
// data pipeline, sums over ranks, and the operators in table 1 of the FasterNet paper.
package bench

import (
	"context"
	"fmt"
	"time"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
	"fasternet/optim"
	"fasternet/train"
)

// Options say what to time, and how.
type Options struct {
	Train      bool
	Batch      int
	Threads    int // 0 for one per processor
	Size       int // side of the images; 0 takes it from the configuration
	Warmup     int // runs before the timed ones
	Iterations int // timed runs; 0 for as many as fit into Seconds
	Seconds    float64
	Least      int    // the least number of runs, even if they take long; 0 for five
	Profile    bool   // time each operation and its parts
	Precision  string // fp32, bf16 or auto; "" takes it from the configuration

	// Model is the model to time; nil makes a new one from the configuration.
	Model graph.Model

	profile *profiled // nil without Profile
}

// Paper sets the protocol of the authors for latency on a CPU: batch 1, one thread, 10 runs to
// warm up, 200 timed runs.
func (o *Options) Paper() {
	o.Train, o.Batch, o.Threads, o.Warmup, o.Iterations = false, 1, 1, 10, 200
}

// Result is the timing of a model.
type Result struct {
	Model     string `json:"model"`
	Mode      string `json:"mode"` // train or infer
	Kernels   string `json:"kernels"`
	Precision string `json:"precision"` // fp32, bf16 or int8
	// BF16Path says how bf16 is computed: amx, avx512_bf16, neon_bf16, or go for an emulation.
	BF16Path string  `json:"bf16_path,omitempty"`
	BNFolded bool    `json:"bn_folded"`
	Threads  int     `json:"threads"`
	Batch    int     `json:"batch"`
	Size     int     `json:"size"`
	Warmup   int     `json:"warmup"`
	Runs     int     `json:"runs"`
	MedianMS float64 `json:"median_ms"`
	MeanMS   float64 `json:"mean_ms"` // the authors' protocol reports the mean
	P10MS    float64 `json:"p10_ms"`
	P90MS    float64 `json:"p90_ms"`
	BestMS   float64 `json:"best_ms"`
	// CPUMS is the mean processor time of a run, over all threads, even while they wait; 0 if unknown.
	CPUMS      float64        `json:"cpu_ms"`
	ImgPerS    float64        `json:"img_per_s"` // at the median
	GMACs      float64        `json:"gmacs"`     // of the forward pass of one image
	GFLOPS     float64        `json:"gflops"`    // 2 FLOPs a MAC; training counts as three forward passes
	PeakRSSMiB float64        `json:"peak_rss_mib"`
	ArenaMiB   float64        `json:"arena_mib"`                    // activations
	Recomputed bool           `json:"grad_checkpointing,omitempty"` // the backward pass computes blocks again
	Profile    []ProfileEntry `json:"profile,omitempty"`
	Sums       *ProfileSums   `json:"profile_sums,omitempty"`
}

// Run times the model of a configuration. A training step is forward, backward and AdamW.
func Run(ctx context.Context, name string, c *configs.Config, o Options) (Result, error) {
	c, err := o.prepare(c)
	if err != nil {
		return Result{}, err
	}
	set := kernels.Default()
	if o.Profile {
		set, o.profile = set.Metered(nil), new(profiled)
	}
	pool := set.NewPool(o.Threads)
	defer pool.Close()
	subject, err := o.subject(c, pool)
	if err != nil {
		return Result{}, err
	}
	var begin time.Duration
	warm := func() error {
		if o.profile != nil {
			p, err := o.profile.begin(ctx, pool, subject.precision)
			if err != nil {
				return err
			}
			subject.program.Profile(p)
		}
		begin = cpuTime()
		return nil
	}
	step, before := subject.step, func() {}
	if o.profile != nil {
		step, before = o.profile.around(step), o.profile.take
	}
	times, err := measure(ctx, timing{
		step:       step,
		before:     before,
		warm:       warm,
		warmup:     o.Warmup,
		iterations: o.Iterations,
		seconds:    o.Seconds,
		least:      o.Least,
	})
	if err != nil {
		return Result{}, err
	}
	used := milliseconds(cpuTime()-begin) / float64(len(times))
	total := graph.Total(subject.counts)
	macs := float64(total.MACs + total.AttentionMACs)
	median := quantile(times, 0.5)
	r := Result{
		Model:      name,
		Mode:       o.mode(),
		Kernels:    string(pool.Kernels().Variant()),
		Precision:  subject.precision.String(),
		BNFolded:   subject.folded,
		Threads:    pool.Workers(),
		Batch:      o.Batch,
		Size:       o.Size,
		Warmup:     o.Warmup,
		Runs:       len(times),
		MedianMS:   median,
		MeanMS:     mean(times),
		P10MS:      quantile(times, 0.1),
		P90MS:      quantile(times, 0.9),
		BestMS:     times[0],
		CPUMS:      used,
		ImgPerS:    1000 * float64(o.Batch) / median,
		GMACs:      macs / 1e9,
		GFLOPS:     2 * macs * float64(o.Batch) / median / 1e6,
		PeakRSSMiB: PeakRSS() / (1 << 20), ArenaMiB: float64(subject.program.ArenaBytes()) / (1 << 20),
	}
	if o.Train {
		r.GFLOPS *= 3
		r.Recomputed = c.Train.GradCheckpointing
	}
	if subject.precision == kernels.BF16 {
		r.BF16Path = string(pool.Kernels().BF16())
	}
	if o.profile != nil {
		subject.program.Profile(nil)
		r.Profile, r.Sums, err = o.profile.end(ctx, pool.Workers())
	}
	return r, err
}

// prepare checks the options, and takes values that they leave open from the configuration. It
// returns the configuration with the changes from the options.
func (o *Options) prepare(c *configs.Config) (*configs.Config, error) {
	if o.Size == 0 {
		o.Size = c.Data.ImageSize
	}
	if err := c.Model.CheckImageSize(o.Size); err != nil {
		return nil, err
	}
	if o.Batch < 1 {
		return nil, fmt.Errorf("batch: want 1 or more, got %d", o.Batch)
	}
	if o.Precision != "" {
		c = c.In(o.Precision)
	}
	return c, c.Check()
}

func (o *Options) mode() string {
	if o.Train {
		return "train"
	}
	return "infer"
}

// subject is the model to time.
type subject struct {
	program interface {
		Profile(*ops.Profile)
		ArenaBytes() int
	}
	step      func() error
	counts    []graph.LayerCount
	precision kernels.Precision
	folded    bool
	steps     // for training
}

// steps are the two halves of a training step, and what ranks need between them.
type steps struct {
	gradients func() error
	update    func()
	params    []*ops.Param
	learned   []*ops.Param // in the order in which their gradients are complete
	parallel  *ops.Parallel
	optimizer *optim.Optimizer
}

// step runs a step without other ranks.
func (s steps) step() error {
	if err := s.gradients(); err != nil {
		return err
	}
	s.update()
	return nil
}

func (o Options) subject(c *configs.Config, pool *kernels.Pool) (subject, error) {
	switch {
	case c.Task == "localmim" && o.Model == nil:
		return o.pretraining(c, pool)
	case !c.Classifies() && o.Model == nil:
		return subject{}, fmt.Errorf("task: unknown task %q", c.Task)
	}
	net, folded, err := o.model(c)
	if err != nil {
		return subject{}, err
	}
	runner, depths, err := o.runner(c, net, pool)
	if err != nil {
		return subject{}, err
	}
	program, err := runner.Program(graph.Shape{Batch: o.Batch, Height: o.Size, Width: o.Size, Train: o.Train})
	if err != nil {
		return subject{}, err
	}
	counts, err := graph.Count(net, o.Size, o.Size)
	if err != nil {
		return subject{}, err
	}
	s := subject{
		program:   program,
		step:      inference(program, net, o),
		counts:    counts,
		precision: runner.Format(),
		folded:    folded,
	}
	if o.Train {
		if s.steps, err = training(program, net, depths, pool, c, o); err != nil {
			return subject{}, err
		}
		s.parallel = &runner.Parallel
		s.step = s.steps.step
	}
	return s, nil
}

// runner runs the model with the settings of the configuration. The loss of a distillation needs a
// teacher, so the student is timed without it.
func (o Options) runner(c *configs.Config, net graph.Model, pool *kernels.Pool) (*graph.Runner, *graph.Layers, error) {
	if !o.Train {
		r, err := model.NewRunner(c, net, pool)
		return r, nil, err
	}
	r, depths, err := train.NewRunner(c, net, pool)
	if err == nil {
		r.Loss.Distill = ops.NoDistill
	}
	return r, depths, err
}

// model returns the model to time, and whether its batch norms are folded.
func (o Options) model(c *configs.Config) (net graph.Model, folded bool, err error) {
	if net = o.Model; net == nil {
		if net, err = model.New(c, max(c.Model.NumClasses, 10)); err != nil {
			return nil, false, err
		}
	}
	if o.Train {
		return net, false, nil
	}
	return prepare(net)
}

// prepare makes a model ready for inference. It reports whether its batch norms are folded.
func prepare(net graph.Model) (_ graph.Model, folded bool, err error) {
	_, folded = net.(graph.Foldable)
	net, err = graph.ForInference(net)
	return net, folded, err
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

func training(
	p *graph.Program, net graph.Model, depths *graph.Layers, pool *kernels.Pool, c *configs.Config, o Options,
) (steps, error) {
	x, targets := images(net, o), make([]float32, o.Batch*net.Classes())
	for i := range o.Batch {
		targets[i*net.Classes()+i%net.Classes()] = 1
	}
	params := net.Store().Params()
	optimizer, err := train.NewOptimizer(c, params, depths, pool)
	if err != nil {
		return steps{}, err
	}
	number := uint64(0)
	return steps{
		params: params, learned: p.Learned(), optimizer: optimizer,
		gradients: func() error {
			o.profile.section("clear gradients", optimizer.ZeroGrad)
			number++
			_, err := p.Gradients(x, targets, graph.Position{Step: number - 1})
			return err
		},
		update: func() { o.profile.section(updateSection, func() { optimizer.Step(1e-3, 1) }) },
	}, nil
}
