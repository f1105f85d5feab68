package quantise

import (
	"fmt"
	"math"
	"slices"

	"fasternet/ops"
)

// Method says how to choose the range of values that 256 steps divide.
type Method string

// The methods. MSE takes the range with the least mean squared error; Percentile leaves out one value in
// 10,000 on each side; MinMax takes the whole range.
const (
	MSE        Method = "mse"
	Percentile Method = "percentile"
	MinMax     Method = "minmax"
)

// Methods lists all methods, the default first.
var Methods = []Method{MSE, Percentile, MinMax}

// ParseMethod reads the name of a method; "" is the default.
func ParseMethod(name string) (Method, error) {
	if name == "" {
		return Methods[0], nil
	}
	if m := Method(name); slices.Contains(Methods, m) {
		return m, nil
	}
	return "", fmt.Errorf("want mse, percentile or minmax, got %q", name)
}

// gridOf returns the grid of a range, which includes 0 exactly.
func gridOf(low, high float64) ops.Grid {
	low, high = min(low, 0), max(high, 0)
	if high-low < 1e-20 {
		return ops.Grid{Scale: 1, Zero: 0} // all values are 0
	}
	scale := float32((high - low) / 255)
	return ops.Grid{Scale: scale, Zero: uint8(min(max(math.RoundToEven(-low/float64(scale)), 0), 255))}
}

// grid chooses the grid of a map. rounded computes the result of a value on a grid, and exact the right
// result; for a map that is only rounded, both may be nil.
func (m Method) grid(
	v *measured,
	exact func(x float64) float64,
	rounded func(g ops.Grid) func(x float64) float64,
) ops.Grid {
	low, high := v.least, v.most
	switch m {
	case MinMax:
		return gridOf(low, high)
	case Percentile:
		return gridOf(v.percentiles(1e-4))
	}
	if exact == nil {
		exact = func(x float64) float64 { return x }
	}
	if rounded == nil {
		rounded = func(g ops.Grid) func(float64) float64 {
			return func(x float64) float64 { return g.Value(g.Round(x)) }
		}
	}
	type value struct{ x, count, want float64 }
	var all []value
	for i, n := range v.counts {
		if n > 0 {
			x := min(max(v.bin(i), low), high)
			all = append(all, value{x, float64(n), exact(x)})
		}
	}
	err := func(g ops.Grid) (sum float64) {
		f := rounded(g)
		for _, v := range all {
			d := f(v.x) - v.want
			sum += v.count * d * d
		}
		return sum
	}
	best, least := gridOf(low, high), math.Inf(1)
	// Search one end after the other, twice: the error has one minimum in each.
	a, b := 1.0, 1.0
	for range 2 {
		for _, end := range []*float64{&b, &a} {
			was := *end
			at := was
			for f := 1.0; f > 0.04; f *= 0.92 {
				*end = f
				g := gridOf(low*a, high*b)
				if e := err(g); e < least {
					best, least, at = g, e, f
				}
			}
			*end = at
		}
	}
	return best
}
