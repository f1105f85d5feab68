package probe

import (
	"math"

	"fasternet/kernels"
)

// The optimizers of [Linear]. Both have a momentum of 0.9 and no weight decay.
const (
	LARS = "lars" // You, Gitman and Ginsburg, 2017: steps in proportion to the weights
	SGD  = "sgd"
)

const (
	momentum = 0.9
	trust    = 0.001 // norm of a step of LARS by that of the weights, at rate 1
)

// optimizer moves tensors against their gradients.
type optimizer struct {
	lars     bool
	velocity map[*float32][]float32 // of each tensor, by its first value
}

// step moves one tensor. LARS takes what has one dimension as SGD does.
func (o *optimizer) step(p, g []float32, dims int, rate float64) {
	v := o.velocity[&p[0]]
	if v == nil {
		v = make([]float32, len(p))
		o.velocity[&p[0]] = v
	}
	q := 1.0
	if o.lars && dims > 1 {
		size, slope := math.Sqrt(kernels.SumSquares(p)), math.Sqrt(kernels.SumSquares(g))
		if size > 0 && slope > 0 {
			q = trust * size / slope
		}
	}
	row := func(s []float32) kernels.Matrix { return kernels.NewMatrix(s, 1, len(s)) }
	kernels.Combine(row(v), row(v), row(g), momentum, float32(q))
	kernels.Combine(row(p), row(p), row(v), 1, -float32(rate))
}
