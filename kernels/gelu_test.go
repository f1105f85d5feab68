package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

// smallestNormal is the smallest float32 that is not flushed to zero.
const smallestNormal = 0x1p-126

// everyExponent returns float32 values of both signs, of all exponents and many mantissas, and all
// bfloat16 values, without infinities and NaN.
func everyExponent(r *rand.Rand, mantissas int) []float32 {
	var out []float32
	add := func(bits uint32) {
		if v := math.Float32frombits(bits); !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) {
			out = append(out, v)
		}
	}
	for h := range uint32(1 << 16) {
		add(h << 16)
	}
	for exponent := range uint32(255) {
		n := 8
		if exponent >= 127-12 && exponent <= 127+4 { // from 2⁻¹² to 32
			n = mantissas
		}
		for range n {
			add(exponent<<23 | r.Uint32()&(1<<31|1<<23-1))
		}
	}
	return out
}

// geluOfAll returns gelu and its derivative, computed by the kernels.
func geluOfAll(k *Set, x []float32) (y, slope []float32) {
	n := len(x)
	m := func(v []float32) Matrix { return NewMatrix(v, n, 1) }
	y, slope = make([]float32, n), make([]float32, n)
	again := make([]float32, n)
	dy := make([]float32, n)
	one := []float32{1}
	zero := []float32{float32(math.Copysign(0, -1))}
	for i := range dy {
		dy[i] = 1
	}
	k.Affine(m(y), m(x), one, zero, GELU)
	k.AffineGrad(m(again), m(slope), m(x), m(dy), one, zero, zero, []float32{0}, []float32{0}, GELU)
	return y, slope
}

// GELU has only float32 rounding errors on the whole axis. Small negative values and slopes have
// small relative errors.
func TestGELUOfEveryExponent(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		x := everyExponent(r, 4000)
		y, slope := geluOfAll(k, x)
		for i, v := range x {
			z := float64(v)
			if beyondFormula(k, v) {
				continue
			}
			want, dwant := refAct(GELU, z)
			bound := 1.4e-7 + 6e-8*math.Abs(want)
			switch {
			case math.Abs(z) < 0.1:
				bound = 6e-7*math.Abs(want) + smallestNormal
			case z < -5:
				bound = 1e-3*math.Abs(want) + smallestNormal
			case z < 0:
				bound = min(bound, 6e-6*math.Abs(want))
			}
			if !(math.Abs(float64(y[i])-want) <= bound) {
				t.Fatalf("gelu(%v) = %v, want %v", v, y[i], want)
			}
			bound = 2.1e-7
			if k.Variant() != AVX512 {
				bound = 2.8e-7
			}
			if z < -2 {
				bound = min(bound, 2e-3*math.Abs(dwant)+2e-37)
			}
			if !(math.Abs(float64(slope[i])-dwant) <= bound) {
				t.Fatalf("gelu'(%v) = %v, want %v", v, slope[i], dwant)
			}
		}
	})
}

// In bf16 graphs GELU is rounded to bfloat16. The rounded value and slope are at most one unit in the
// last place from the true ones, for all inputs; only near its zero at -0.7518 the slope may be off by
// 2.5e-7. Numbers below the smallest normal number count as zero. TestAffineTo shows that the results
// are the same if they are rounded as they are written.
func TestRoundedGELU(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		x := everyExponent(r, 4000)
		y, slope := geluOfAll(k, x)
		for i, v := range x {
			if beyondFormula(k, v) {
				continue
			}
			want, dwant := refAct(GELU, float64(v))
			if n := unitsApart(y[i], want); n > 1 {
				t.Fatalf("gelu(%v) is %v, %d units of bfloat16 from %v", v, y[i], n, want)
			}
			if n := unitsApart(slope[i], dwant); n > 1 &&
				!(v > -0.76 && v < -0.74 && math.Abs(float64(slope[i])-dwant) <= 2.5e-7) {
				t.Fatalf("gelu'(%v) is %v, %d units of bfloat16 from %v", v, slope[i], n, dwant)
			}
		}
	})
}

// beyondFormula says for which inputs kernels without tables may have a larger error: their tail ends
// there, a little early or late, and the slope of NEON never falls below 2e-37.
func beyondFormula(k *Set, v float32) bool {
	return k.Variant() != AVX512 && v < -12.9 && (v > -13.4 || k.Variant() == NEON)
}

// unitsApart returns the number of bfloat16 values from want, rounded, to got, rounded.
func unitsApart(got float32, want float64) int {
	if math.Abs(float64(got)-want) <= smallestNormal {
		return 0
	}
	return max(place(float64(got))-place(want), place(want)-place(float64(got)))
}

// place numbers the bfloat16 values from the smallest to the largest; zero is 0. It rounds a value to
// the nearest, ties to even, in one step.
func place(v float64) int {
	if v < 0 {
		return -place(-v)
	}
	fraction, exponent := math.Frexp(v)
	if exponent < -125 {
		return 0
	}
	return int(math.RoundToEven(fraction*(1<<8))) + (exponent+125)<<7 - 1<<7 + 1
}

// Products round to bfloat16 as place does.
func TestPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	last := math.MinInt
	for h := range 1<<15 - 1<<7 - 1 { // larger values are rounded to infinity
		v := fromBF16(uint16(h))
		if h >= 1<<7 && place(float64(v)) != h-1<<7+1 {
			t.Fatalf("%v has the place %d, want %d", v, place(float64(v)), h-1<<7+1)
		}
		between := math.Float32frombits(uint32(h)<<16 | r.Uint32()&0xffff)
		if p := place(float64(between)); h >= 1<<7 && p != place(float64(fromBF16(toBF16(between)))) || p < last {
			t.Fatalf("%v has the place %d", between, p)
		} else {
			last = p
		}
	}
}

// NaN stays, and zero keeps its sign. The largest numbers have the limits as values and slopes; so do
// infinities, unless z is multiplied by the distribution.
func TestGELUOfSpecialValues(t *testing.T) {
	inf, nan, negative := float32(math.Inf(1)), float32(math.NaN()), float32(math.Copysign(0, -1))
	everyVariant(t, func(t *testing.T, k *Set, _ *rand.Rand) {
		x := []float32{nan, 0, negative, 0x1p96, -0x1p96, math.MaxFloat32, -math.MaxFloat32, inf, -inf}
		if k.Variant() == AVX2 || k.Variant() == Go {
			x = x[:7]
		}
		y, slope := geluOfAll(k, x)
		for i, want := range [][2]float64{
			{math.NaN(), math.NaN()},
			{0, 0.5},
			{0, 0.5},
			{0x1p96, 1},
			{0, 0},
			{math.MaxFloat32, 1},
			{0, 0},
			{math.Inf(1), 1},
			{0, 0},
		}[:len(x)] {
			if !near(y[i], want[0], 1, 0) || !near(slope[i], want[1], 1, 2e-7) {
				t.Errorf("gelu(%v) = %v with slope %v, want %v and %v", x[i], y[i], slope[i], want[0], want[1])
			}
		}
		if math.Signbit(float64(y[1])) || !math.Signbit(float64(y[2])) {
			t.Errorf("gelu of 0 and -0 is %v and %v", y[1], y[2])
		}
	})
}

// A value does not depend on its place in a matrix or on the number of rows: the last columns, and the
// first and last rows of a loop, are computed like all others.
func TestGELUInEveryPlace(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, _ *rand.Rand) {
		const v = -0.6180339
		y, slope := geluOfAll(k, []float32{v})
		for rows := 1; rows <= 6; rows++ {
			for cols := 1; cols <= 70; cols++ {
				n := rows * cols
				m := func() Matrix { return NewMatrix(make([]float32, n), rows, cols) }
				x, out, again, dz, dy := m(), m(), m(), m(), m()
				ones, zeros := make([]float32, cols), make([]float32, cols)
				for i := range n {
					x.Data[i], dy.Data[i] = v, 1
				}
				for i := range ones {
					ones[i] = 1
				}
				k.Affine(out, x, ones, zeros, GELU)
				k.AffineGrad(again, dz, x, dy, ones, zeros, zeros, make([]float32, cols), make([]float32, cols), GELU)
				for i := range n {
					if out.Data[i] != y[0] || again.Data[i] != y[0] || dz.Data[i] != slope[0] {
						t.Fatalf("%d×%d, element %d: %v, %v and %v, want %v and %v",
							rows, cols, i, out.Data[i], again.Data[i], dz.Data[i], y[0], slope[0])
					}
				}
			}
		}
	})
}
