package kernels

import (
	"fmt"
	"unsafe"
)

// DCTBlock is the coefficients of 8×8 pixels of a JPEG file, times their quantisation: that of
// horizontal frequency x and vertical frequency y is at 8·x+y.
type DCTBlock [64]int32

// dctMost is the largest coefficient, either way: an 8-bit image has none above 1024.
const dctMost = 1 << 13

// InverseDCT writes the pixels of a block: 8 rows of 8 values to out, which are stride apart. It
// clears the block. Coefficients beyond ±8192 are cut to that.
//
// Rows come first, then columns, by the fast algorithm of Wang ("Fast algorithms for the discrete W
// transform and for the discrete Fourier transform", 1984) in 32-bit integers, with weights scaled by
// 2¹¹. All variants give the same values, which are those of the package jpegn.
func (k *Set) InverseDCT(out []uint8, stride int, block *DCTBlock) {
	if stride < 8 || len(out) < 7*stride+8 {
		panic(fmt.Sprintf("kernels: InverseDCT: %d values for 8 rows of 8, %d apart", len(out), stride))
	}
	k.inverseDCT(&block[0], &out[0], stride)
}

// The weights: 2048·√2·cos(i·π/16).
const dctW1, dctW2, dctW3, dctW5, dctW6, dctW7 = 2841, 2676, 2408, 1609, 1108, 565

func plainInverseDCT(block *int32, out *uint8, stride int) {
	b := (*DCTBlock)(unsafe.Pointer(block))
	for i, v := range b {
		b[i] = min(max(v, -dctMost), dctMost)
	}
	for y := range 8 {
		row := inverse8(b[y]<<11+128, b[32+y]<<11, b[48+y], b[16+y], b[8+y], b[56+y], b[40+y], b[24+y], 0, 0)
		for x, v := range row {
			b[8*x+y] = v >> 8
		}
	}
	pixels := octets(out, 7*stride+8)
	for x := range 8 {
		c := b[8*x:][:8]
		column := inverse8(c[0]<<8+8192, c[4]<<8, c[6], c[2], c[1], c[7], c[5], c[3], 4, 3)
		for y, v := range column {
			pixels[y*stride+x] = uint8(min(max(v>>14+128, 0), 255))
		}
	}
	*b = DCTBlock{}
}

// inverse8 is the transform of 8 coefficients: 0, 4, 6, 2, 1, 7, 5, 3. Products are rounded with
// half and shifted.
func inverse8(x0, x1, x2, x3, x4, x5, x6, x7, half int32, shift uint) [8]int32 {
	p := dctW7*(x4+x5) + half
	x4, x5 = (p+(dctW1-dctW7)*x4)>>shift, (p-(dctW1+dctW7)*x5)>>shift
	p = dctW3*(x6+x7) + half
	x6, x7 = (p-(dctW3-dctW5)*x6)>>shift, (p-(dctW3+dctW5)*x7)>>shift
	p = dctW6*(x3+x2) + half
	x2, x3 = (p-(dctW2+dctW6)*x2)>>shift, (p+(dctW2-dctW6)*x3)>>shift

	x0, x1 = x0+x1, x0-x1
	x4, x6 = x4+x6, x4-x6
	x5, x7 = x5+x7, x5-x7
	x0, x3 = x0+x3, x0-x3
	x1, x2 = x1+x2, x1-x2
	x6, x7 = (181*(x6+x7)+128)>>8, (181*(x6-x7)+128)>>8
	return [8]int32{x0 + x4, x1 + x6, x2 + x7, x3 + x5, x3 - x5, x2 - x7, x1 - x6, x0 - x4}
}
