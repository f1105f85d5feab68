package kernels

import "unsafe"

// plainInt8 returns the products of 8-bit values in Go, which define the bits of a result. It reads
// panels of vectors with the given number of lanes.
func plainInt8(lanes int) *int8Functions {
	f := &int8Functions{path: Int8Go, lanes: lanes, tile: 1 << 20, masks: true}
	for nv := 1; nv <= 3; nv++ {
		f.nn[nv], f.float[nv] = plainDots(nv*lanes), plainFloatDots(nv*lanes)
	}
	return f
}

// dotRow computes the products of one row of A, one sum for each of the first columns.
func dotRow(sums []int32, a *uint8, segs, segQuads, segStride int, b *int8, width int) {
	clear(sums)
	for s := range segs {
		row := unsafe.Slice(byteAt(a, s*segStride), 4*segQuads)
		for q := range segQuads {
			x := row[4*q:][:4]
			x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
			quads := unsafe.Slice((*[4]int8)(unsafe.Add(unsafe.Pointer(b), 4*(s*segQuads+q)*width)), len(sums))
			for j, w := range quads {
				sums[j] += x0*int32(w[0]) + x1*int32(w[1]) + x2*int32(w[2]) + x3*int32(w[3])
			}
		}
	}
}

// mostDots is the largest number of columns of a panel: three vectors of 16 lanes, as for AVX-512.
const mostDots = 3 * 16

func plainDots(width int) dotFunc {
	return func(
		m int, a *uint8, lda, segs, segQuads, segStride int, b *int8, _ *int32, c *uint8, ldc int,
		d *uint8, ldd int, dscale float32, scale, shift *float32, _ *uint8, cols int, _ *int8, _ int,
	) {
		var room [mostDots]int32
		sums := room[:cols]
		factors, terms := unsafe.Slice(scale, cols), unsafe.Slice(shift, cols)
		for i := range m {
			dotRow(sums, byteAt(a, i*lda), segs, segQuads, segStride, b, width)
			out := unsafe.Slice(byteAt(c, i*ldc), cols)
			var add []uint8
			if d != nil {
				add = unsafe.Slice(byteAt(d, i*ldd), cols)
			}
			for j, v := range sums {
				x := fused(factors[j], float32(v), terms[j])
				if add != nil {
					x = fused(dscale, float32(add[j]), x)
				}
				out[j] = toByte(x)
			}
		}
	}
}

func plainFloatDots(width int) dotFloatFunc {
	return func(
		m int, a *uint8, lda, segs, segQuads, segStride int, b *int8, _ *int32, c *float32, ldc int,
		d *float32, ldd int, scale, shift *float32, cols int, _ *int8, _ int,
	) {
		var room [mostDots]int32
		sums := room[:cols]
		factors, terms := unsafe.Slice(scale, cols), unsafe.Slice(shift, cols)
		for i := range m {
			dotRow(sums, byteAt(a, i*lda), segs, segQuads, segStride, b, width)
			out := unsafe.Slice(offset(c, i*ldc), cols)
			for j, v := range sums {
				out[j] = fused(factors[j], float32(v), terms[j])
			}
			if d != nil {
				for j, v := range unsafe.Slice(offset(d, i*ldd), cols) {
					out[j] += v
				}
			}
		}
	}
}
