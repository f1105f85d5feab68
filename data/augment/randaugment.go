package augment

import (
	"math"
	"math/rand/v2"
	"slices"

	"fasternet/data/picture"
	"fasternet/data/policy"
)

// operation is one of those that RandAugment draws from.
type operation int

// The operations, in timm's order.
const (
	opAutoContrast operation = iota
	opEqualize
	opInvert
	opRotate
	opPosterize
	opSolarize
	opSolarizeAdd
	opColor
	opContrast
	opBrightness
	opSharpness
	opShearX
	opShearY
	opTranslateXRel
	opTranslateYRel
	operations // how many there are
)

var operationNames = [operations]string{
	"AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd",
	"Color", "Contrast", "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
}

// OperationNames lists the operations, by timm's names.
func OperationNames() []string { return slices.Clone(operationNames[:]) }

// operationWeights are those of w0, times 200.
var operationWeights = [operations]int{
	opAutoContrast: 5, opEqualize: 1, opRotate: 60, opSolarize: 1, opSolarizeAdd: 1, opColor: 5, opContrast: 1, opBrightness: 1,
	opSharpness: 5, opShearX: 40, opShearY: 40, opTranslateXRel: 20, opTranslateYRel: 20,
}

// Canvas is an image that operations change, with the memory that they need.
type Canvas struct {
	Image, Spare *picture.Image         // the result is in image, which may be the former spare
	Fill         [3]uint8               // of what a warp brings in, by channel
	Cubic        bool                   // interpolation of warps: bicubic or bilinear
	Note         func(operation string) // is told the names of the operations; may be nil
}

// apply does an operation. Arguments are: degrees; bits; a threshold; what is
// added; the factor of an enhancement or a shear; or a share of the width or height.
func (c *Canvas) apply(o operation, v float64) {
	if c.Note != nil {
		c.Note(operationNames[o])
	}
	m := c.Image
	switch o {
	case opAutoContrast:
		autoContrast(m)
	case opEqualize:
		equalize(m)
	case opInvert:
		invert(m)
	case opRotate:
		c.warp(rotation(v, m.Height, m.Width))
	case opPosterize:
		posterize(m, int(v))
	case opSolarize:
		solarize(m, int(v))
	case opSolarizeAdd:
		solarizeAdd(m, int(v))
	case opColor:
		saturation(m, v)
	case opContrast:
		contrast(m, v)
	case opBrightness:
		brightness(m, v)
	case opSharpness:
		sharpness(m, c.other(), v)
	case opShearX:
		c.warp(affine{1, v, 0, 0, 1, 0})
	case opShearY:
		c.warp(affine{1, 0, 0, v, 1, 0})
	case opTranslateXRel:
		c.warp(affine{1, 0, float64(v * float64(m.Width)), 0, 1, 0})
	case opTranslateYRel:
		c.warp(affine{1, 0, 0, 0, 1, float64(v * float64(m.Height))})
	}
}

// other is the spare image.
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

// argument maps a level, which is usually from 0 to 10, to the argument of an
// operation. Directions are drawn.
func (o operation) argument(level float64, increasing bool, r *rand.Rand) float64 {
	signed := func(v float64) float64 {
		if r.Float64() < 0.5 {
			return -v
		}
		return v
	}
	level /= 10
	switch o {
	case opRotate:
		return signed(level * 30)
	case opPosterize:
		bits := math.Trunc(level * 4)
		if increasing {
			return 4 - bits
		}
		return bits
	case opSolarize:
		threshold := min(math.Trunc(level*256), 256)
		if increasing {
			return 256 - threshold
		}
		return threshold
	case opSolarizeAdd:
		return min(math.Trunc(level*110), 128)
	case opColor, opContrast, opBrightness, opSharpness:
		if increasing {
			return max(0.1, 1+signed(level*0.9))
		}
		return float64(level*1.8) + 0.1
	case opShearX, opShearY:
		return signed(level * 0.3)
	case opTranslateXRel, opTranslateYRel:
		return signed(level * 0.45)
	}
	return 0
}

// RandAugment draws the operations of a policy one after another, each with its
// magnitude, and applies them. An operation that was drawn may be left out, which
// is timm's, not the paper's.
func (c *Canvas) RandAugment(p *policy.RandAugment, r *rand.Rand) {
	var drawn [operations]bool // of weighted ones, which come once at most
	for range p.Ops {
		var o operation
		if p.Weighted {
			o = weighted(&drawn, r)
			drawn[o] = true
		} else {
			o = operation(r.IntN(int(operations)))
		}
		if r.Float64() >= p.Prob {
			continue
		}
		c.apply(o, o.argument(level(p, r), p.Increasing, r))
	}
}

// level draws the magnitude of an application.
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

// weighted draws by weight, from those that were not drawn.
func weighted(drawn *[operations]bool, r *rand.Rand) operation {
	sum := 0
	for o, w := range operationWeights {
		if !drawn[o] {
			sum += w
		}
	}
	n := r.IntN(sum)
	for o, w := range operationWeights {
		if drawn[o] {
			continue
		}
		if n -= w; n < 0 {
			return operation(o)
		}
	}
	return opRotate // not reached: n is below the sum
}
