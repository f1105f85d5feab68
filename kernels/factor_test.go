package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// newGuardedFactor returns a factor with the values of m, in memory whose surroundings must keep
// their values.
func newGuardedFactor(k *Set, m Matrix, in Precision) (f Factor, check func(t *testing.T, name string)) {
	const around = 16
	n := k.FactorLen(m.Rows, m.Cols, in)
	all := make([]float32, n+2*around)
	for i := range all {
		all[i] = guard
	}
	f = k.NewFactor(all[around:around+n], m.Rows, m.Cols, in)
	k.CopyTo(f, m)
	return f, func(t *testing.T, name string) {
		t.Helper()
		for i, v := range all {
			if (i < around || i >= around+n) && v != guard {
				t.Fatalf("%s: element %d outside of the factor was overwritten by %v", name, i-around, v)
			}
		}
		if h := f.Half; in == BF16 {
			for r := range h.Rows {
				for i, v := range h.Data[r*h.Stride+h.Cols:][:h.zeros] {
					if v != 0 {
						t.Fatalf("%s: row %d: zero %d is %04x", name, r, i, v)
					}
				}
			}
		}
	}
}

// values returns the values of a factor as float32.
func (f Factor) values() []float32 {
	var out []float32
	for r := range f.Rows() {
		for c := range f.Cols() {
			if f.Precision == BF16 {
				out = append(out, fromBF16(f.Half.Data[r*f.Half.Stride+c]))
			} else {
				out = append(out, f.Full.Row(r)[c])
			}
		}
	}
	return out
}

func (m Matrix) values() []float32 { return m.AsFactor().values() }

// sameValues compares to the bit, or with a tolerance.
func sameValues(t *testing.T, name string, got, want []float32, tolerance float64) {
	t.Helper()
	for i, v := range want {
		if got[i] != v && !near(got[i], float64(v), max(1, math.Abs(float64(v))), tolerance) {
			t.Fatalf("%s: element %d: got %v, want %v", name, i, got[i], v)
		}
	}
}

// A factor that is rounded when it is written gives the same bits as a factor that the product
// rounds.
func TestFactorsGiveTheSameProducts(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 150 {
			in := Precision(n % 3 / 2 * int(FP32))
			if n%3 != 2 {
				in = BF16
			}
			M, K, N := pick(r), pick(r), pick(r)
			name := fmt.Sprintf("%v: %d×%d by %d×%d", in, M, K, K, N)
			a, b, d := newGuarded(r, M, K), newGuarded(r, K, N), newGuarded(r, M, N)
			p := k.NewPacked(K, N, in)
			p.Pack(b.Matrix)
			f, check := newGuardedFactor(k, a.Matrix, in)
			want, got := newGuarded(r, M, N), newGuarded(r, M, N)
			alpha, term := float32(1), d.Matrix
			if n%2 == 0 {
				alpha, term = float32(r.NormFloat64()), Matrix{}
			}
			k.Gemm(want.Matrix, alpha, a.Matrix, p, term)
			k.GemmFactor(got.Matrix, alpha, f, p, term)
			got.check(t, name)
			check(t, name)
			sameValues(t, name, got.values(), want.values(), 0)
			// Some rows of the result, some columns of it, some of the inner index.
			from := r.IntN(M + 1)
			k0 := r.IntN(K+1) / 32 * 32
			n0 := r.IntN(N/k.PanelWidth()+1) * k.PanelWidth()
			if n0 > 0 && n0+k.PanelWidth()/2 >= N { // the last panel is wider
				n0 = 0
			}
			part := func(c guarded) Matrix { return c.Slice(from, M).Columns(n0, N) }
			k.GemmBlock(part(want), 1, a.Slice(from, M).Columns(k0, K), p, k0, n0, Matrix{})
			k.GemmBlockFactor(part(got), 1, f.Slice(from, M).Columns(k0, K), p, k0, n0, Matrix{})
			sameValues(
				t, fmt.Sprintf("%s, from row %d, inner %d, column %d", name, from, k0, n0),
				got.values(), want.values(), 0,
			)
		}
	})
}

// A product must not read the values after the columns of a part of a factor.
func TestFactorsOfUnevenParts(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		a, b, c := newGuarded(r, 5, 9), newGuarded(r, 9, 4), newGuarded(r, 5, 4)
		f, _ := newGuardedFactor(k, a.Matrix, BF16)
		p := k.NewPacked(9, 4, BF16)
		p.Pack(b.Matrix)
		defer func() {
			if recover() == nil {
				t.Error("a product of three of nine columns reads the columns after them")
			}
		}()
		k.GemmBlockFactor(c.Matrix, 1, f.Columns(0, 3), p, 0, 0, Matrix{})
	})
}

// AffineTo in one pass gives the same bits as the activation and then the rounding.
func TestAffineTo(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 120 {
			rows, cols := pick(r), pick(r)
			act := Activation(n % activationCount)
			src, a, b := newGuarded(r, rows, cols), newVector(r, cols), newVector(r, cols)
			if n%10 == 0 {
				rows, cols = 3, 300
				src, a, b = newGuarded(r, rows, cols), newVector(r, cols), newVector(r, cols)
			}
			for i := range rows {
				for j := range src.Row(i) {
					src.Row(i)[j] *= 3
				}
			}
			name := fmt.Sprintf("%v of %d×%d", act, rows, cols)
			for _, from := range []Precision{FP32, BF16} {
				in := src.AsFactor()
				if from == BF16 {
					in, _ = newGuardedFactor(k, src.Matrix, BF16)
				}
				whole := newGuarded(r, rows, cols)
				k.Affine(whole.Matrix, Matrix{
					Data:   append(in.values(), 0),
					Rows:   rows,
					Cols:   cols,
					Stride: cols,
				}, a, b, act)
				want, _ := newGuardedFactor(k, whole.Matrix, BF16)
				got, check := newGuardedFactor(k, newGuarded(r, rows, cols).Matrix, BF16)
				// A part of the columns, which may be odd, and then the others.
				at := r.IntN(cols + 1)
				k.AffineTo(got.Columns(at, cols), in.Columns(at, cols), a[at:], b[at:], act)
				k.AffineTo(got.Columns(0, at), in.Columns(0, at), a, b, act)
				check(t, name)
				sameValues(t, fmt.Sprintf("%s, from %v", name, from), got.values(), want.values(), 0)
			}
		}
	})
}

// A convolution from a rounded strip to a rounded map has the same bits as one that rounds its
// inputs itself.
func TestConvolveTo(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for _, p := range []PConv{{4, 5, 4}, {3, 7, 5}, {7, 7, 10}, {2, 3, 1}, {2, 30, 16}, {1, 14, 40}, {3, 9, 36}} {
			name := fmt.Sprintf("%+v", p)
			lines := p.Height + 2
			image := newGuarded(r, lines*p.Width, p.Channels+3)
			weights := newGuarded(r, p.Channels, p.Inner())
			packed := k.NewPacked(p.Inner(), p.Channels, BF16)
			packed.PackTransposed(weights.Matrix)
			for y := range 3 {
				padded := make([]float32, p.PaddedLen())
				p.Pad(k, padded, image.Matrix, y)
				want, sum := newGuarded(r, p.Height*p.Width, p.Channels), newGuarded(r, p.Height*p.Width, p.Channels)
				total := sum.clone()
				p.Convolve(k, want.Matrix, padded, packed, Matrix{})
				p.Convolve(k, sum.Matrix, padded, packed, sum.Matrix)

				rounded, _ := newGuardedFactor(k, image.Matrix, BF16)
				for _, from := range []Factor{image.AsFactor(), rounded} {
					strip := p.Strip(make([]float32, p.StripLen(BF16)), BF16)
					p.PadTo(k, strip, from, y)
					wide, check := newGuardedFactor(k, newGuarded(r, p.Height*p.Width, p.Channels+5).Matrix, BF16)
					others := wide.Columns(p.Channels, p.Channels+5).values()
					got := wide.Columns(0, p.Channels)
					p.ConvolveTo(k, got, strip, packed, Matrix{})
					check(t, name)
					sameValues(
						t, name+", next to the convolved channels",
						wide.Columns(p.Channels, p.Channels+5).values(), others, 0,
					)
					expected, _ := newGuardedFactor(k, want.Matrix, BF16)
					sameValues(t, name, got.values(), expected.values(), 0)
					again := total.clone()
					p.ConvolveTo(k, again.AsFactor(), strip, packed, again.Matrix)
					again.check(t, name)
					tolerance := 0.0
					if k.half.tiles { // a whole tile begins with the term that is added
						tolerance = 1e-5
					}
					sameValues(t, name+", added to a map", again.values(), sum.values(), tolerance)
				}
			}
		}
	})
}
