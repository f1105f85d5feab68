package kernels

import (
	"os"
	"strings"
)

// Variant is one implementation of all kernels.
type Variant string

// The variants, fastest first.
const (
	AVX512 Variant = "avx512"
	AVX2   Variant = "avx2"
	NEON   Variant = "neon" // on arm64
	Go     Variant = "go"
)

// EnvVariable is the environment variable that forces a variant.
const EnvVariable = "FASTERNET_KERNELS"

type (
	affineFunc     func(rows, cols int, dst *float32, ldd int, src *float32, lds int, a, b *float32)
	affineGradFunc func(
		rows, cols int, y *float32, ldy int, dz *float32, lddz int, x *float32, ldx int,
		dy *float32, lddy int, a, b, mean, sum, dot *float32,
	)

	// gemmNNFunc multiplies rows with a panel: C = alpha·A·B + D.
	gemmNNFunc func(
		m int, a *float32, lda, segs, segLen, segStride int,
		b *float32,
		c *float32, ldc int,
		d *float32, ldd int,
		alpha float32, cols int, next *float32, step int,
	)

	// gemmTNFunc multiplies transposed rows with a panel, and adds: C += Aᵀ·B.
	gemmTNFunc func(
		ka int, a *float32, lda, outerA int,
		b *float32, ldb, outerB int,
		outer, inner int,
		c *float32, ldc int,
		cols int,
	)
)

// functions is the table that a variant fills. Strides and sizes are in elements. The exported
// functions document what they compute.
type functions struct {
	lanes  int // columns of a panel are a multiple of it
	tile   int // rows of a tile of registers; kernels/gen/gemm.go says why
	gemmNN [6]gemmNNFunc
	gemmTN [6]gemmTNFunc

	affine     [activationCount]affineFunc     // nil for the plain ones
	affineGrad [activationCount]affineGradFunc // likewise

	combineColumns func(
		rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int,
		a, p, q *float32,
	)
	combine func(
		rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int,
		alpha, beta float32,
	)
	copyRows func(rows, cols int, dst *float32, ldd int, src *float32, lds int)

	columnSums       func(rows, cols int, x *float32, ldx int, sum *float32)
	columnDeviations func(rows, cols int, x *float32, ldx int, mean, sum *float32)
	columnDots       func(rows, cols int, g *float32, ldg int, x *float32, ldx int, mean, sum, dot *float32)

	vectorMax  func(n int, x *float32) float32
	expSum     func(n int, dst, x *float32, shift float32) float32
	dot        func(n int, x, y *float32) float32
	sumSquares func(n int, x *float32) float64

	adamW      func(n int, w, g, m, v *float32, scale, decay, beta1, beta2, step, correct2, eps float32)
	transpose8 func(blocks int, dst *float32, ldd int, src *float32, lds int)

	dwConv func(
		lines, width, cols int, dst *float32, ldd, dstLine int, above *float32, ldAbove int,
		here *float32, lds int, below *float32, ldBelow int, srcLine int, w *float32, ldw int,
	)
	groupConv func(
		width, inner int, src *float32, lds, line int, index *int32, w *float32,
		dst *float32, ldd int, cols int,
	)
	layerNorm func(
		rows, cols int, y *float32, ldy int, x *float32, ldx int, w, b, stats *float32,
		eps, inv float32,
	)
	layerNormGrad func(
		rows, cols int, dx *float32, lddx int, dy *float32, lddy int, x *float32, ldx int,
		add *float32, ldadd int, w, stats, dw, db *float32, inv float32,
	)
	softmaxRows     func(rows, cols int, x *float32, ldx int)
	softmaxRowsGrad func(rows, cols int, p *float32, ldp int, d *float32, ldd int)
	orient          func(
		n int, mag *float32, bin *int32, above, here, below *float32, step int, edges *float32,
		count int, bias0, bias1 float32,
	)

	// For 8-bit images.
	resampleRGB    func(n int, out, in *uint8, first, weights *int32, groups int)
	resampleRows   func(n int, out, in *uint8, stride int, weights *int32, taps int)
	upsampleChroma func(n int, out, near, far *uint8)
	yCbCrToRGB     func(n int, rgb, y, cb, cr *uint8)
}

// variants holds what the processor can run. It is filled when the package is loaded.
var variants = map[Variant]*functions{Go: &plain}

// Available lists the variants that this processor can run, fastest first.
func Available() []Variant {
	var out []Variant
	for _, v := range []Variant{AVX512, AVX2, NEON, Go} {
		if variants[v] != nil {
			out = append(out, v)
		}
	}
	return out
}

func init() {
	register()
	registerBF16()
	registerInt8()
	makeSets()
	standard, standardErr = choose(strings.ToLower(os.Getenv(EnvVariable)), strings.ToLower(os.Getenv(BF16Variable)))
}
