package optim

import (
	"fmt"
	"math"
	"strings"

	"fasternet/kernels"
	"fasternet/ops"
)

// clipModes are the values of optim.clip_mode; the empty one is norm.
var clipModes = []string{"norm", "value", "agc", ""}

// Clip limits the gradients as configured. They are sums over a number of batches, and norm is the
// norm of their mean. It returns the factor that is left for Step.
//
//   - norm: all gradients by min(1, clip/(norm + 1e-6)).
//   - value: each to ±clip.
//   - agc (Brock et al., 2021): the gradient of each output to the norm clip·max(‖w‖, 1e-3) of its
//     weights; a tensor of one dimension is one output. The classifier is not clipped.
func (o *Optimizer) Clip(norm float64, batches int) (scale float64) {
	scale = 1 / float64(batches)
	if o.config.ClipGrad == 0 {
		return scale
	}
	o.now.Scale = scale
	switch o.config.ClipMode {
	case "value":
		o.pool.Run(len(o.parts), o.clamp)
		return 1
	case "agc":
		o.pool.Run(len(o.units), o.adapt)
		return scale
	case "norm", "":
		return scale * min(1, o.config.ClipGrad/(norm+1e-6))
	}
	panic(fmt.Sprintf("optim: there is no clip mode %q", o.config.ClipMode)) // New reports this as an error
}

func (o *Optimizer) clampPart(_, i int) {
	g, scale, limit := o.values(o.parts[i]).Grad, float32(o.now.Scale), float32(o.config.ClipGrad)
	for k, v := range g {
		g[k] = min(max(v*scale, -limit), limit)
	}
}

// unit is a range of a parameter's outputs, each with size values.
type unit struct{ param, from, to, size int }

// unitsOf cuts a parameter into ranges of about the given number of values.
func unitsOf(i int, p *ops.Param, most int) []unit {
	if strings.HasPrefix(p.Name, "head.") {
		return nil
	}
	outputs := 1
	if p.Shape().Dims() > 1 {
		outputs = p.Shape()[0]
	}
	size := p.Size() / outputs
	each := max(most/size, 1)
	var us []unit
	for from := 0; from < outputs; from += each {
		us = append(us, unit{i, from, min(from+each, outputs), size})
	}
	return us
}

func (o *Optimizer) adaptUnits(_, i int) {
	u := o.units[i]
	k := o.pool.Kernels()
	w, g := o.params[u.param].Data(), o.params[u.param].GradData()
	for i := u.from; i < u.to; i++ {
		weights, grads := w[i*u.size:(i+1)*u.size], g[i*u.size:(i+1)*u.size]
		limit := o.config.ClipGrad * max(math.Sqrt(k.SumSquares(weights)), 1e-3)
		if norm := o.now.Scale * math.Sqrt(k.SumSquares(grads)); norm > limit {
			kernels.Scale(grads, float32(limit/max(norm, 1e-6)))
		}
	}
}
