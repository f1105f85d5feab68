package kernels

import (
	"fmt"
	"unsafe"
)

// Weights for resampling are fixed-point integers with ResampleBits fraction bits. Pillow uses
// 22 too: 32 bits less 8 for the pixel and 2 for weights whose partial sums leave [0, 1]. With sums
// in int32 the results are Pillow's. All variants give the same pixels.
const (
	ResampleBits = 22
	resampleHalf = 1 << (ResampleBits - 1)
)

// ResampleGroup divides the number of weights of an output.
const ResampleGroup = 4

// ResampleRGB writes a row of pixels [len(first), 3], each a weighted sum of pixels of the row in
// [any, 3]. Output i is the sum of groups·4 pixels from first[i] on, with the weights of row i of
// weights [len(first), groups·4]. The values of first do not decrease. Pixels past the end of in
// must have the weight 0. If memory follows a row, include it in in: vectors may then read past
// the row.
func (k *Set) ResampleRGB(out, in []uint8, first, weights []int32, groups int) {
	n := len(first)
	if groups < 1 || len(out) != 3*n || len(weights) != n*groups*ResampleGroup {
		panic(fmt.Sprintf("kernels: ResampleRGB: %d values and %d weights for %d outputs of %d groups",
			len(out), len(weights), n, groups))
	}
	// A vector reads a group of pixels and 4 more bytes, and writes a pixel and one more byte.
	// From the first output without this room on, the row is computed without vectors.
	vectors, most := max(n-1, 0), len(in)-3*ResampleGroup*groups-4
	for vectors > 0 && 3*int(first[vectors-1]) > most {
		vectors--
	}
	if vectors > 0 && first[0] < 0 {
		panic(fmt.Sprintf("kernels: ResampleRGB: pixels from %d on", first[0]))
	}
	if vectors > 0 {
		k.resampleRGB(vectors, &out[0], &in[0], &first[0], &weights[0], groups)
	}
	for i := vectors; i < n; i++ {
		r, g, b := int32(resampleHalf), int32(resampleHalf), int32(resampleHalf)
		p := in[3*first[i]:]
		for _, w := range weights[i*groups*ResampleGroup:][:groups*ResampleGroup] {
			if len(p) < 3 { // past the end there are only zeros
				break
			}
			r += w * int32(p[0])
			g += w * int32(p[1])
			b += w * int32(p[2])
			p = p[3:]
		}
		out[3*i], out[3*i+1], out[3*i+2] = clipSum(r), clipSum(g), clipSum(b)
	}
}

// ResampleRows writes a row: the weighted sum of len(weights) rows of in, stride values apart.
func (k *Set) ResampleRows(out, in []uint8, stride int, weights []int32) {
	if len(out) == 0 {
		return
	}
	if len(weights) == 0 || stride < 1 || len(in) < (len(weights)-1)*stride+len(out) {
		panic(fmt.Sprintf("kernels: ResampleRows: %d values for %d rows of %d, %d apart",
			len(in), len(weights), len(out), stride))
	}
	n := len(out) &^ 7
	if n > 0 {
		k.resampleRows(n, &out[0], &in[0], stride, &weights[0], len(weights))
	}
	if n < len(out) {
		plainResampleRows(len(out)-n, &out[n], &in[n], stride, &weights[0], len(weights))
	}
}

// clipSum rounds a sum, which started at one half, to 8 bits.
func clipSum(v int32) uint8 { return uint8(min(max(v>>ResampleBits, 0), 255)) }

func octets(p *uint8, n int) []uint8 { return unsafe.Slice(p, n) }

func plainResampleRGB(n int, out, in *uint8, first, weights *int32, groups int) {
	taps := groups * ResampleGroup
	starts, dst := indices(first, n), octets(out, 3*n)
	for i, start := range starts {
		p := octets((*uint8)(unsafe.Add(unsafe.Pointer(in), 3*int(start))), 3*taps)
		ws := indices((*int32)(unsafe.Add(unsafe.Pointer(weights), 4*i*taps)), taps)
		r, g, b := int32(resampleHalf), int32(resampleHalf), int32(resampleHalf)
		for j, w := range ws {
			q := p[3*j : 3*j+3 : 3*j+3]
			r += w * int32(q[0])
			g += w * int32(q[1])
			b += w * int32(q[2])
		}
		dst[3*i], dst[3*i+1], dst[3*i+2] = clipSum(r), clipSum(g), clipSum(b)
	}
}

// plainResampleRows keeps the sums of four columns in registers.
func plainResampleRows(n int, out, in *uint8, stride int, weights *int32, taps int) {
	dst, src, ws := octets(out, n), octets(in, (taps-1)*stride+n), indices(weights, taps)
	x := 0
	for ; x+4 <= n; x += 4 {
		a, b, c, d := int32(resampleHalf), int32(resampleHalf), int32(resampleHalf), int32(resampleHalf)
		at := x
		for _, w := range ws {
			p := src[at : at+4 : at+4]
			a += w * int32(p[0])
			b += w * int32(p[1])
			c += w * int32(p[2])
			d += w * int32(p[3])
			at += stride
		}
		q := dst[x : x+4 : x+4]
		q[0], q[1], q[2], q[3] = clipSum(a), clipSum(b), clipSum(c), clipSum(d)
	}
	for ; x < n; x++ {
		v := int32(resampleHalf)
		for j, w := range ws {
			v += w * int32(src[x+j*stride])
		}
		dst[x] = clipSum(v)
	}
}
