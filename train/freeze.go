package train

import (
	"errors"
	"fmt"
	"path"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/ops"
)

// freeze marks the parameters of a model that are not trained. depths may be nil if no stages are frozen.
func freeze(c *configs.Config, params []*ops.Param, depths *graph.Layers) error {
	layers := 0
	if depths != nil {
		var err error
		if layers, err = depths.Frozen(c.Train.FrozenStages); err != nil {
			return err
		}
	}
	used := make([]bool, len(c.Train.Frozen))
	left := 0
	for _, p := range params {
		p.Frozen = false
		if layers > 0 {
			layer, _ := depths.Of(p.Name)
			p.Frozen = layer < layers
		}
		for i, pattern := range c.Train.Frozen {
			if match, _ := path.Match(pattern, p.Name); match {
				p.Frozen, used[i] = true, true
			}
		}
		if !p.Frozen {
			left++
		}
	}
	for i, pattern := range c.Train.Frozen {
		if !used[i] {
			return fmt.Errorf("train.frozen: no parameter matches %q; names look like %s (summary lists the layers)",
				pattern, params[0].Name)
		}
	}
	if left == 0 {
		return errors.New("train.frozen: no parameter is left to train")
	}
	return nil
}

// trained returns the parameters that are not frozen.
func trained(params []*ops.Param) []*ops.Param {
	var out []*ops.Param
	for _, p := range params {
		if !p.Frozen {
			out = append(out, p)
		}
	}
	return out
}
