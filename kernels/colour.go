package kernels

import (
	"fmt"
	"unsafe"
)

// UpsampleChroma writes a row of twice the length of near, a row of chroma samples that lie
// between the pixels. The nearest sample has the weight 3 and its neighbour 1, horizontally and
// vertically (near and far). That is the "fancy" upsampling of libjpeg, with its rounding. All
// variants give the same pixels.
func (k *Set) UpsampleChroma(out, near, far []uint8) {
	n := len(near)
	if n == 0 || len(far) != n || len(out) != 2*n {
		panic(fmt.Sprintf("kernels: UpsampleChroma: rows of %d and %d for one of %d", n, len(far), len(out)))
	}
	at := func(i int) int { return 3*int(near[i]) + int(far[i]) }
	out[0] = uint8((4*at(0) + 8) >> 4)
	out[2*n-1] = uint8((4*at(n-1) + 7) >> 4)
	if n == 1 {
		return
	}
	out[1] = uint8((3*at(0) + at(1) + 7) >> 4)
	out[2*n-2] = uint8((3*at(n-1) + at(n-2) + 8) >> 4)
	inner := (n - 2) &^ 15
	if inner > 0 {
		k.upsampleChroma(inner, &out[2], &near[1], &far[1])
	}
	if left := n - 2 - inner; left > 0 {
		plainUpsampleChroma(left, &out[2+2*inner], &near[1+inner], &far[1+inner])
	}
}

// YCbCrToRGB converts a row of pixels from the colour space of JPEG files to interleaved RGB, in
// libjpeg's arithmetic. All variants give the same pixels.
func (k *Set) YCbCrToRGB(rgb, y, cb, cr []uint8) {
	n := len(y)
	if len(cb) != n || len(cr) != n || len(rgb) != 3*n {
		panic(fmt.Sprintf("kernels: YCbCrToRGB: rows of %d, %d and %d for %d values", n, len(cb), len(cr), len(rgb)))
	}
	// Eight pixels write 28 bytes, so the last ones are converted without vectors.
	vectors := max(n-2, 0) &^ 7
	if vectors > 0 {
		k.yCbCrToRGB(vectors, &rgb[0], &y[0], &cb[0], &cr[0])
	}
	if vectors < n {
		plainYCbCrToRGB(n-vectors, &rgb[3*vectors], &y[vectors], &cb[vectors], &cr[vectors])
	}
}

// plainUpsampleChroma writes n samples that all have neighbours: it reads near and far from
// -1 to n.
func plainUpsampleChroma(n int, out, near, far *uint8) {
	before := func(p *uint8) []uint8 { return octets((*uint8)(unsafe.Add(unsafe.Pointer(p), -1)), n+2) }
	ns, fs, dst := before(near), before(far), octets(out, 2*n)
	last, this := 3*int(ns[0])+int(fs[0]), 3*int(ns[1])+int(fs[1])
	for i := range n {
		next := 3*int(ns[i+2]) + int(fs[i+2])
		dst[2*i] = uint8((3*this + last + 8) >> 4)
		dst[2*i+1] = uint8((3*this + next + 7) >> 4)
		last, this = this, next
	}
}

// The weights of the conversion (JFIF, after ITU-R BT.601) with 16 fraction bits: libjpeg's 1.402,
// -0.34414, -0.71414 and 1.772, times 65536.
const (
	redOfCr, greenOfCb, greenOfCr, blueOfCb = 91881, -22554, -46802, 116130
	colourHalf                              = 1 << 15
)

func plainYCbCrToRGB(n int, rgb, y, cb, cr *uint8) {
	dst, ys, us, vs := octets(rgb, 3*n), octets(y, n), octets(cb, n), octets(cr, n)
	clip := func(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
	for i := range ys {
		l, u, v := int32(ys[i]), int32(us[i])-128, int32(vs[i])-128
		q := dst[3*i : 3*i+3 : 3*i+3]
		q[0] = clip(l + (redOfCr*v+colourHalf)>>16)
		q[1] = clip(l + (greenOfCb*u+greenOfCr*v+colourHalf)>>16)
		q[2] = clip(l + (blueOfCb*u+colourHalf)>>16)
	}
}
