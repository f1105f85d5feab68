package augment

import (
	"math"
	"math/rand/v2"
)

// operation is one of RandAugment's operations: an index into the table.
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
	operationCount
)

// operations has a row for each operation. Names, weights and ranges are timm's.
var operations = [operationCount]struct {
	name   string
	weight int // probability in the set w0 of weights, times 200

	// argument turns a level, from 0 to 1 for the usual magnitudes, into an argument:
	// degrees, bits, a threshold, a number to add, the factor of an enhancement or a shear,
	// or a share of the width or height. It draws the direction.
	argument func(level float64, increasing bool, r *rand.Rand) float64
	apply    func(c *Canvas, v float64)
}{
	opAutoContrast: {"AutoContrast", 5, noArgument, func(c *Canvas, _ float64) { autoContrast(c.Image) }},
	opEqualize:     {"Equalize", 1, noArgument, func(c *Canvas, _ float64) { equalize(c.Image) }},
	opInvert:       {"Invert", 0, noArgument, func(c *Canvas, _ float64) { invert(c.Image) }},
	opRotate: {"Rotate", 60, upTo(30), func(c *Canvas, v float64) {
		c.warp(rotation(v, c.Image.Height, c.Image.Width))
	}},
	opPosterize:   {"Posterize", 0, bitsToKeep, func(c *Canvas, v float64) { posterize(c.Image, int(v)) }},
	opSolarize:    {"Solarize", 1, threshold, func(c *Canvas, v float64) { solarize(c.Image, int(v)) }},
	opSolarizeAdd: {"SolarizeAdd", 1, addition, func(c *Canvas, v float64) { solarizeAdd(c.Image, int(v)) }},
	opColor:       {"Color", 5, factor, func(c *Canvas, v float64) { saturation(c.Image, v) }},
	opContrast:    {"Contrast", 1, factor, func(c *Canvas, v float64) { contrast(c.Image, v) }},
	opBrightness:  {"Brightness", 1, factor, func(c *Canvas, v float64) { brightness(c.Image, v) }},
	opSharpness:   {"Sharpness", 5, factor, func(c *Canvas, v float64) { sharpness(c.Image, c.other(), v) }},
	opShearX:      {"ShearX", 40, upTo(0.3), func(c *Canvas, v float64) { c.warp(affine{1, v, 0, 0, 1, 0}) }},
	opShearY:      {"ShearY", 40, upTo(0.3), func(c *Canvas, v float64) { c.warp(affine{1, 0, 0, v, 1, 0}) }},
	opTranslateXRel: {"TranslateXRel", 20, upTo(0.45), func(c *Canvas, v float64) {
		c.warp(affine{1, 0, float64(v * float64(c.Image.Width)), 0, 1, 0})
	}},
	opTranslateYRel: {"TranslateYRel", 20, upTo(0.45), func(c *Canvas, v float64) {
		c.warp(affine{1, 0, 0, 0, 1, float64(v * float64(c.Image.Height))})
	}},
}

// OperationNames lists the operations by timm's names.
func OperationNames() (names []string) {
	for _, o := range operations {
		names = append(names, o.name)
	}
	return names
}

// apply does an operation.
func (c *Canvas) apply(o operation, v float64) {
	if c.Note != nil {
		c.Note(operations[o].name)
	}
	operations[o].apply(c, v)
}

// argument returns the argument of an operation for a level, usually from 0 to 10.
func (o operation) argument(level float64, increasing bool, r *rand.Rand) float64 {
	return operations[o].argument(level/10, increasing, r)
}

func noArgument(float64, bool, *rand.Rand) float64 { return 0 }

// signed draws a direction.
func signed(v float64, r *rand.Rand) float64 {
	if r.Float64() < 0.5 {
		return -v
	}
	return v
}

// upTo returns an argument function with both directions.
func upTo(most float64) func(level float64, increasing bool, r *rand.Rand) float64 {
	return func(level float64, _ bool, r *rand.Rand) float64 { return signed(level*most, r) }
}

func bitsToKeep(level float64, increasing bool, _ *rand.Rand) float64 {
	bits := math.Trunc(level * 4)
	if increasing {
		return 4 - bits
	}
	return bits
}

func threshold(level float64, increasing bool, _ *rand.Rand) float64 {
	at := min(math.Trunc(level*256), 256)
	if increasing {
		return 256 - at
	}
	return at
}

func addition(level float64, _ bool, _ *rand.Rand) float64 {
	return min(math.Trunc(level*110), 128)
}

func factor(level float64, increasing bool, r *rand.Rand) float64 {
	if increasing {
		return max(0.1, 1+signed(level*0.9, r))
	}
	return float64(level*1.8) + 0.1
}
