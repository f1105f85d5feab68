package train

import (
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/optim"
)

// Steps are the training steps of a configuration on batches from anywhere. A step computes what
// one of a run does, in its precision, with the teacher of a distillation and with what is frozen;
// the schedule, averages of the weights, logs and checkpoints of a run are not there.
type Steps struct {
	config    *configs.Config
	task      task
	optimizer *optim.Optimizer
	made      uint64
}

// NewSteps makes a new model for the classes of a data set, and what trains it. The error says
// what does not fit.
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

// Loader makes the batches that the steps train on, with what they carry besides images.
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

// Precision is the one that the steps run in.
func (s *Steps) Precision() kernels.Precision { return s.task.precision() }

// Step makes a step with one batch at a learning rate, and returns its loss.
func (s *Steps) Step(b *data.Batch, lr float64) (loss float32, err error) {
	s.optimizer.ZeroGrad()
	loss, _, err = s.task.gradients(b, graph.Position{Seed: s.config.Seed, Step: s.made, Places: b.Places, Batch: b.Whole})
	if err != nil {
		return 0, fmt.Errorf("a training step: %w", err)
	}
	s.made++
	s.optimizer.Step(lr, 1)
	return loss, nil
}
