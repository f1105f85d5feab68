package kernels

import (
	"math"
	"unsafe"
)

// plain is the variant in Go: what the others are tested against, and what
// runs on processors without AVX2.
var plain = functions{
	lanes:            8,
	gemmNN:           [4]func(int, *float32, int, int, int, int, *float32, *float32, int, *float32, int, float32, int){nil, plainGemmNN(1), plainGemmNN(2), plainGemmNN(3)},
	gemmTN:           [4]func(int, *float32, int, int, *float32, int, int, int, int, *float32, int, int){nil, plainGemmTN, plainGemmTN, plainGemmTN},
	affine:           [3]func(int, int, *float32, int, *float32, int, *float32, *float32){plainAffine(Identity), plainAffine(ReLU), plainAffine(GELU)},
	affineGrad:       [3]func(int, int, *float32, int, *float32, int, *float32, int, *float32, int, *float32, *float32, *float32, *float32, *float32){nil, plainAffineGrad(ReLU), plainAffineGrad(GELU)},
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
}

// row is row i of a matrix of the given number of columns.
func row(p *float32, i, stride, cols int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), 4*i*stride)), cols)
}

func vector(p *float32, n int) []float32 { return unsafe.Slice(p, n) }

const plainLanes = 8

func plainGemmNN(nv int) func(m int, a *float32, lda, segs, segLen, segStride int, b *float32, c *float32, ldc int, d *float32, ldd int, alpha float32, cols int) {
	width := nv * plainLanes
	return func(m int, a *float32, lda, segs, segLen, segStride int, b *float32, c *float32, ldc int, d *float32, ldd int, alpha float32, cols int) {
		var tile [3 * plainLanes]float32
		acc := tile[:width]
		for i := 0; i < m; i++ {
			clear(acc)
			at := 0
			for s := 0; s < segs; s++ {
				for _, av := range row(a, 1, i*lda+s*segStride, segLen) {
					bv := row(b, at, width, width)
					for j := range acc {
						acc[j] += av * bv[j]
					}
					at++
				}
			}
			out := row(c, i, ldc, cols)
			if d == nil {
				for j := range out {
					out[j] = alpha * acc[j]
				}
				continue
			}
			for j, v := range row(d, i, ldd, cols) {
				out[j] = alpha*acc[j] + v
			}
		}
	}
}

func plainGemmTN(ka int, a *float32, lda, outerA int, b *float32, ldb, outerB int, outer, inner int, c *float32, ldc int, cols int) {
	for o := 0; o < outer; o++ {
		for r := 0; r < inner; r++ {
			bv := row(b, 1, o*outerB+r*ldb, cols)
			for i, av := range row(a, 1, o*outerA+r*lda, ka) {
				out := row(c, i, ldc, cols)
				for j := range out {
					out[j] += av * bv[j]
				}
			}
		}
	}
}

// normal returns the distribution function and the density of the standard
// normal distribution.
func normal(z float64) (cdf, pdf float64) {
	return 0.5 * math.Erfc(-z/math.Sqrt2), math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
}

func plainAffine(act Activation) func(rows, cols int, dst *float32, ldd int, src *float32, lds int, a, b *float32) {
	return func(rows, cols int, dst *float32, ldd int, src *float32, lds int, a, b *float32) {
		av, bv := vector(a, cols), vector(b, cols)
		for r := 0; r < rows; r++ {
			out := row(dst, r, ldd, cols)
			for j, x := range row(src, r, lds, cols) {
				z := av[j]*x + bv[j]
				switch act {
				case ReLU:
					z = max(z, 0)
				case GELU:
					cdf, _ := normal(float64(z))
					z *= float32(cdf)
				}
				out[j] = z
			}
		}
	}
}

func plainAffineGrad(act Activation) func(rows, cols int, y *float32, ldy int, dz *float32, lddz int, x *float32, ldx int, dy *float32, lddy int, a, b, mean, sum, dot *float32) {
	return func(rows, cols int, y *float32, ldy int, dz *float32, lddz int, x *float32, ldx int, dy *float32, lddy int, a, b, mean, sum, dot *float32) {
		av, bv, mv, sums, dots := vector(a, cols), vector(b, cols), vector(mean, cols), vector(sum, cols), vector(dot, cols)
		for r := 0; r < rows; r++ {
			yv, dzv, dyv := row(y, r, ldy, cols), row(dz, r, lddz, cols), row(dy, r, lddy, cols)
			for j, xv := range row(x, r, ldx, cols) {
				z, g := av[j]*xv+bv[j], dyv[j]
				switch act {
				case ReLU:
					if z <= 0 {
						g = 0
					}
					z = max(z, 0)
				case GELU:
					cdf, pdf := normal(float64(z))
					g *= float32(cdf + float64(z)*pdf)
					z *= float32(cdf)
				}
				yv[j], dzv[j] = z, g
				sums[j] += g
				dots[j] += g * (xv - mv[j])
			}
		}
	}
}

func plainCombineColumns(rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int, a, p, q *float32) {
	av, pv, qv := vector(a, cols), vector(p, cols), vector(q, cols)
	for r := 0; r < rows; r++ {
		xv, yv := row(x, r, ldx, cols), row(y, r, ldy, cols)
		for j := range row(dst, r, ldd, cols) {
			row(dst, r, ldd, cols)[j] = av[j]*xv[j] + pv[j]*yv[j] + qv[j]
		}
	}
}

func plainCombine(rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int, alpha, beta float32) {
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
