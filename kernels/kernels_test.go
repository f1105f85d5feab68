package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// everyVariant runs a test with each variant of the kernels that the machine has.
func everyVariant(t *testing.T, f func(t *testing.T, k *Set, r *rand.Rand)) {
	t.Helper()
	if len(Available()) < 3 {
		t.Logf("this processor runs only %v", Available())
	}
	for _, v := range Available() {
		t.Run(string(v), func(t *testing.T) {
			f(t, withPath(t, v, ""), rand.New(rand.NewPCG(1, 2)))
		})
	}
}

// withPath returns the kernels of a variant and a path of bf16.
func withPath(t testing.TB, v Variant, p BF16Path) *Set {
	t.Helper()
	k, err := New(v, p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const guard = float32(-12345.678)

// guarded is a random matrix with odd alignment and odd stride. Its surroundings must keep their
// values.
type guarded struct {
	Matrix
	all   []float32
	start int
}

func newGuarded(r *rand.Rand, rows, cols int) guarded {
	stride := cols + r.IntN(4)
	start := 1 + r.IntN(20)
	g := guarded{all: make([]float32, start+rows*stride+20), start: start}
	for i := range g.all {
		g.all[i] = guard
	}
	g.Matrix = Matrix{Data: g.all[start:], Rows: rows, Cols: cols, Stride: stride}
	for i := 0; i < rows; i++ {
		for j := range g.Row(i) {
			g.Row(i)[j] = float32(r.NormFloat64())
		}
	}
	return g
}

func (g guarded) clone() guarded {
	c := g
	c.all = append([]float32(nil), g.all...)
	c.Data = c.all[g.start:]
	return c
}

func (g guarded) check(t *testing.T, name string) {
	t.Helper()
	for i, v := range g.all {
		at := i - g.start
		inside := at >= 0 && at/max(g.Stride, 1) < g.Rows && at%max(g.Stride, 1) < g.Cols
		if !inside && v != guard {
			t.Fatalf("%s: element %d outside of the matrix was overwritten by %v", name, at, v)
		}
	}
}

func newVector(r *rand.Rand, n int) []float32 { return newGuarded(r, 1, n).Row(0) }

// near compares with a tolerance relative to the size of the terms.
func near(got float32, want, scale, tol float64) bool {
	if math.IsNaN(want) {
		return math.IsNaN(float64(got))
	}
	if math.IsInf(want, 0) {
		return float64(got) == want
	}
	return math.Abs(float64(got)-want) <= tol*max(scale, 1e-30)
}

// sizes covers tile edges of both vector widths, tiny and odd numbers.
var sizes = []int{
	0, 1, 2, 3, 5, 7, 8, 9, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33, 40, 47, 48, 49, 63, 64, 65,
	80, 97,
}

func pick(r *rand.Rand) int { return sizes[r.IntN(len(sizes))] }

func TestGemm(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 400; n++ {
			M, K, N := pick(r), pick(r), pick(r)
			name := fmt.Sprintf("%d×%d by %d×%d", M, K, K, N)
			a, b, c := newGuarded(r, M, K), newGuarded(r, K, N), newGuarded(r, M, N)
			alpha := float32(r.NormFloat64())
			var d Matrix
			var dg guarded
			before := c.clone()
			switch n % 4 {
			case 1: // accumulate
				d = c.Matrix
			case 2:
				d = Broadcast(newVector(r, N), M)
			case 3:
				dg = newGuarded(r, M, N)
				d = dg.Matrix
			}
			p := k.NewPacked(K, N, FP32)
			p.Pack(b.Matrix)
			if n%2 == 1 {
				bt := newGuarded(r, N, K)
				for i := 0; i < K; i++ {
					for j := 0; j < N; j++ {
						bt.Row(j)[i] = b.Row(i)[j]
					}
				}
				p.PackTransposed(bt.Matrix)
			}
			k.Gemm(c.Matrix, alpha, a.Matrix, p, d)
			c.check(t, name)
			for i := 0; i < M; i++ {
				for j := 0; j < N; j++ {
					var want, scale float64
					for x := 0; x < K; x++ {
						v := float64(alpha) * float64(a.Row(i)[x]) * float64(b.Row(x)[j])
						want += v
						scale += math.Abs(v)
					}
					if n%4 == 1 {
						want += float64(before.Row(i)[j])
					} else if d.Data != nil {
						want += float64(d.Row(i)[j])
					}
					if !near(c.Row(i)[j], want, scale+math.Abs(want), 1e-6) {
						t.Fatalf("%s: element (%d, %d): got %v, want %v", name, i, j, c.Row(i)[j], want)
					}
				}
			}
		}
	})
}

func TestGemmTN(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 300; n++ {
			R, M, N := pick(r), pick(r), pick(r)
			name := fmt.Sprintf("(%d×%d)ᵀ by %d×%d", R, M, R, N)
			a, b, c := newGuarded(r, R, M), newGuarded(r, R, N), newGuarded(r, M, N)
			before := c.clone()
			k.GemmTN(c.Matrix, a.Matrix, b.Matrix, FP32)
			c.check(t, name)
			for i := 0; i < M; i++ {
				for j := 0; j < N; j++ {
					want := float64(before.Row(i)[j])
					scale := math.Abs(want)
					for x := 0; x < R; x++ {
						v := float64(a.Row(x)[i]) * float64(b.Row(x)[j])
						want += v
						scale += math.Abs(v)
					}
					if !near(c.Row(i)[j], want, scale, 1e-6) {
						t.Fatalf("%s: element (%d, %d): got %v, want %v", name, i, j, c.Row(i)[j], want)
					}
				}
			}
		}
	})
}

// A NaN or an infinity must stay visible, or a run that diverged looks healthy.
func TestGemmNonFinite(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			a, b, c := newGuarded(r, 19, 21), newGuarded(r, 21, 35), newGuarded(r, 19, 35)
			a.Row(17)[4] = bad
			p := k.NewPacked(21, 35, FP32)
			p.Pack(b.Matrix)
			k.Gemm(c.Matrix, 1, a.Matrix, p, Matrix{})
			for i := 0; i < 19; i++ {
				for j := range c.Row(i) {
					v := float64(c.Row(i)[j])
					if wrong := math.IsNaN(v) || math.IsInf(v, 0); wrong != (i == 17) {
						t.Fatalf("%v in row 17 of A: C[%d][%d] = %v", bad, i, j, v)
					}
				}
			}
		}
	})
}

func TestGemmPanics(t *testing.T) {
	k := Default()
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"inner sizes", func() {
			k.Gemm(
				NewMatrix(make([]float32, 6), 2, 3), 1, NewMatrix(make([]float32, 8), 2, 4),
				k.NewPacked(5, 3, FP32), Matrix{},
			)
		}},
		{"short slice", func() {
			k.Gemm(
				NewMatrix(make([]float32, 5), 2, 3), 1, NewMatrix(make([]float32, 8), 2, 4),
				k.NewPacked(4, 3, FP32), Matrix{},
			)
		}},
		{"sizes of D", func() {
			k.Gemm(
				NewMatrix(make([]float32, 6), 2, 3), 1, NewMatrix(make([]float32, 8), 2, 4),
				k.NewPacked(4, 3, FP32), NewMatrix(make([]float32, 6), 3, 2),
			)
		}},
		{"column vector", func() {
			k.Affine(
				NewMatrix(make([]float32, 6), 2, 3), NewMatrix(make([]float32, 6), 2, 3),
				make([]float32, 3), make([]float32, 2), ReLU,
			)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			c.f()
		})
	}
}

func refAct(act Activation, z float64) (y, dy float64) {
	switch act {
	case ReLU:
		if z <= 0 {
			return 0, 0
		}
		return z, 1
	case GELU:
		cdf := 0.5 * math.Erfc(-z/math.Sqrt2)
		return z * cdf, cdf + z*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)
	case Identity:
		return z, 1
	}
	panic(fmt.Sprintf("%v has no reference in float64", act))
}

func TestAffine(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 200; n++ {
			act := Activation(n % activationCount)
			rows, cols := pick(r), pick(r)
			x, y := newGuarded(r, rows, cols), newGuarded(r, rows, cols)
			a, b := newVector(r, cols), newVector(r, cols)
			if n%2 == 0 { // in place
				copy(y.all, x.all)
				y = x.clone()
				k.Affine(y.Matrix, y.Matrix, a, b, act)
			} else {
				k.Affine(y.Matrix, x.Matrix, a, b, act)
			}
			y.check(t, act.String())
			for i := 0; i < rows; i++ {
				for j := 0; j < cols; j++ {
					want, _ := refAct(act, float64(a[j])*float64(x.Row(i)[j])+float64(b[j]))
					if !near(y.Row(i)[j], want, 1+math.Abs(want), 5e-7) {
						t.Fatalf("%v %d×%d (%d, %d): got %v, want %v", act, rows, cols, i, j, y.Row(i)[j], want)
					}
				}
			}
		}
	})
}

// The activation is exact to float32 rounding on the whole axis.
func TestGELUAccuracy(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, _ *rand.Rand) {
		const n = 40001
		x, y := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = -20 + 40*float32(i)/(n-1)
		}
		m := Matrix{Data: y, Rows: n, Cols: 1, Stride: 1}
		k.Affine(m, Matrix{Data: x, Rows: n, Cols: 1, Stride: 1}, []float32{1}, []float32{0}, GELU)
		dz, dy := make([]float32, n), make([]float32, n)
		for i := range dy {
			dy[i] = 1
		}
		zero := []float32{0}
		k.AffineGrad(
			m, NewMatrix(dz, n, 1), NewMatrix(x, n, 1), NewMatrix(dy, n, 1), []float32{1}, zero,
			zero, []float32{0}, []float32{0}, GELU,
		)
		for i, v := range x {
			want, dwant := refAct(GELU, float64(v))
			if math.Abs(float64(y[i])-want) > 1.5e-7+1.2e-7*math.Abs(want) {
				t.Fatalf("gelu(%v) = %v, want %v", v, y[i], want)
			}
			if math.Abs(float64(dz[i])-dwant) > 5e-7 {
				t.Fatalf("gelu'(%v) = %v, want %v", v, dz[i], dwant)
			}
		}
	})
}

func TestAffineNonFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	other := math.Float32frombits(0xffc12345)
	everyVariant(t, func(t *testing.T, k *Set, _ *rand.Rand) {
		one, zero := []float32{1}, []float32{0}
		for _, c := range []struct {
			act  Activation
			x    float32
			want float64
		}{
			{Identity, nan, math.NaN()}, {ReLU, nan, math.NaN()}, {GELU, nan, math.NaN()},
			{Identity, other, math.NaN()}, {ReLU, other, math.NaN()}, {GELU, other, math.NaN()},
			{Identity, inf, math.Inf(1)}, {ReLU, inf, math.Inf(1)}, {GELU, inf, math.Inf(1)},
			{ReLU, -inf, 0}, {ReLU, -1, 0},
		} {
			y := []float32{0}
			k.Affine(NewMatrix(y, 1, 1), NewMatrix([]float32{c.x}, 1, 1), one, zero, c.act)
			if !near(y[0], c.want, 1, 0) {
				t.Errorf("%v(%v) = %v, want %v", c.act, c.x, y[0], c.want)
			}
		}
		for _, act := range []Activation{ReLU, GELU} {
			y, dz := []float32{0}, []float32{0}
			x, dy := NewMatrix([]float32{nan}, 1, 1), NewMatrix([]float32{1}, 1, 1)
			k.AffineGrad(
				NewMatrix(y, 1, 1), NewMatrix(dz, 1, 1), x, dy,
				one, zero, zero, []float32{0}, []float32{0}, act,
			)
			if y[0] == y[0] {
				t.Errorf("%v: the backward pass of NaN recomputed %v", act, y[0])
			}
		}
	})
}

func TestAffineGrad(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 200; n++ {
			act := Activation(n % activationCount)
			rows, cols := pick(r), pick(r)
			x := newGuarded(r, rows, cols)
			dy := newGuarded(r, rows, cols)
			y := newGuarded(r, rows, cols)
			dz := newGuarded(r, rows, cols)
			a, b, mean := newVector(r, cols), newVector(r, cols), newVector(r, cols)
			sum, dot := newGuarded(r, 1, cols), newGuarded(r, 1, cols)
			sum0, dot0 := sum.clone(), dot.clone()
			k.AffineGrad(y.Matrix, dz.Matrix, x.Matrix, dy.Matrix, a, b, mean, sum.Row(0), dot.Row(0), act)
			for _, c := range []struct {
				name string
				m    guarded
			}{{"y", y}, {"dz", dz}, {"sum", sum}, {"dot", dot}} {
				c.m.check(t, c.name)
			}
			for j := 0; j < cols; j++ {
				s, d := float64(sum0.Row(0)[j]), float64(dot0.Row(0)[j])
				ss, ds := math.Abs(s), math.Abs(d)
				for i := 0; i < rows; i++ {
					z := float64(a[j]*x.Row(i)[j]) + float64(b[j])
					wy, wd := refAct(act, z)
					g := float64(dy.Row(i)[j]) * wd
					if act == ReLU && math.Abs(z) < 1e-6 {
						continue // rounding decides the side
					}
					if !near(y.Row(i)[j], wy, 1+math.Abs(wy), 5e-7) ||
						!near(dz.Row(i)[j], g, 1+math.Abs(float64(dy.Row(i)[j])), 1e-6) {
						t.Fatalf("%v (%d, %d): y %v, dz %v, want %v, %v", act, i, j, y.Row(i)[j], dz.Row(i)[j], wy, g)
					}
					s += g
					ss += math.Abs(g)
					v := g * (float64(x.Row(i)[j]) - float64(mean[j]))
					d += v
					ds += math.Abs(v)
				}
				if !near(sum.Row(0)[j], s, ss+1, 2e-6) || !near(dot.Row(0)[j], d, ds+1, 2e-6) {
					t.Fatalf("%v column %d: sums %v, %v, want %v, %v", act, j, sum.Row(0)[j], dot.Row(0)[j], s, d)
				}
			}
		}
	})
}

func TestCombine(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 200; n++ {
			rows, cols := pick(r), pick(r)
			if n%4 == 0 { // wide ones are walked by rows
				cols = []int{129, 177, 200, 331}[n/4%4]
			}
			x := newGuarded(r, rows, cols)
			y := newGuarded(r, rows, cols)
			dst := newGuarded(r, rows, cols)
			dst2 := newGuarded(r, rows, cols)
			a, p, q := newVector(r, cols), newVector(r, cols), newVector(r, cols)
			alpha, beta := float32(r.NormFloat64()), float32(r.NormFloat64())
			dup := newGuarded(r, rows, cols)
			k.Copy(dup.Matrix, x.Matrix)
			dup.check(t, "Copy")
			k.CombineColumns(dst.Matrix, x.Matrix, y.Matrix, a, p, q)
			k.Combine(dst2.Matrix, x.Matrix, y.Matrix, alpha, beta)
			dst.check(t, "CombineColumns")
			dst2.check(t, "Combine")
			for i := 0; i < rows; i++ {
				for j := 0; j < cols; j++ {
					u, v := float64(x.Row(i)[j]), float64(y.Row(i)[j])
					if dup.Row(i)[j] != x.Row(i)[j] {
						t.Fatalf("Copy (%d, %d): got %v, want %v", i, j, dup.Row(i)[j], x.Row(i)[j])
					}
					if want := float64(a[j])*u + float64(p[j])*v + float64(q[j]); !near(dst.Row(i)[j], want, 10, 1e-6) {
						t.Fatalf("CombineColumns (%d, %d): got %v, want %v", i, j, dst.Row(i)[j], want)
					}
					if want := float64(alpha)*u + float64(beta)*v; !near(dst2.Row(i)[j], want, 10, 1e-6) {
						t.Fatalf("Combine (%d, %d): got %v, want %v", i, j, dst2.Row(i)[j], want)
					}
				}
			}
		}
	})
}

func TestColumnReductions(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 200; n++ {
			rows, cols := pick(r), pick(r)
			x, g := newGuarded(r, rows, cols), newGuarded(r, rows, cols)
			mean := newVector(r, cols)
			sum, gs, gd := newGuarded(r, 1, cols), newGuarded(r, 1, cols), newGuarded(r, 1, cols)
			sum0, gs0, gd0 := sum.clone(), gs.clone(), gd.clone()
			k.ColumnSums(x.Matrix, sum.Row(0))
			k.ColumnDots(g.Matrix, x.Matrix, mean, gs.Row(0), gd.Row(0))
			sum.check(t, "ColumnSums")
			gs.check(t, "ColumnDots")
			gd.check(t, "ColumnDots")
			m := Moments{Mean: make([]float32, cols), Dev: make([]float32, cols)}
			m.Measure(k, x.Matrix)
			for j := 0; j < cols; j++ {
				s, a, b := float64(sum0.Row(0)[j]), float64(gs0.Row(0)[j]), float64(gd0.Row(0)[j])
				mu := 0.0
				for i := 0; i < rows; i++ {
					mu += float64(x.Row(i)[j])
					s += float64(x.Row(i)[j])
					a += float64(g.Row(i)[j])
					b += float64(g.Row(i)[j]) * (float64(x.Row(i)[j]) - float64(mean[j]))
				}
				scale := 3 + 3*float64(rows)
				if !near(sum.Row(0)[j], s, scale, 1e-6) ||
					!near(gs.Row(0)[j], a, scale, 1e-6) ||
					!near(gd.Row(0)[j], b, 3*scale, 1e-6) {
					t.Fatalf("%d×%d column %d: got %v, %v, %v, want %v, %v, %v",
						rows, cols, j, sum.Row(0)[j], gs.Row(0)[j], gd.Row(0)[j], s, a, b)
				}
				if rows == 0 {
					continue
				}
				mu /= float64(rows)
				dev := 0.0
				for i := 0; i < rows; i++ {
					dev += (float64(x.Row(i)[j]) - mu) * (float64(x.Row(i)[j]) - mu)
				}
				if !near(m.Mean[j], mu, 3, 1e-6) || !near(m.Dev[j], dev, dev+1, 2e-6) {
					t.Fatalf("moments: got %v, %v, want %v, %v", m.Mean[j], m.Dev[j], mu, dev)
				}
			}
		}
	})
}

// The variance must stay exact if the mean is large compared with the deviation.
func TestMergeMoments(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		const rows, block = 1000, 96
		x := make([]float32, rows)
		for i := range x {
			x[i] = 1000 + float32(r.NormFloat64())
		}
		var blocks []Moments
		for from := 0; from < rows; from += block {
			m := Moments{Mean: make([]float32, 1), Dev: make([]float32, 1)}
			m.Measure(k, NewMatrix(x, rows, 1).Slice(from, min(from+block, rows)))
			blocks = append(blocks, m)
		}
		blocks = append(blocks, Moments{Mean: []float32{7}, Dev: []float32{7}}) // empty
		var both [2]float64
		count := MergeMoments(blocks, 0, both[:1], both[1:])
		mean, variance := both[0], both[1]
		var mu, v float64
		for _, a := range x {
			mu += float64(a) / rows
		}
		for _, a := range x {
			v += (float64(a) - mu) * (float64(a) - mu) / rows
		}
		if count != rows || math.Abs(mean-mu) > 1e-4 || math.Abs(variance-v) > 1e-4 {
			t.Errorf("got mean %v, variance %v over %d, want %v, %v over %d", mean, variance, count, mu, v, rows)
		}
	})
}

func TestVectorReductions(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for _, n := range append(sizes, 1000, 1001) {
			x, y := newVector(r, n), newVector(r, n)
			var dot, sq, scale float64
			for i := range x {
				dot += float64(x[i]) * float64(y[i])
				scale += math.Abs(float64(x[i]) * float64(y[i]))
				sq += float64(x[i]) * float64(x[i])
			}
			if !near(k.Dot(x, y), dot, scale, 1e-6) {
				t.Errorf("Dot of %d: got %v, want %v", n, k.Dot(x, y), dot)
			}
			if got := k.SumSquares(x); math.Abs(got-sq) > 1e-12*sq {
				t.Errorf("SumSquares of %d: got %v, want %v", n, got, sq)
			}
			if n == 0 {
				continue
			}
			want := x[0]
			for i := range x {
				x[i] -= 5 // all negative: the lanes past the end must not win
			}
			for i, v := range x {
				if i == 0 || v > want {
					want = v
				}
			}
			if got := k.vectorMax(n, &x[0]); got != want {
				t.Errorf("max of %d: got %v, want %v", n, got, want)
			}
			x[n-1] = float32(math.NaN())
			if got := k.SumSquares(x); !math.IsNaN(got) {
				t.Errorf("SumSquares with NaN: %v", got)
			}
		}
	})
}

func TestSoftmaxCrossEntropy(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for _, size := range []float64{0.1, 1, 30, 1000} {
			for n := 0; n < 40; n++ {
				B, K := 1+r.IntN(5), 1+r.IntN(70)
				x, p, y := newGuarded(r, B, K), newGuarded(r, B, K), newGuarded(r, B, K)
				for i := 0; i < B; i++ {
					for j := range x.Row(i) {
						x.Row(i)[j] *= float32(size)
						y.Row(i)[j] = float32(r.Float64())
					}
				}
				var want, scale float64
				soft := make([]float64, B*K)
				for i := 0; i < B; i++ {
					top, z := math.Inf(-1), 0.0
					for _, v := range x.Row(i) {
						top = max(top, float64(v))
					}
					for _, v := range x.Row(i) {
						z += math.Exp(float64(v) - top)
					}
					for j, v := range x.Row(i) {
						l := float64(v) - top - math.Log(z)
						soft[i*K+j] = math.Exp(l)
						want -= float64(y.Row(i)[j]) * l
						scale += math.Abs(float64(y.Row(i)[j]) * l)
					}
				}
				got := k.SoftmaxCrossEntropy(p.Matrix, x.Matrix, y.Matrix)
				p.check(t, "probs")
				if math.Abs(got-want) > 1e-6*(scale+1) {
					t.Fatalf("%d×%d: loss %v, want %v", B, K, got, want)
				}
				g := newGuarded(r, B, K)
				k.SoftmaxCrossEntropyGrad(g.Matrix, p.Matrix, y.Matrix, 0.5)
				g.check(t, "gradient")
				for i := 0; i < B; i++ {
					var total float64
					for _, v := range y.Row(i) {
						total += float64(v)
					}
					for j := 0; j < K; j++ {
						if want := soft[i*K+j]; !near(p.Row(i)[j], want, 1, 1e-6) {
							t.Fatalf("softmax (%d, %d): got %v, want %v", i, j, p.Row(i)[j], want)
						}
						if want := 0.5 * (soft[i*K+j]*total - float64(y.Row(i)[j])); !near(
							g.Row(i)[j], want, 1+total, 1e-6,
						) {
							t.Fatalf("gradient (%d, %d): got %v, want %v", i, j, g.Row(i)[j], want)
						}
					}
				}
			}
		}
	})
}

func TestAdamW(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for _, n := range sizes {
			w, g, m, v := newGuarded(r, 1, n), newGuarded(r, 1, n), newGuarded(r, 1, n), newGuarded(r, 1, n)
			for i := range v.Row(0) {
				v.Row(0)[i] = float32(math.Abs(float64(v.Row(0)[i])))
			}
			w0, m0, v0 := w.clone(), m.clone(), v.clone()
			s := AdamWStep{LR: 1e-2, WeightDecay: 0.05, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 3, GradScale: 0.25}
			k.AdamW(w.Row(0), g.Row(0), m.Row(0), v.Row(0), s)
			for _, b := range []guarded{w, g, m, v} {
				b.check(t, "AdamW")
			}
			for i := 0; i < n; i++ {
				gr := s.GradScale * float64(g.Row(0)[i])
				mi := s.Beta1*float64(m0.Row(0)[i]) + (1-s.Beta1)*gr
				vi := s.Beta2*float64(v0.Row(0)[i]) + (1-s.Beta2)*gr*gr
				wi := float64(w0.Row(0)[i])*(1-s.LR*s.WeightDecay) -
					s.LR*(mi/(1-math.Pow(s.Beta1, 3)))/(math.Sqrt(vi/(1-math.Pow(s.Beta2, 3)))+s.Eps)
				if !near(w.Row(0)[i], wi, 1+math.Abs(wi), 5e-7) ||
					!near(m.Row(0)[i], mi, 1, 1e-6) ||
					!near(v.Row(0)[i], vi, 1+vi, 1e-6) {
					t.Fatalf("element %d of %d: got %v, %v, %v, want %v, %v, %v",
						i, n, w.Row(0)[i], m.Row(0)[i], v.Row(0)[i], wi, mi, vi)
				}
			}
		}
	})
}

// For a constant gradient the corrected moments are the gradient and its square, so every step has
// the length of the learning rate, however close to 1 the betas are.
func TestAdamWBiasCorrection(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, _ *rand.Rand) {
		for _, beta := range []float64{0, 0.9, 0.999, 0.99999, 0.999999, 0.9999999} {
			for _, steps := range []int{1, 2, 7, 40} {
				const n = 19
				w, g, m, v := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
				for step := 1; step <= steps; step++ {
					for i := range g {
						w[i], g[i] = 0, 0.3
					}
					k.AdamW(w, g, m, v, AdamWStep{LR: 1, Beta1: beta, Beta2: beta, Step: step, GradScale: 1})
				}
				for i, x := range w {
					if math.Abs(float64(x)+1) > 2e-5 {
						t.Fatalf("betas of %v: element %d moves by %v in step %d, want -1", beta, i, x, steps)
					}
				}
			}
		}
	})
}

func TestTranspose(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 200; n++ {
			rows, cols := pick(r), pick(r)
			src, dst := newGuarded(r, rows, cols), newGuarded(r, cols, rows)
			k.Transpose(dst.Matrix, src.Matrix)
			dst.check(t, "Transpose")
			for i := 0; i < rows; i++ {
				for j := 0; j < cols; j++ {
					if dst.Row(j)[i] != src.Row(i)[j] {
						t.Fatalf("%d×%d: element (%d, %d) is wrong", rows, cols, j, i)
					}
				}
			}
		}
	})
}

// The kernels flush denormal numbers, and must restore the previous mode.
func TestDenormalModeRestored(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		x := newGuarded(r, 5, 19)
		k.Affine(x.Matrix, x.Matrix, newVector(r, 19), newVector(r, 19), GELU)
		k.GemmTN(newGuarded(r, 19, 19).Matrix, x.Matrix, x.Matrix, FP32)
		tiny := float32(1e-39)
		if half := tiny / 2; half == 0 {
			t.Error("denormal numbers are still flushed after the kernel")
		}
	})
}

// The environment selects the variant and the path, or gives an error.
func TestChoose(t *testing.T) {
	fastest := Available()[0]
	none := withPath(t, fastest, "")
	best := none
	if paths := AvailableBF16(fastest); paths[0] != BF16Go {
		best = withPath(t, fastest, paths[0])
	}
	tests := []struct {
		name, variant, path string
		want                *Set
		err                 string
	}{
		{"nothing", "", "", best, ""},
		{"a variant", "go", "", withPath(t, Go, ""), ""},
		{"a variant and a path", "go", "go", withPath(t, Go, BF16Go), ""},
		{"a path", "", "go", withPath(t, fastest, BF16Go), ""},
		{"bf16 off", "", "off", withPath(t, fastest, bf16Off), ""},
		{"no such variant", "sse9", "", best,
			EnvVariable + `=sse9: kernels: variant "sse9" is not available here: want one of`},
		{"no such path", "", "fp8", none, BF16Variable + `=fp8: kernels: bf16 path "fp8": want one of`},
		{"a path of another variant", "go", "avx512_bf16", withPath(t, Go, ""),
			BF16Variable + "=avx512_bf16: kernels: bf16 path avx512_bf16: "},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got, err := choose(c.variant, c.path)
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("the error is %v, want %q", err, c.err)
			}
		})
	}
}

// Sets without bf16 say why: it is switched off, or they were made without it.
func TestNoBF16Error(t *testing.T) {
	tests := []struct {
		name string
		path BF16Path
		want string
	}{
		{"switched off", bf16Off, "there is no bf16 here: amx: FASTERNET_BF16=off; avx512_bf16: FASTERNET_BF16=off; " +
			"go: FASTERNET_BF16=off; take precision fp32 or auto"},
		{"made without", "", "there is no bf16 here: amx: "},
	}
	switch runtime.GOARCH { // no path is named for other architectures
	case "amd64":
	case "arm64":
		tests[0].want = "there is no bf16 here: neon_bf16: FASTERNET_BF16=off; go: FASTERNET_BF16=off; " +
			"take precision fp32 or auto"
		tests[1].want = "there is no bf16 here: neon_bf16: "
	default:
		tests[0].want = "there is no bf16 here: go: FASTERNET_BF16=off; take precision fp32 or auto"
		tests[1].want = "there is no bf16 here: these kernels were made without it; "
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			k := withPath(t, Go, c.path)
			if _, err := k.ParsePrecision("bf16"); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s…", err, c.want)
			}
			if p, err := k.ParsePrecision(Auto); p != FP32 || err != nil {
				t.Errorf("auto is %v, %v", p, err)
			}
		})
	}
}

// Kernels refuse what was packed for others, even for others with as many lanes.
func TestPackedForOthers(t *testing.T) {
	for _, v := range Available() {
		for _, w := range Available() {
			if v == w {
				continue
			}
			k, other := withPath(t, v, ""), withPath(t, w, "")
			packed, m := other.NewPacked(9, 9, FP32), NewMatrix(make([]float32, 81), 9, 9)
			groups := GroupConv{Height: 3, Width: 3, Channels: 9, Groups: 1}.Pack(other, make([]float32, 9*9*9))
			scratch := make([]float32, 1024)
			tests := []struct {
				name string
				run  func()
			}{
				{"Gemm", func() { k.Gemm(m, 1, m, packed, Matrix{}) }},
				{"GemmPanel", func() { k.GemmPanel(m, 1, m, packed, 0, Matrix{}) }},
				{"GemmBlock", func() { k.GemmBlock(m, 1, m, packed, 0, 0, Matrix{}) }},
				{"GemmTNPacked", func() { k.GemmTNPacked(m, m, packed, 0) }},
				{"PConv", func() {
					PConv{
						Height:   3,
						Width:    3,
						Channels: 1,
					}.Convolve(k, m.Columns(0, 1), scratch, other.NewPacked(9, 1, FP32), Matrix{})
				}},
				{"PatchConv", func() {
					PatchConv{
						Height:   3,
						Width:    3,
						Channels: 1,
						Size:     3,
						Step:     3,
					}.Convolve(k, m.Slice(0, 1), m.Data, 0, packed, nil)
				}},
				{"InputGrad", func() {
					PatchConv{
						Height:   1,
						Width:    9,
						Channels: 9,
						Size:     1,
						Step:     1,
					}.InputGrad(k, m.Data, 0, m, []*Packed{packed})
				}},
				{"GroupConv", func() {
					GroupConv{Height: 3, Width: 3, Channels: 9, Groups: 1}.Convolve(k, m, m, 0, scratch, groups)
				}},
			}
			for _, c := range tests {
				t.Run(fmt.Sprintf("%s/%s on %s", c.name, w, v), func(t *testing.T) {
					defer func() {
						if e := recover(); e == nil ||
							!strings.Contains(fmt.Sprint(e), string(w)+" kernels") ||
							!strings.Contains(fmt.Sprint(e), string(v)+" kernels") {
							t.Errorf("got %v, want a panic that names both variants", e)
						}
					}()
					c.run()
				})
			}
		}
	}
}

// Pools of several variants work at the same time, and each computes the bits of its own variant.
func TestPoolsOfSeveralVariants(t *testing.T) {
	const rows, inner, cols, block = 96, 70, 50, 8
	r := rand.New(rand.NewPCG(1, 2))
	a, b := newGuarded(r, rows, inner), newGuarded(r, inner, cols)
	product := func(pool *Pool) []float32 {
		k, c := pool.Kernels(), NewMatrix(make([]float32, rows*cols), rows, cols)
		packed := k.NewPacked(inner, cols, FP32)
		packed.Pack(b.Matrix)
		pool.Run(rows/block, func(_, i int) {
			k.Gemm(c.Slice(i*block, (i+1)*block), 1, a.Slice(i*block, (i+1)*block), packed, Matrix{})
		})
		return c.Data
	}
	var pools []*Pool
	var want [][]float32
	for _, v := range Available() {
		pool := withPath(t, v, "").NewPool(2)
		defer pool.Close()
		if got := pool.Kernels().Variant(); got != v {
			t.Errorf("the pool has the kernels of %s, want %s", got, v)
		}
		pools, want = append(pools, pool), append(want, product(pool))
	}
	var all sync.WaitGroup
	for i, pool := range pools {
		all.Go(func() {
			for range 50 {
				if !slices.Equal(product(pool), want[i]) {
					t.Errorf("%v: a product differs next to other variants", pool.Kernels())
					return
				}
			}
		})
	}
	all.Wait()
	pool := NewPool(1)
	defer pool.Close()
	if pool.Kernels() != Default() {
		t.Errorf("a pool has %v, want %v", pool.Kernels(), Default())
	}
}
