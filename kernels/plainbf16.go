package kernels

import (
	"math"
	"unsafe"
)

// plainHalf is bf16 in Go. It defines the bits of results for paths that sum as VDPBF16PS does: to
// each lane it adds the product of the upper halves of two pairs, and then the product of the lower
// halves. Each sum is rounded to the nearest, and becomes zero if it is denormal.
//
// It reads the panels of a variant with the given number of lanes.
func plainHalf(lanes int) *halfFunctions {
	return &halfFunctions{
		path:       BF16Go,
		step:       2,
		nn:         [4]productFunc{nil, plainHalfNN(lanes), plainHalfNN(2 * lanes), plainHalfNN(3 * lanes)},
		tn:         [4]halfTNFunc{nil, plainHalfTN(lanes), plainHalfTN(2 * lanes), plainHalfTN(3 * lanes)},
		toHalf:     plainToHalf,
		copyHalf:   plainCopyHalf,
		fromHalf:   plainFromHalf,
		interleave: plainInterleave,
	}
}

// toBF16 rounds to bfloat16 as VCVTNE2PS2BF16 does.
func toBF16(v float32) uint16 {
	const infinity = 0x7f800000
	b := math.Float32bits(v)
	switch {
	case b&infinity == 0:
		return uint16(b>>16) & 0x8000
	case b&(1<<31-1) > infinity:
		return uint16(b>>16) | 0x40 // a quiet NaN
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func fromBF16(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }

// dotPair adds the products of two pairs to acc. A product of two bfloat16 is exact, so it does not
// matter whether the addition is fused with it.
func dotPair(acc float32, x, y uint32) float32 {
	const upper = 0xffff0000
	acc = flushed(acc + float32(math.Float32frombits(x&upper)*math.Float32frombits(y&upper)))
	return flushed(acc + float32(math.Float32frombits(x<<16)*math.Float32frombits(y<<16)))
}

// flushed returns v, or zero if v is denormal.
func flushed(v float32) float32 {
	if math.Float32bits(v)&0x7f800000 == 0 {
		return math.Float32frombits(math.Float32bits(v) & (1 << 31))
	}
	return v
}

func pairsAt(p *float32, at, n int) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Add(unsafe.Pointer(p), 4*at)), n)
}

func halfOffset(p *uint16, n int) *uint16 {
	return (*uint16)(unsafe.Add(unsafe.Pointer(p), 2*n))
}

func halvesAt(p *uint16, at, n int) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Add(unsafe.Pointer(p), 2*at)), n)
}

func plainHalfNN(width int) productFunc {
	return func(
		m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *float32, ldc int,
		d *float32, ldd int, alpha float32, cols int, _ *float32, _ int,
	) {
		acc := make([]float32, cols)
		for i := range m {
			clear(acc)
			for s := range segs {
				as := halvesAt(a, i*lda+s*segStride, 2*segPairs)
				for q := range segPairs {
					x := uint32(as[2*q]) | uint32(as[2*q+1])<<16
					for j, y := range pairsAt(b, (s*segPairs+q)*width, cols) {
						acc[j] = dotPair(acc[j], x, y)
					}
				}
			}
			out := row(c, i, ldc, cols)
			for j, t := range acc {
				v := alpha * t
				if d != nil { // d may be c
					v += row(d, i, ldd, cols)[j]
				}
				out[j] = v
			}
		}
	}
}

func plainHalfTN(width int) func(ka int, a *float32, lda int, b *float32, pairs int, c *float32, ldc int, cols int) {
	return func(ka int, a *float32, lda int, b *float32, pairs int, c *float32, ldc int, cols int) {
		acc := make([]float32, cols)
		for i := range ka {
			clear(acc)
			for q := range pairs {
				x := pairsAt(a, q*lda+i, 1)[0]
				for j, y := range pairsAt(b, q*width, cols) {
					acc[j] = dotPair(acc[j], x, y)
				}
			}
			out := row(c, i, ldc, cols)
			for j, t := range acc {
				out[j] += t
			}
		}
	}
}

func plainToHalf(rows, cols, fill int, dst *uint16, ldd int, src *float32, lds int) {
	for r := range rows {
		out := halvesAt(dst, r*ldd, fill)
		for i, v := range row(src, r, lds, cols) {
			out[i] = toBF16(v)
		}
		clear(out[cols:])
	}
}

func plainCopyHalf(rows, cols int, dst *uint16, ldd int, src *uint16, lds int) {
	for r := range rows {
		copy(halvesAt(dst, r*ldd, cols), halvesAt(src, r*lds, cols))
	}
}

func plainFromHalf(rows, cols int, dst *float32, ldd int, src *uint16, lds int) {
	for r := range rows {
		out := row(dst, r, ldd, cols)
		for i, v := range halvesAt(src, r*lds, cols) {
			out[i] = fromBF16(v)
		}
	}
}

func plainInterleave(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int) {
	for p := range pairs {
		out := pairsAt(dst, p*ldd, cols)
		clear(out)
		for half := range min(2, rows-2*p) {
			for i, v := range row(src, 2*p+half, lds, cols) {
				out[i] |= uint32(toBF16(v)) << (16 * half)
			}
		}
	}
}
