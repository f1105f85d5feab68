package train

import (
	"fmt"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/optim"
)

// optimizerOf makes the optimizer that a configuration describes for a task.
func optimizerOf(c *configs.Config, t task, pool *kernels.Pool) (*optim.Optimizer, error) {
	o, err := optim.New(c.Optim, trained(t.store().Params()), pool)
	if err != nil || c.Optim.LayerDecay == 1 {
		return o, err
	}
	depths := t.layers()
	if depths == nil {
		return nil, fmt.Errorf("optim.layer_decay: want 1, got %v: a pre-training has one learning rate for all layers", c.Optim.LayerDecay)
	}
	o.DecayLayers(c.Optim.LayerDecay, depths.Of)
	return o, nil
}

// describeLayers says of the learning rate how it falls.
func describeLayers(c configs.Optim) string {
	if c.LayerDecay == 1 {
		return ""
	}
	return fmt.Sprintf(" × %g a layer down from the head", c.LayerDecay)
}
