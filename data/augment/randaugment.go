package augment

import (
	"math"
	"math/rand/v2"

	"fasternet/data/picture"
	"fasternet/data/policy"
)

// Canvas is an image that operations change, with the memory for it.
type Canvas struct {
	Image, Spare *picture.Image         // the result is in Image, which may be the former Spare
	Fill         [3]uint8               // colour of areas that a warp brings in, by channel
	Cubic        bool                   // interpolate warps bicubically, not bilinearly
	Note         func(operation string) // called with the name of each operation; may be nil
}

// other returns the spare image.
func (c *Canvas) other() *picture.Image {
	if c.Spare == nil {
		c.Spare = new(picture.Image)
	}
	return c.Spare
}

func (c *Canvas) warp(a affine) {
	m := c.Image
	c.other().Reshape(m.Height, m.Width, m.Channels)
	warp(c.Spare, m, &a, &c.Fill, c.Cubic)
	c.Image, c.Spare = c.Spare, m
}

// RandAugment draws the operations of a policy one after another, each with its magnitude,
// and applies them. Each one that was drawn is applied with the policy's probability; this
// comes from timm, not from the paper.
func (c *Canvas) RandAugment(p *policy.RandAugment, r *rand.Rand) {
	var drawn [operationCount]bool // weighted operations are drawn at most once
	for range p.Ops {
		var o operation
		if p.Weighted {
			o = weighted(&drawn, r)
			drawn[o] = true
		} else {
			o = operation(r.IntN(int(operationCount)))
		}
		if r.Float64() >= p.Prob {
			continue
		}
		c.apply(o, o.argument(level(p, r), p.Increasing, r))
	}
}

// level draws the magnitude for one operation.
func level(p *policy.RandAugment, r *rand.Rand) float64 {
	m := float64(p.Magnitude)
	switch {
	case math.IsInf(p.Std, 1):
		m *= r.Float64()
	case p.Std > 0:
		m += float64(p.Std * r.NormFloat64())
	}
	return min(max(m, 0), float64(p.Max))
}

// weighted draws an operation by weight, from those not yet drawn.
func weighted(drawn *[operationCount]bool, r *rand.Rand) operation {
	sum := 0
	for o, op := range operations {
		if !drawn[o] {
			sum += op.weight
		}
	}
	n := r.IntN(sum)
	for o, op := range operations {
		if drawn[o] {
			continue
		}
		if n -= op.weight; n < 0 {
			return operation(o)
		}
	}
	return opRotate // never reached: n is below the sum
}
