package kernels

import "sync"

// A tile of AMX has 16 rows of 64 bytes: 16 float32 of a result, or 32 bfloat16 of the inner
// index (Intel's Architecture Instruction Set Extensions, palette 1).
const (
	tileRows = 16
	tileStep = 32
)

// tilesFunction computes C = A·B, or C += A·B if add is not 0, for m rows, a multiple of
// tileRows, of tileStep·steps values.
type tilesFunction func(m int, a *uint16, lda int, b *float32, ldb, steps int, c *float32, ldc, add int)

// tilePath returns the path of bf16 on tiles. one multiplies with one vector of columns, two
// with two. The conversions come from another path, and everything else from f, the functions
// of AVX-512.
func tilePath(one, two tilesFunction, conversions *halfFunctions, f *functions) *halfFunctions {
	return &halfFunctions{
		path: BF16AMX, variant: AVX512, step: tileStep, tiles: true,
		nn: [4]productFunc{
			nil, tilesNN(1, one, two, f), tilesNN(2, one, two, f), tilesNN(3, one, two, f)},
		toHalf:       conversions.toHalf,
		copyHalf:     conversions.copyHalf,
		fromHalf:     conversions.fromHalf,
		interleave:   conversions.interleave,
		affineHalf:   conversions.affineHalf,
		affineHalves: conversions.affineHalves,
	}
}

const tileLanes = 16

// noTerm stands for an absent D.
var noTerm [3 * tileLanes]float32

// tileScratches hold factors in tiles, resultScratches results.
var (
	tileScratches   = sync.Pool{New: func() any { return new([]float32) }}
	resultScratches = sync.Pool{New: func() any { return new([]float32) }}
)

// tilesNN returns the product with a panel of some vectors. Whole tiles that need no further
// work are stored in C; if D is C they start from it. Other tiles go through memory in the cache.
func tilesNN(vectors int, one, two tilesFunction, f *functions) productFunc {
	width := vectors * tileLanes
	multiply := func(m int, a *uint16, lda int, b *float32, steps int, c *float32, ldc, add int) {
		switch vectors {
		case 1:
			one(m, a, lda, b, width, steps, c, ldc, add)
		case 2:
			two(m, a, lda, b, width, steps, c, ldc, add)
		default:
			two(m, a, lda, b, width, steps, c, ldc, add)
			one(m, a, lda, offset(b, 2*tileLanes), width, steps, offset(c, 2*tileLanes), ldc, add)
		}
	}
	return func(
		m int, a *uint16, lda, _, segPairs, _ int, b *float32, c *float32, ldc int,
		d *float32, ldd int, alpha float32, cols int, _ *float32, _ int,
	) {
		if m == 0 {
			return
		}
		steps := segPairs / (tileStep / 2)
		if same := d == c && ldd == ldc; alpha == 1 && cols == width && (d == nil || same) {
			whole := m / tileRows * tileRows
			add := 0
			if same {
				add = 1
			}
			multiply(whole, a, lda, b, steps, c, ldc, add)
			if m -= whole; m == 0 { // there may be no memory past the end to point to
				return
			}
			a, c = &halvesAt(a, whole*lda, 1)[0], offset(c, whole*ldc)
			if d != nil {
				d = offset(d, whole*ldd)
			}
		}
		s := tileScratches.Get().(*[]float32)
		defer tileScratches.Put(s)
		rows := roundUp(m, tileRows)
		product := &grow(s, rows*width)[0]
		multiply(rows, a, lda, b, steps, product, width, 0)
		switch {
		case d == nil && alpha == 1:
			f.copyRows(m, cols, c, ldc, product, width)
		case d == nil:
			f.combine(m, cols, c, ldc, product, width, &noTerm[0], 0, alpha, 1)
		default:
			f.combine(m, cols, c, ldc, product, width, d, ldd, alpha, 1)
		}
	}
}
