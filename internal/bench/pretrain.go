package bench

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph/localmim"
	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/train"
)

// pretraining sets up LocalMIM on images of noise. Every step has a different mask, like a run. The
// targets are noise and cost nothing, because a loader makes them ahead.
func (o Options) pretraining(c *configs.Config, pool *kernels.Pool) (subject, error) {
	if o.Size != c.Data.ImageSize {
		return subject{}, fmt.Errorf("size: the masks and targets of a pre-training are for images of %d pixels: "+
			"change data.image_size", c.Data.ImageSize)
	}
	net, err := localmim.New(c, c.Seed)
	if err != nil {
		return subject{}, err
	}
	runner, err := train.NewMIMRunner(c, net, pool)
	if err != nil {
		return subject{}, err
	}
	program, err := runner.Program(o.Batch, o.Train)
	if err != nil {
		return subject{}, err
	}
	in := net.Noise(o.Batch)
	optimizer, err := train.NewOptimizer(c, net.Store().Params(), nil, pool)
	if err != nil {
		return subject{}, err
	}
	number := uint64(0)
	run := func() error {
		net.Draw(in.Kept, rng.New(c.Seed, rng.Mask, number))
		number++
		o.profile.section("clear gradients", optimizer.ZeroGrad)
		_, err := program.Run(in)
		return err
	}
	counts, err := net.Count()
	if err != nil {
		return subject{}, err
	}
	s := subject{program: program, step: run, counts: counts, precision: runner.Precision}
	if o.Train {
		s.steps = steps{
			gradients: run, update: func() { o.profile.section(updateSection, func() { optimizer.Step(1e-4, 1) }) },
			params: net.Store().Params(), learned: program.Learned(), parallel: &runner.Parallel, optimizer: optimizer,
		}
		s.step = s.steps.step
	}
	return s, nil
}
