package train

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
	"fasternet/optim"
)

// NewRunner makes the runner that trains the model of a configuration: precision, loss, frozen parameters (which it
// marks) and gradient checkpointing. It also returns the layers of the model by depth. If the loss is a
// distillation, the programs need the logits of a teacher.
func NewRunner(c *configs.Config, net graph.Model, pool *kernels.Pool) (*graph.Runner, *graph.Layers, error) {
	r, err := model.NewRunner(c, net, pool)
	if err != nil {
		return nil, nil, err
	}
	r.Recompute = c.Train.GradCheckpointing
	if r.Loss, err = lossOf(c); err != nil {
		return nil, nil, err
	}
	depths, err := graph.LayersOf(net, c.Data.ImageSize, c.Data.ImageSize)
	if err != nil {
		return nil, nil, err
	}
	if r.Frozen, err = depths.Frozen(c.Train.FrozenStages); err != nil {
		return nil, nil, err
	}
	return r, depths, freeze(c, net.Store().Params(), depths)
}

// NewMIMRunner makes the runner for the pre-training of a configuration, and marks the frozen parameters.
func NewMIMRunner(c *configs.Config, net *localmim.Model, pool *kernels.Pool) (*localmim.Runner, error) {
	r, err := model.NewMIMRunner(c, net, pool)
	if err != nil {
		return nil, err
	}
	return r, freeze(c, net.Store().Params(), nil)
}

// NewOptimizer makes the optimizer of a configuration for the parameters that are not frozen. The layers are for
// optim.layer_decay; a pre-training has none.
func NewOptimizer(
	c *configs.Config,
	params []*ops.Param,
	depths *graph.Layers,
	pool *kernels.Pool,
) (*optim.Optimizer, error) {
	o, err := optim.New(c.Optim, trained(params), pool)
	if err != nil || c.Optim.LayerDecay == 1 {
		return o, err
	}
	if depths == nil {
		return nil, fmt.Errorf("optim.layer_decay: want 1, got %v: pre-training uses one learning rate for all layers",
			c.Optim.LayerDecay)
	}
	o.DecayLayers(c.Optim.LayerDecay, depths.Of)
	return o, nil
}

// lossOf returns the loss of a configuration. balance adds what depends on the data.
func lossOf(c *configs.Config) (ops.Loss, error) {
	l := ops.Loss{
		Threshold:  c.Loss.Threshold,
		SumClasses: c.Loss.SumClasses,
		Alpha:      c.Distill.Alpha,
		Tau:        c.Distill.Tau,
	}
	switch c.Loss.Name {
	case "ce":
	case "bce":
		l.Binary = true
	case "focal":
		l.Gamma = c.Loss.Gamma
		if c.Task == configs.MultiLabelTask {
			l.Binary, l.GammaNeg, l.Balance = true, c.Loss.Gamma, c.Loss.Alpha
		}
	case "asl":
		l.Binary, l.Gamma, l.GammaNeg, l.Clip = true, c.Loss.GammaPos, c.Loss.GammaNeg, c.Loss.Clip
	default:
		return l, fmt.Errorf("loss.name: unknown loss %q", c.Loss.Name)
	}
	switch c.Distill.Type {
	case "none":
	case "hard":
		l.Distill = ops.HardDistill
	case "soft":
		l.Distill = ops.SoftDistill
	default:
		return l, fmt.Errorf("distill.type: unknown distillation %q", c.Distill.Type)
	}
	return l, nil
}
