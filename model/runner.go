package model

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/kernels"
)

// NewRunner makes the runner of a model in the precision of a configuration. Every command gets its
// runners here, so that none computes in another precision. The error says that this machine lacks the
// precision. Package train adds the settings of training.
func NewRunner(c *configs.Config, net graph.Model, pool *kernels.Pool) (*graph.Runner, error) {
	r := graph.NewRunner(net, pool)
	var err error
	r.Precision, err = precision(c, pool.Kernels())
	return r, err
}

// NewMIMRunner is NewRunner for a pre-training. Its training programs recompute blocks if
// train.grad_checkpointing is set.
func NewMIMRunner(c *configs.Config, net *localmim.Model, pool *kernels.Pool) (*localmim.Runner, error) {
	r := localmim.NewRunner(net, pool)
	r.Recompute = c.Train.GradCheckpointing
	var err error
	r.Precision, err = precision(c, pool.Kernels())
	return r, err
}

func precision(c *configs.Config, k *kernels.Set) (kernels.Precision, error) {
	p, err := k.ParsePrecision(c.Precision)
	if err != nil {
		return p, fmt.Errorf("precision: %w", err)
	}
	return p, nil
}
