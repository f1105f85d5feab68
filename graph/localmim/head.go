package localmim

import (
	"fmt"

	"fasternet/configs"
	"fasternet/layers"
	"fasternet/ops"
)

// LinearHead predicts a cell for each token with a linear layer, under the names of the published Swin.
func LinearHead(s *layers.Store, prefix string, scale configs.MIMScale, norm *ops.LayerNorm) ([]ops.Projection, error) {
	if scale.Factor != 1 {
		return nil, fmt.Errorf("localmim: mim.scales: want 1 cell along a side of a token, got %v", scale.Factor)
	}
	dim, values := scale.DecoderDim, scale.Values
	return []ops.Projection{{
		Name:   prefix,
		Norm:   norm,
		Weight: s.Param(prefix+".weight", layers.Xavier, values, dim),
		Bias:   s.Param(prefix+".bias", layers.Constant(0), values),
	}}, nil
}

// ConvHead predicts 4×4, 2×2 or 1 cells for each token, or one for 2×2 pooled tokens, with
// convolutions, under the names of the published ViT.
func ConvHead(s *layers.Store, prefix string, scale configs.MIMScale, norm *ops.LayerNorm) ([]ops.Projection, error) {
	dim, values := scale.DecoderDim, scale.Values
	up := func(i, in int) ops.Projection {
		name, init := fmt.Sprintf("%s.%d", prefix, i), layers.FanIn(in/2*4)
		return ops.Projection{
			Name:   name,
			Up:     true,
			Weight: s.Param(name+".weight", init, in, in/2, 2, 2),
			Bias:   s.Param(name+".bias", init, in/2),
		}
	}
	last := func(i, in int) ops.Projection {
		name, init := fmt.Sprintf("%s.%d", prefix, i), layers.FanIn(in)
		return ops.Projection{
			Name:   name,
			Weight: s.Param(name+".weight", init, values, in, 1, 1),
			Bias:   s.Param(name+".bias", init, values),
		}
	}
	var head []ops.Projection
	switch scale.Factor {
	case 4:
		first := up(0, dim)
		between := layers.NewLayerNorm(s, prefix+".1", dim/2, 1e-6)
		second := up(3, dim/2)
		second.Norm, second.GELU = between, true
		head = []ops.Projection{first, second, last(4, dim/4)}
	case 2:
		head = []ops.Projection{up(0, dim), last(1, dim/2)}
	case 1:
		head = []ops.Projection{last(0, dim)}
	case 0.5: // after the norm and a pool, which is layer 0
		return []ops.Projection{last(1, dim)}, nil
	default:
		return nil, fmt.Errorf("localmim: mim.scales: want 4, 2, 1 or 0.5 cells along a side of a token, got %v",
			scale.Factor)
	}
	head[0].Norm = norm
	return head, nil
}
