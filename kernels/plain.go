package kernels

import (
	"math"
	"unsafe"
)

// plain is the variant in Go. Tests compare the others with it, and it runs on processors without
// AVX2.
var plain = functions{
	lanes: 8,
	tile:  2,
	gemmNN: [6]gemmNNFunc{
		nil, plainGemmNN(1), plainGemmNN(2), plainGemmNN(3),
		plainGemmNN(2), plainGemmNN(3),
	},
	gemmTN: [6]gemmTNFunc{
		nil, plainGemmTN, plainGemmTN, plainGemmTN,
		plainGemmTN, plainGemmTN,
	},
	combineColumns:   plainCombineColumns,
	combine:          plainCombine,
	copyRows:         plainCopyRows,
	columnSums:       plainColumnSums,
	columnDeviations: plainColumnDeviations,
	columnDots:       plainColumnDots,
	vectorMax:        plainVectorMax,
	expSum:           plainExpSum,
	dot:              plainDot,
	sumSquares:       plainSumSquares,
	adamW:            plainAdamW,
	transpose8:       plainTranspose8,
	dwConv:           plainDWConv,
	groupConv:        plainGroupConv,
	layerNorm:        plainLayerNorm,
	layerNormGrad:    plainLayerNormGrad,
	softmaxRows:      plainSoftmaxRows,
	softmaxRowsGrad:  plainSoftmaxRowsGrad,
	orient:           plainOrient,
	resampleRGB:      plainResampleRGB,
	resampleRows:     plainResampleRows,
	upsampleChroma:   plainUpsampleChroma,
	yCbCrToRGB:       plainYCbCrToRGB,
}

// row returns row i of a matrix with the given number of columns.
func row(p *float32, i, stride, cols int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), 4*i*stride)), cols)
}

func vector(p *float32, n int) []float32 { return unsafe.Slice(p, n) }

func indices(p *int32, n int) []int32 { return unsafe.Slice(p, n) }

const plainLanes = 8

// The products work on tiles of 2×4 elements. Their 8 sums, 2 values of A and 4 of B fit into the
// registers of every processor: amd64 has 16.

func plainGemmNN(nv int) gemmNNFunc {
	width := nv * plainLanes
	return func(
		m int, a *float32, lda, segs, segLen, segStride int, b *float32, c *float32, ldc int,
		d *float32, ldd int, alpha float32, cols int, _ *float32, _ int,
	) {
		for i := 0; i < m; i += 2 {
			second := min(i+1, m-1) // the last row twice if their number is odd
			for j := 0; j < cols; j += 4 {
				var t0, t1 [4]float32
				for s := 0; s < segs; s++ {
					a0, a1 := row(a, 1, i*lda+s*segStride, segLen), row(a, 1, second*lda+s*segStride, segLen)
					bs := row(b, s*segLen, width, segLen*width)[j:]
					plainTile(&t0, &t1, a0, a1, 1, bs, width, segLen)
				}
				n := min(4, cols-j)
				plainStore(row(c, i, ldc, cols)[j:j+n], t0, alpha, d, i*ldd+j)
				if second > i {
					plainStore(row(c, second, ldc, cols)[j:j+n], t1, alpha, d, second*ldd+j)
				}
			}
		}
	}
}

// plainTile adds to two rows of a tile the products of a0 and a1, whose values lie step apart, with
// n rows of b.
func plainTile(t0, t1 *[4]float32, a0, a1 []float32, step int, b []float32, ldb, n int) {
	c00, c01, c02, c03 := t0[0], t0[1], t0[2], t0[3]
	c10, c11, c12, c13 := t1[0], t1[1], t1[2], t1[3]
	for k := range n {
		x, y := a0[k*step], a1[k*step]
		v := (*[4]float32)(b[k*ldb:])
		c00 += x * v[0]
		c01 += x * v[1]
		c02 += x * v[2]
		c03 += x * v[3]
		c10 += y * v[0]
		c11 += y * v[1]
		c12 += y * v[2]
		c13 += y * v[3]
	}
	*t0, *t1 = [4]float32{c00, c01, c02, c03}, [4]float32{c10, c11, c12, c13}
}

func plainStore(out []float32, t [4]float32, alpha float32, d *float32, at int) {
	for j := range out {
		v := alpha * t[j]
		if d != nil { // d may be out
			v += row(d, 1, at+j, 1)[0]
		}
		out[j] = v
	}
}

func plainGemmTN(
	ka int,
	a *float32, lda, outerA int,
	b *float32, ldb, outerB int,
	outer, inner int,
	c *float32, ldc int,
	cols int,
) {
	for o := 0; o < outer; o++ {
		as := row(a, 1, o*outerA, (inner-1)*lda+ka)
		bs := row(b, 1, o*outerB, (inner-1)*ldb+cols)
		for i := 0; i < ka; i += 2 {
			second := min(i+1, ka-1)
			j := 0
			for ; j+4 <= cols; j += 4 {
				var t0, t1 [4]float32
				plainTile(&t0, &t1, as[i:], as[second:], lda, bs[j:], ldb, inner)
				plainAdd(row(c, i, ldc, cols)[j:j+4], t0)
				if second > i {
					plainAdd(row(c, second, ldc, cols)[j:j+4], t1)
				}
			}
			for ; j < cols; j++ {
				for r := 0; r < inner; r++ {
					row(c, i, ldc, cols)[j] += as[r*lda+i] * bs[r*ldb+j]
					if second > i {
						row(c, second, ldc, cols)[j] += as[r*lda+second] * bs[r*ldb+j]
					}
				}
			}
		}
	}
}

func plainAdd(out []float32, t [4]float32) {
	for j := range out {
		out[j] += t[j]
	}
}

// normal returns the distribution function and the density of the standard normal distribution. It
// uses the formula and coefficients of the assembly: kernels/gen/math.go says where they come from.
// From |z| = 13.27 on (z² = 176) the density is below the smallest normal float32, and read as 0.
func normal(z float32) (cdf, pdf float32) {
	y := min(max(z, -z), 13)
	t := 1 / (1 + 0.255*y)
	e := exp2(-0.7213475204444817 * y * y) // the factor is -½·log2(e)
	if z*z > 176 {
		e = 0 // may now be multiplied by any number
	}
	q := float32(-0.08195620775222778)
	for _, c := range [...]float32{0.2811245620250702, -0.1774713546037674, 0.2150888293981552,
		0.05325064808130264, 0.10871002078056335, 0.10125352442264557} {
		q = q*t + c
	}
	if cdf = q * t * e; z > 0 {
		cdf = 1 - cdf
	}
	return cdf, 0.3989422804014327 * e // 1/√2π
}

// exp2 returns 2^u for -126 <= u <= 0, by the polynomial of kernels/gen/math.go. NaN stays NaN.
func exp2(u float32) float32 {
	if u != u {
		return u
	}
	n := int32(u - 0.5) // u is not positive here: rounds to the nearest
	f := u - float32(n)
	p := float32(0.0001535337360110134)
	for _, c := range [...]float32{0.001339887734502554, 0.00961843691766262, 0.055503323674201965,
		0.24022647738456726, 0.6931471824645996, 1} {
		p = p*f + c
	}
	return p * math.Float32frombits(uint32(n+127)<<23)
}

func plainAffine(act Activation) affineFunc {
	forward := activations[act].forward
	return func(rows, cols int, dst *float32, ldd int, src *float32, lds int, a, b *float32) {
		av, bv := vector(a, cols), vector(b, cols)
		for r := 0; r < rows; r++ {
			out := row(dst, r, ldd, cols)
			for j, x := range row(src, r, lds, cols) {
				out[j] = av[j]*x + bv[j]
			}
			forward(out)
		}
	}
}

func plainAffineGrad(act Activation) affineGradFunc {
	backward := activations[act].backward
	return func(
		rows, cols int, y *float32, ldy int, dz *float32, lddz int, x *float32, ldx int,
		dy *float32, lddy int, a, b, mean, sum, dot *float32,
	) {
		av := vector(a, cols)
		bv := vector(b, cols)
		mv := vector(mean, cols)
		sums := vector(sum, cols)
		dots := vector(dot, cols)
		for r := 0; r < rows; r++ {
			xv, yv, dzv := row(x, r, ldx, cols), row(y, r, ldy, cols), row(dz, r, lddz, cols)
			copy(dzv, row(dy, r, lddy, cols))
			for j, v := range xv {
				yv[j] = av[j]*v + bv[j]
			}
			backward(yv, dzv)
			for j, g := range dzv {
				sums[j] += g
				dots[j] += g * (xv[j] - mv[j])
			}
		}
	}
}

func plainCombineColumns(
	rows, cols int,
	dst *float32, ldd int,
	x *float32, ldx int,
	y *float32, ldy int,
	a, p, q *float32,
) {
	av, pv, qv := vector(a, cols), vector(p, cols), vector(q, cols)
	for r := 0; r < rows; r++ {
		xv, yv := row(x, r, ldx, cols), row(y, r, ldy, cols)
		for j := range row(dst, r, ldd, cols) {
			row(dst, r, ldd, cols)[j] = av[j]*xv[j] + pv[j]*yv[j] + qv[j]
		}
	}
}

func plainCombine(
	rows, cols int,
	dst *float32, ldd int,
	x *float32, ldx int,
	y *float32, ldy int,
	alpha, beta float32,
) {
	for r := 0; r < rows; r++ {
		out, xv, yv := row(dst, r, ldd, cols), row(x, r, ldx, cols), row(y, r, ldy, cols)
		for j := range out {
			out[j] = alpha*xv[j] + beta*yv[j]
		}
	}
}

func plainCopyRows(rows, cols int, dst *float32, ldd int, src *float32, lds int) {
	for r := 0; r < rows; r++ {
		copy(row(dst, r, ldd, cols), row(src, r, lds, cols))
	}
}

func plainColumnSums(rows, cols int, x *float32, ldx int, sum *float32) {
	sums := vector(sum, cols)
	for r := 0; r < rows; r++ {
		for j, v := range row(x, r, ldx, cols) {
			sums[j] += v
		}
	}
}

func plainColumnDeviations(rows, cols int, x *float32, ldx int, mean, sum *float32) {
	means, sums := vector(mean, cols), vector(sum, cols)
	for r := 0; r < rows; r++ {
		for j, v := range row(x, r, ldx, cols) {
			v -= means[j]
			sums[j] += v * v
		}
	}
}

func plainColumnDots(rows, cols int, g *float32, ldg int, x *float32, ldx int, mean, sum, dot *float32) {
	means, sums, dots := vector(mean, cols), vector(sum, cols), vector(dot, cols)
	for r := 0; r < rows; r++ {
		xv := row(x, r, ldx, cols)
		for j, v := range row(g, r, ldg, cols) {
			sums[j] += v
			dots[j] += v * (xv[j] - means[j])
		}
	}
}

func plainVectorMax(n int, x *float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range vector(x, n) {
		if v > m {
			m = v
		}
	}
	return m
}

func plainExpSum(n int, dst, x *float32, shift float32) float32 {
	var sum float32
	out := vector(dst, n)
	for i, v := range vector(x, n) {
		e := float32(math.Exp(float64(v - shift)))
		out[i] = e
		sum += e
	}
	return sum
}

func plainDot(n int, x, y *float32) float32 {
	var sum float32
	yv := vector(y, n)
	for i, v := range vector(x, n) {
		sum += v * yv[i]
	}
	return sum
}

func plainSumSquares(n int, x *float32) float64 {
	var sum float64
	for _, v := range vector(x, n) {
		sum += float64(v) * float64(v)
	}
	return sum
}

func plainAdamW(n int, w, g, m, v *float32, scale, decay, beta1, beta2, step, correct2, eps float32) {
	wv, mv, vv := vector(w, n), vector(m, n), vector(v, n)
	for i, gv := range vector(g, n) {
		gv *= scale
		mv[i] = beta1*mv[i] + (1-beta1)*gv
		vv[i] = beta2*vv[i] + (1-beta2)*gv*gv
		root := float32(math.Sqrt(float64(vv[i])))
		wv[i] = decay*wv[i] - step*mv[i]/(root*correct2+eps)
	}
}

func plainTranspose8(blocks int, dst *float32, ldd int, src *float32, lds int) {
	for b := 0; b < blocks; b++ {
		for c := 0; c < 8; c++ {
			out := row(dst, 8*b+c, ldd, 8)
			for r := range out {
				out[r] = row(src, r, lds, 8*b+8)[8*b+c]
			}
		}
	}
}
