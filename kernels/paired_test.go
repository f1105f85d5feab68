package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPanelsOfColumns(t *testing.T) {
	for _, c := range []struct {
		name      string
		n, lanes  int
		precision Precision
		want      string
	}{
		{"one vector", 7, 16, FP32, "[1]"},
		{"one vector and a few columns", 20, 16, FP32, "[2 paired]"},
		{"half a vector more", 24, 16, FP32, "[2 paired]"},
		{"more than half a vector more", 25, 16, FP32, "[2]"},
		{"two vectors and half of one", 40, 16, FP32, "[3 paired]"},
		{"three vectors", 48, 16, FP32, "[3]"},
		{"four vectors, the last half empty", 56, 16, FP32, "[2 2 paired]"},
		{"four and a half", 72, 16, FP32, "[2 3 paired]"},
		{"narrow vectors", 20, 8, FP32, "[3 paired]"},
		{"BF16", 40, 16, BF16, "[3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			columns := 0
			for _, p := range appendPanels(nil, c.n, c.lanes, c.precision) {
				s := fmt.Sprint(p.vectors)
				if p.paired {
					s += " paired"
				}
				got = append(got, s)
				columns += p.cols
			}
			if fmt.Sprint(got) != c.want || columns != c.n {
				t.Errorf("got %v with %d columns, want %s", got, columns, c.want)
			}
		})
	}
}

// If two rows share a vector, each has the same bits as when it is computed alone, in panels of any
// number of columns. Nothing of a row reaches the other one.
func TestRowsOfPairedPanels(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		const most, inner, bad = 31, 9, 5
		for n := 1; n <= 5*k.lanes; n++ {
			a, b := newGuarded(r, most, inner), newGuarded(r, inner, n)
			a.Row(bad)[3] = float32(math.NaN())
			d := newGuarded(r, most, n)
			p := k.NewPacked(inner, n, FP32)
			p.Pack(b.Matrix)
			alone, sums := make([][]float32, most), make([][]float32, most)
			for i := range most { // rows and panels of one vector each
				for from := 0; from < n; from += k.lanes {
					to := min(from+k.lanes, n)
					one := k.NewPacked(inner, to-from, FP32)
					one.Pack(b.Columns(from, to))
					out := NewMatrix(make([]float32, to-from), 1, to-from)
					k.Gemm(out, 0.75, a.Slice(i, i+1), one, d.Slice(i, i+1).Columns(from, to))
					alone[i] = append(alone[i], out.Data...)
					add := NewMatrix(slices.Clone(d.Row(i)[from:to]), 1, to-from)
					k.GemmTN(add, Matrix{Data: a.Row(i), Rows: inner, Cols: 1, Stride: 1}, b.Columns(from, to), FP32)
					sums[i] = append(sums[i], add.Data...)
				}
			}
			for rows := 1; rows <= most; rows++ {
				name := fmt.Sprintf("%d×%d by %d", rows, inner, n)
				c := newGuarded(r, rows, n)
				k.Gemm(c.Matrix, 0.75, a.Slice(0, rows), p, d.Slice(0, rows))
				c.check(t, name)
				at := newGuarded(r, inner, rows)
				for x := range inner {
					for i := range rows {
						at.Row(x)[i] = a.Row(i)[x]
					}
				}
				ct := newGuarded(r, rows, n)
				for i := range rows {
					copy(ct.Row(i), d.Row(i))
				}
				packed := ct.clone()
				k.GemmTN(ct.Matrix, at.Matrix, b.Matrix, FP32)
				ct.check(t, name)
				k.GemmTNPacked(packed.Matrix, at.Matrix, p, 0)
				packed.check(t, name)
				for i := range rows {
					if got := c.Row(i); !sameBits(got, alone[i]) {
						t.Fatalf("%s: row %d: got %v, alone %v", name, i, got, alone[i])
					}
					if got := ct.Row(i); !sameBits(got, sums[i]) {
						t.Fatalf("%s transposed: row %d: got %v, alone %v", name, i, got, sums[i])
					}
					if got := packed.Row(i); !sameBits(got, sums[i]) {
						t.Fatalf("%s transposed and packed: row %d: got %v, alone %v", name, i, got, sums[i])
					}
				}
			}
		}
	})
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
	})
}
