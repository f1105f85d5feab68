package train

import (
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/optim"
)

// Steps are the training steps of a configuration on batches from anywhere. A step computes the same as in a
// run: in its precision, with the teacher of a distillation, and with frozen parameters. It has no schedule,
// averaged weights, logs or checkpoints.
type Steps struct {
	config    *configs.Config
	task      task
	optimizer *optim.Optimizer
	made      uint64
}

// NewSteps makes a new model for the classes of a data set, and its optimizer. The error says what does not fit.
func NewSteps(c *configs.Config, ds data.Dataset, pool *kernels.Pool) (*Steps, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	t, err := newTask(c, ds, ds, pool)
	if err != nil {
		return nil, err
	}
	optimizer, err := NewOptimizer(c, t.store().Params(), t.layers(), pool)
	return &Steps{config: c, task: t, optimizer: optimizer}, err
}

// Loader makes the batches for the steps, with everything besides images.
func (s *Steps) Loader(ds data.Dataset) (*data.Loader, error) {
	o, err := loaderOptions(s.config, s.config.Data.Scale(0))
	if err != nil {
		return nil, err
	}
	if err := s.task.fill(&o); err != nil {
		return nil, err
	}
	return data.NewLoader(ds, o)
}

// Precision returns the precision of the steps.
func (s *Steps) Precision() kernels.Precision { return s.task.precision() }

// Step makes a step with one batch and a learning rate, and returns its loss.
func (s *Steps) Step(b *data.Batch, lr float64) (loss float32, err error) {
	s.optimizer.ZeroGrad()
	loss, _, err = s.task.gradients(b, graph.Position{
		Seed:   s.config.Seed,
		Step:   s.made,
		Places: b.Places,
		Batch:  b.Whole,
	})
	if err != nil {
		return 0, fmt.Errorf("a training step: %w", err)
	}
	s.made++
	s.optimizer.Step(lr, 1)
	return loss, nil
}
