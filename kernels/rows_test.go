package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLayerNorm(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 200 {
			rows, cols := pick(r), max(pick(r), 1)
			x, y := newGuarded(r, rows, cols), newGuarded(r, rows, cols)
			offset := []float32{0, 3, 100}[n%3]
			for i := range rows {
				for j := range x.Row(i) {
					x.Row(i)[j] += offset
				}
			}
			w, b := newVector(r, cols), newVector(r, cols)
			stats := newGuarded(r, 1, 2*rows)
			before := x.clone()
			if n%2 == 0 {
				y = x
			}
			k.LayerNorm(y.Matrix, x.Matrix, w, b, stats.Row(0), 1e-5)
			y.check(t, "LayerNorm")
			stats.check(t, "statistics")
			for i := range rows {
				mean, rstd := refMoments(before.Row(i), 1e-5)
				st := stats.Row(0)[2*i:]
				if !near(st[0], mean, 1+math.Abs(mean), 1e-6) || !near(st[1], rstd, rstd, 1e-5*float64(1+offset)) {
					t.Fatalf("row of %d: mean %v, rstd %v, want %v, %v", cols, st[0], st[1], mean, rstd)
				}
				for j := range cols {
					h := (float64(before.Row(i)[j]) - mean) * rstd
					if want := h*float64(w[j]) + float64(b[j]); !near(
						y.Row(i)[j], want, 1+math.Abs(want)+rstd*float64(offset), 2e-5,
					) {
						t.Fatalf("%d×%d (%d, %d): got %v, want %v", rows, cols, i, j, y.Row(i)[j], want)
					}
				}
			}
		}
	})
}

func refMoments(x []float32, eps float64) (mean, rstd float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	var variance float64
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, 1 / math.Sqrt(variance+eps)
}

func TestLayerNormGrad(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 200 {
			rows, cols := pick(r), 2+pick(r)
			x := newGuarded(r, rows, cols)
			dy := newGuarded(r, rows, cols)
			dx := newGuarded(r, rows, cols)
			add := newGuarded(r, rows, cols)
			w := newVector(r, cols)
			dw, db := newGuarded(r, 1, cols), newGuarded(r, 1, cols)
			dw0, db0, dy0, add0 := dw.clone(), db.clone(), dy.clone(), add.clone()
			stats := make([]float32, 2*rows)
			k.LayerNorm(dx.Matrix, x.Matrix, w, w, stats, 1e-2)
			var am Matrix
			switch n % 4 {
			case 1:
				am = add.Matrix
			case 2:
				dx = dy
			case 3:
				dx, am = add, add.Matrix
			}
			k.LayerNormGrad(dx.Matrix, dy.Matrix, x.Matrix, am, w, stats, dw.Row(0), db.Row(0))
			for _, g := range []guarded{dx, dw, db} {
				g.check(t, "LayerNormGrad")
			}
			wantW, wantB := make([]float64, cols), make([]float64, cols)
			for j := range cols {
				wantW[j], wantB[j] = float64(dw0.Row(0)[j]), float64(db0.Row(0)[j])
			}
			for i := range rows {
				mean, rstd := refMoments(x.Row(i), 1e-2)
				h, g := make([]float64, cols), make([]float64, cols)
				var sum, dot float64
				for j := range cols {
					h[j] = (float64(x.Row(i)[j]) - mean) * rstd
					g[j] = float64(dy0.Row(i)[j]) * float64(w[j])
					sum += g[j] / float64(cols)
					dot += g[j] * h[j] / float64(cols)
					wantW[j] += float64(dy0.Row(i)[j]) * h[j]
					wantB[j] += float64(dy0.Row(i)[j])
				}
				for j := range cols {
					want := rstd * (g[j] - sum - h[j]*dot)
					if am.Data != nil {
						want += float64(add0.Row(i)[j])
					}
					if !near(dx.Row(i)[j], want, (1+rstd)*10, 2e-6) {
						t.Fatalf("%d×%d (%d, %d): got %v, want %v", rows, cols, i, j, dx.Row(i)[j], want)
					}
				}
			}
			for j := range cols {
				if !near(dw.Row(0)[j], wantW[j], 5+5*float64(rows), 1e-6) ||
					!near(db.Row(0)[j], wantB[j], 5+5*float64(rows), 1e-6) {
					t.Fatalf("column %d: got %v, %v, want %v, %v", j, dw.Row(0)[j], db.Row(0)[j], wantW[j], wantB[j])
				}
			}
		}
	})
}

func TestSoftmaxRows(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 200 {
			rows, cols := pick(r), 1+pick(r)
			x, d := newGuarded(r, rows, cols), newGuarded(r, rows, cols)
			for i := range rows {
				for j := range x.Row(i) {
					x.Row(i)[j] = x.Row(i)[j]*[]float32{0.1, 1, 30, 1000}[n%4] - 50
				}
			}
			x0, d0 := x.clone(), d.clone()
			k.SoftmaxRows(x.Matrix)
			k.SoftmaxRowsGrad(x.Matrix, d.Matrix)
			x.check(t, "SoftmaxRows")
			d.check(t, "SoftmaxRowsGrad")
			for i := range rows {
				top, z, dot := math.Inf(-1), 0.0, 0.0
				for _, v := range x0.Row(i) {
					top = max(top, float64(v))
				}
				for _, v := range x0.Row(i) {
					z += math.Exp(float64(v) - top)
				}
				for j, v := range x0.Row(i) {
					dot += math.Exp(float64(v)-top) / z * float64(d0.Row(i)[j])
				}
				for j, v := range x0.Row(i) {
					p := math.Exp(float64(v)-top) / z
					if !near(x.Row(i)[j], p, 1, 2e-6) {
						t.Fatalf("%d×%d (%d, %d): got %v, want %v", rows, cols, i, j, x.Row(i)[j], p)
					}
					if want := p * (float64(d0.Row(i)[j]) - dot); !near(d.Row(i)[j], want, 5, 2e-6) {
						t.Fatalf("gradient of %d×%d (%d, %d): got %v, want %v", rows, cols, i, j, d.Row(i)[j], want)
					}
				}
			}
		}
	})
}

// A NaN in a row must stay visible, and touch no other row.
func TestRowsNonFinite(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n, at := range []int{0, 5, 18, 34} {
			nan := math.Float32frombits(0x7fc00000 + uint32(n)) // programs make NaN like this too
			x, y := newGuarded(r, 3, 35), newGuarded(r, 3, 35)
			x.Row(1)[at], y.Row(1)[at] = nan, nan
			stats := make([]float32, 6)
			k.SoftmaxRows(x.Matrix)
			k.LayerNorm(y.Matrix, y.Matrix, newVector(r, 35), newVector(r, 35), stats, 1e-6)
			for i := range 3 {
				for _, c := range []struct {
					name string
					m    guarded
				}{{"softmax", x}, {"layer norm", y}} {
					bad := 0
					for _, v := range c.m.Row(i) {
						if v != v {
							bad++
						}
					}
					if (bad > 0) != (i == 1) {
						t.Errorf("%s of NaN at %d: %d NaN in row %d", c.name, at, bad, i)
					}
				}
			}
		}
	})
}
