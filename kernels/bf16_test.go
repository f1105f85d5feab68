package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// everyPath runs a test with each path of bf16 that the machine has, on each
// variant of the kernels.
func everyPath(t *testing.T, f func(t *testing.T, k *Set, r *rand.Rand)) {
	t.Helper()
	if len(halves) == 0 {
		t.Logf("NOT TESTED HERE: %v", Default().BF16Refusals())
	}
	everyVariant(t, func(t *testing.T, variant *Set, _ *rand.Rand) {
		for _, k := range bf16Sets(t, variant.Variant()) {
			t.Run(string(k.BF16()), func(t *testing.T) { f(t, k, rand.New(rand.NewPCG(3, 4))) })
		}
	})
}

// bf16Sets returns the kernels of a variant with each path of bf16. On processors without AMX its
// kernels are interpreted.
func bf16Sets(t *testing.T, v Variant) []*Set {
	t.Helper()
	var out []*Set
	if v == AVX512 && halves[BF16AMX] == nil {
		t.Logf("%s: its kernels run in an interpreter", BF16AMX.refusal(v))
		out = append(out, &Set{functions: *variants[v], variant: v, half: interpretedAMX(t)})
		out[0].half.complete(variants[AVX512])
	}
	for _, p := range AvailableBF16(v) {
		out = append(out, withPath(t, v, p))
	}
	return out
}

// rounded returns the values that a product in bf16 sees.
func rounded(m Matrix) func(r, c int) float64 {
	return func(r, c int) float64 { return float64(fromBF16(toBF16(m.Row(r)[c]))) }
}

func transposed(r *rand.Rand, m Matrix) Matrix {
	t := newGuarded(r, m.Cols, m.Rows)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			t.Row(j)[i] = v
		}
	}
	return t.Matrix
}

func TestBF16Rounding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want uint32 }{
		{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, // ties go to even
		{0x3f808001, 0x3f81}, {0x3f807fff, 0x3f80}, {0xbf818000, 0xbf82},
		// beyond the largest: infinity
		{0x7f7fffff, 0x7f80}, {0xff7fffff, 0xff80}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80},
		{0x7f800001, 0x7fc0}, {0xffc12345, 0xffc1}, // NaN stays one
		{0x007fffff, 0}, {0x80000001, 0x8000}, {0x00800000, 0x0080}, {0, 0}, {0x80000000, 0x8000}, // denormals are zero
	} {
		everyPath(t, func(t *testing.T, k *Set, _ *rand.Rand) {
			x := math.Float32frombits(c.in)
			src, dst := []float32{1, x, 2}, make([]uint16, 4)
			k.half.toHalf(1, 3, 4, &dst[0], 4, &src[0], 3)
			if uint32(dst[1]) != c.want || dst[0] != 0x3f80 || dst[2] != 0x4000 || dst[3] != 0 {
				t.Errorf("%08x: got %04x, want %04x", c.in, dst, c.want)
			}
			pair := make([]float32, 1)
			k.half.interleave(1, 2, 1, &pair[0], 1, &src[1], 1)
			if got, want := math.Float32bits(pair[0]), c.want|0x4000<<16; got != want {
				t.Errorf("%08x: the pair is %08x, want %08x", c.in, got, want)
			}
		})
	}
}

// Conversions of rows, and of rows in pairs, equal the definition, and write only their results.
func TestBF16Conversions(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 200 {
			rows, cols := pick(r), pick(r)
			if n%20 == 0 { // more than the eight bits that some instructions read
				rows, cols = 1+r.IntN(5), 250+r.IntN(300)
			}
			if rows*cols == 0 {
				continue
			}
			fill := cols + r.IntN(70)
			src := newGuarded(r, rows, cols)
			dst := newGuarded(r, rows, fill+5)
			dst.Stride += dst.Stride % 2
			out := make([]uint16, rows*(fill+7)+9)
			for i := range out {
				out[i] = 0xabcd
			}
			ld := fill + 7
			k.half.toHalf(rows, cols, fill, &out[3], ld, src.ptr(), src.Stride)
			back := newGuarded(r, rows, cols)
			k.half.fromHalf(rows, cols, back.ptr(), back.Stride, &out[3], ld)
			back.check(t, "fromHalf")
			for i, v := range out {
				row, col := (i-3)/ld, (i-3)%ld
				want := uint16(0xabcd)
				if i >= 3 && row < rows && col < fill {
					want = 0
					if col < cols {
						want = toBF16(src.Row(row)[col])
						if back.Row(row)[col] != fromBF16(want) {
							t.Fatalf("%d×%d: (%d, %d) comes back as %v, want %v",
								rows, cols, row, col, back.Row(row)[col], fromBF16(want))
						}
					}
				}
				if v != want {
					t.Fatalf("%d×%d filled up to %d: element %d is %04x, want %04x", rows, cols, fill, i-3, v, want)
				}
			}
			pairs := (rows+1)/2 + r.IntN(3)
			again := slices.Clone(out)
			k.half.copyHalf(rows, cols, &again[3], ld, &out[3], ld)
			k.half.copyHalf(rows, cols, &again[4], ld, &out[3], ld)
			for i, v := range again {
				row, col := (i-4)/ld, (i-4)%ld
				want := out[i]
				if i >= 4 && row < rows && col < cols {
					want = out[i-1]
				}
				if v != want {
					t.Fatalf("%d×%d, copied one further: element %d is %04x, want %04x", rows, cols, i-3, v, want)
				}
			}
			if k.half.quads != nil {
				checkQuads(t, k, r, src)
			}
			inter := newGuarded(r, pairs, cols)
			k.half.interleave(pairs, rows, cols, inter.ptr(), inter.Stride, src.ptr(), src.Stride)
			inter.check(t, "interleave")
			for p := range pairs {
				for c := range cols {
					var want uint32
					for half := range 2 {
						if 2*p+half < rows {
							want |= uint32(toBF16(src.Row(2*p + half)[c])) << (16 * half)
						}
					}
					if got := math.Float32bits(inter.Row(p)[c]); got != want {
						t.Fatalf("pair %d of %d rows, column %d: %08x, want %08x", p, rows, c, got, want)
					}
				}
			}
		}
	})
}

// checkQuads converts rows four at a time.
func checkQuads(t *testing.T, k *Set, r *rand.Rand, src guarded) {
	t.Helper()
	quads := (src.Rows+3)/4 + r.IntN(3)
	got := newGuarded(r, quads, 2*src.Cols)
	k.half.quads(quads, src.Rows, src.Cols, got.ptr(), got.Stride, src.ptr(), src.Stride)
	got.check(t, "quads")
	for q := range quads {
		values := asHalves(got.Row(q))
		for c := range src.Cols {
			for i := range 4 {
				var want uint16
				if 4*q+i < src.Rows {
					want = toBF16(src.Row(4*q + i)[c])
				}
				if v := values[4*c+i]; v != want {
					t.Fatalf("quad %d of %d rows, column %d of %d, value %d: %04x, want %04x",
						q, src.Rows, c, src.Cols, i, v, want)
				}
			}
		}
	}
}

func TestBF16Gemm(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 200 {
			M, K, N := pick(r), pick(r), pick(r)
			name := fmt.Sprintf("%d×%d by %d×%d", M, K, K, N)
			a, b, c := newGuarded(r, M, K), newGuarded(r, K, N), newGuarded(r, M, N)
			alpha := float32(1)
			if n%2 == 1 {
				alpha = float32(r.NormFloat64())
			}
			before := c.clone()
			var d Matrix
			switch n % 3 {
			case 1:
				d = c.Matrix
			case 2:
				d = Broadcast(newVector(r, N), M)
			}
			p := k.NewPacked(K, N, BF16)
			for i := range p.data { // memory that is not packed must not matter
				p.data[i] = math.Float32frombits(0x7fc07fc0)
			}
			switch n % 4 {
			case 0:
				p.Pack(b.Matrix)
			case 1:
				p.PackTransposed(transposed(r, b.Matrix))
			default: // by blocks of rows, which may be odd, in any order
				cut := r.IntN(K + 1)
				p.PutRows(cut, b.Slice(cut, K))
				p.PutRows(0, b.Slice(0, cut))
			}
			k.Gemm(c.Matrix, alpha, a.Matrix, p, d)
			c.check(t, name)
			av, bv := rounded(a.Matrix), rounded(b.Matrix)
			for i := range M {
				for j := range N {
					var want, scale float64
					for x := range K {
						v := float64(alpha) * av(i, x) * bv(x, j)
						want += v
						scale += math.Abs(v)
					}
					if n%3 == 1 {
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

func TestBF16GemmTN(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 200 {
			R, M, N := pick(r), pick(r), pick(r)
			if n == 0 {
				R = 2100 // more than are converted at once
			}
			name := fmt.Sprintf("%d×%d transposed by %d×%d", R, M, R, N)
			a, b, c := newGuarded(r, R, M), newGuarded(r, R, N), newGuarded(r, M, N)
			before := c.clone()
			from := 0
			if n%2 == 0 {
				k.GemmTN(c.Matrix, a.Matrix, b.Matrix, BF16)
			} else {
				from = r.IntN(R+1) / k.half.step * k.half.step
				p := k.NewPacked(R, N, BF16)
				p.Pack(b.Matrix)
				k.GemmTNPacked(c.Matrix, a.Slice(from, R), p, from)
				last := 0
				if n := p.Panels(); n > 0 {
					last = p.panels[n-1].from
				}
				some := newGuarded(r, M, N-last)
				k.Copy(some.Matrix, before.Columns(last, N))
				k.GemmTNPackedBlock(some.Matrix, a.Slice(from, R), p, from, last)
				for i := range M {
					if !slices.Equal(some.Row(i), c.Row(i)[last:]) {
						t.Fatalf("%s from %d: row %d of some columns differs from the product of all columns",
							name, from, i)
					}
				}
			}
			c.check(t, name)
			av, bv := rounded(a.Matrix), rounded(b.Matrix)
			for i := range M {
				for j := range N {
					want := float64(before.Row(i)[j])
					scale := math.Abs(want)
					for x := from; x < R; x++ {
						want += av(x, i) * bv(x, j)
						scale += math.Abs(av(x, i) * bv(x, j))
					}
					if !near(c.Row(i)[j], want, scale, 2e-6) {
						t.Fatalf("%s from %d: element (%d, %d): got %v, want %v", name, from, i, j, c.Row(i)[j], want)
					}
				}
			}
		}
	})
}

// The paths with the order of VDPBF16PS agree to the bit, for numbers of all sizes: denormals are
// zero, and infinities and NaN appear where they must.
func TestBF16PathsAgree(t *testing.T) {
	t.Parallel()
	if halves[BF16AVX512] == nil {
		t.Skip("NOT TESTED HERE: " + fmt.Sprint(Default().BF16Refusals()))
	}
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 300 {
		M, K, N := 1+r.IntN(40), 1+r.IntN(90), 1+r.IntN(70)
		a, b := newGuarded(r, M, K), newGuarded(r, K, N)
		at := newGuarded(r, K, M)
		wild := func(m Matrix) {
			for i := range m.Rows {
				for j := range m.Row(i) {
					switch r.IntN(50) {
					case 0:
						m.Row(i)[j] = float32(math.Inf(1 - 2*r.IntN(2)))
					case 1:
						m.Row(i)[j] = float32(math.NaN())
					case 2:
						m.Row(i)[j] = math.Float32frombits(r.Uint32() & 0x807fffff)
					default:
						m.Row(i)[j] *= float32(math.Pow(2, float64(r.IntN(140)-80)))
					}
				}
			}
		}
		if n%2 == 1 {
			wild(a.Matrix)
			wild(b.Matrix)
			wild(at.Matrix)
		}
		var results [][]float32
		for _, path := range []BF16Path{BF16AVX512, BF16Go} {
			k := withPath(t, AVX512, path)
			c, g := make([]float32, M*N), make([]float32, M*N)
			p := k.NewPacked(K, N, BF16)
			p.Pack(b.Matrix)
			k.Gemm(NewMatrix(c, M, N), 1, a.Matrix, p, Matrix{})
			k.GemmTNPacked(NewMatrix(g, M, N), at.Matrix, p, 0)
			k.GemmTN(NewMatrix(g, M, N), at.Matrix, b.Matrix, BF16)
			results = append(results, append(c, g...))
		}
		for i, got := range results[0] {
			want := results[1][i]
			if math.Float32bits(got) != math.Float32bits(want) &&
				!(got != got && want != want) &&
				!(got == 0 && want == 0) {
				t.Fatalf("product %d, element %d: %v (%08x), in Go %v (%08x)",
					n, i, got, math.Float32bits(got), want, math.Float32bits(want))
			}
		}
	}
}

// Convolutions, with an even and an odd number of channels.
func TestBF16Convolutions(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for _, p := range []PConv{{4, 5, 4}, {3, 7, 5}, {7, 7, 10}, {2, 3, 1}} {
			pixels := p.Height * p.Width
			image := newGuarded(r, pixels, p.Channels)
			y := newGuarded(r, pixels, p.Channels)
			dy := newGuarded(r, pixels, p.Channels)
			for i := range pixels {
				for j, v := range image.Row(i) {
					image.Row(i)[j] = fromBF16(toBF16(v))
					dy.Row(i)[j] = fromBF16(toBF16(dy.Row(i)[j]))
				}
			}
			padded := make([]float32, p.PaddedLen())
			p.Pad(k, padded, image.Matrix, 0)
			weights := newGuarded(r, p.Channels, p.Inner())
			for i := range p.Channels {
				for j, v := range weights.Row(i) {
					weights.Row(i)[j] = fromBF16(toBF16(v))
				}
			}
			want := newGuarded(r, pixels, p.Channels)
			dw, wantDW := newGuarded(r, p.Channels, p.Inner()), newGuarded(r, p.Channels, p.Inner())
			k.Copy(wantDW.Matrix, dw.Matrix)
			full := k.NewPacked(p.Inner(), p.Channels, FP32)
			full.PackTransposed(weights.Matrix)
			p.Convolve(k, want.Matrix, padded, full, Matrix{})
			p.WeightGrad(k, wantDW.Matrix, padded, dy.Matrix, FP32)
			half := k.NewPacked(p.Inner(), p.Channels, BF16)
			half.PackTransposed(weights.Matrix)
			p.Convolve(k, y.Matrix, padded, half, Matrix{})
			p.WeightGrad(k, dw.Matrix, padded, dy.Matrix, BF16)
			y.check(t, "Convolve")
			dw.check(t, "WeightGrad")
			for i := range pixels {
				for j, v := range want.Row(i) {
					if !near(y.Row(i)[j], float64(v), 30, 1e-6) {
						t.Fatalf("%+v: pixel %d, channel %d: got %v, want %v", p, i, j, y.Row(i)[j], v)
					}
				}
			}
			for i := range p.Channels {
				for j, v := range wantDW.Row(i) {
					if !near(dw.Row(i)[j], float64(v), 30, 1e-6) {
						t.Fatalf("%+v: weight (%d, %d): got %v, want %v", p, i, j, dw.Row(i)[j], v)
					}
				}
			}
		}
	})
}
