package augment

import (
	"math"

	"fasternet/data/picture"
)

// Shear and translation move the pixels of a row, or of a column, by the same distance. So
// their weights are computed once, only one axis is left to interpolate, and integers are
// enough.

// shift is a distance, with the weights of the four neighbours around the point there.
type shift struct {
	first   int // position of the first neighbour, relative to the pixel
	weights [4]int32
}

const shiftFraction = 20 // fraction bits of the weights

func shiftBy(distance float64) shift {
	k := math.Floor(distance)
	s := shift{first: int(k) - 1}
	for i, w := range weightsAt(distance - k) {
		s.weights[i] = int32(math.Round(w * (1 << shiftFraction)))
	}
	return s
}

// shifted truncates a sum of weighted values. It returns false close to a whole number, where
// the error of the weights, at most 4·255·½, could matter.
func shifted(v int32) (uint8, bool) {
	const margin, mask = 1 << 10, 1<<shiftFraction - 1
	return byteOf(int(v >> shiftFraction)), uint32(v+margin)&mask >= 2*margin
}

// shiftRows is warp for a map that moves each row by its own distance.
func (s *warper) shiftRows(dst *picture.Image) {
	a := s.affine
	for y := range dst.Height {
		t := shiftBy(a[1]*(float64(y)+0.5) + a[2])
		from := min(max(0, -t.first), dst.Width)
		to := max(from, min(dst.Width, s.Width-3-t.first)) // all neighbours are inside
		for x := range from {
			s.pixel(dst, x, y, false)
		}
		for x := to; x < dst.Width; x++ {
			s.pixel(dst, x, y, false)
		}
		if from == to {
			continue
		}
		in := s.Pix[3*(y*s.Width+from+t.first):]
		out := dst.Row(y, from, to)
		w0, w1, w2, w3 := t.weights[0], t.weights[1], t.weights[2], t.weights[3]
		for x := from; x < to; x++ {
			p := (*[12]uint8)(in)
			if even(p) {
				out[0], out[1], out[2] = p[0], p[1], p[2]
				in, out = in[3:], out[3:]
				continue
			}
			r, okR := shifted(w0*int32(p[0]) + w1*int32(p[3]) + w2*int32(p[6]) + w3*int32(p[9]))
			g, okG := shifted(w0*int32(p[1]) + w1*int32(p[4]) + w2*int32(p[7]) + w3*int32(p[10]))
			b, okB := shifted(w0*int32(p[2]) + w1*int32(p[5]) + w2*int32(p[8]) + w3*int32(p[11]))
			if okR && okG && okB {
				out[0], out[1], out[2] = r, g, b
			} else {
				s.pixel(dst, x, y, false)
			}
			in, out = in[3:], out[3:]
		}
	}
}

// shiftColumns is warp for a map that moves each column by its own distance. It takes some
// columns at a time.
func (s *warper) shiftColumns(dst *picture.Image) {
	const together = 64
	a, stride := s.affine, 3*s.Width
	var shifts [together]shift
	for left := 0; left < dst.Width; left += together {
		n := min(together, dst.Width-left)
		for i := range n {
			shifts[i] = shiftBy(a[3]*(float64(left+i)+0.5) + a[5])
		}
		for y := range dst.Height {
			out := dst.Row(y, left, left+n)
			for i := range n {
				t := &shifts[i]
				if top := y + t.first; top >= 0 && top+4 <= s.Height {
					at := top*stride + 3*(left+i)
					p, q := (*[3]uint8)(s.Pix[at:]), (*[3]uint8)(s.Pix[at+stride:])
					u, v := (*[3]uint8)(s.Pix[at+2*stride:]), (*[3]uint8)(s.Pix[at+3*stride:])
					if *p == *q && *q == *u && *u == *v { // equal values stay as they are
						out[3*i], out[3*i+1], out[3*i+2] = p[0], p[1], p[2]
						continue
					}
					w0, w1, w2, w3 := t.weights[0], t.weights[1], t.weights[2], t.weights[3]
					r, okR := shifted(w0*int32(p[0]) + w1*int32(q[0]) + w2*int32(u[0]) + w3*int32(v[0]))
					g, okG := shifted(w0*int32(p[1]) + w1*int32(q[1]) + w2*int32(u[1]) + w3*int32(v[1]))
					b, okB := shifted(w0*int32(p[2]) + w1*int32(q[2]) + w2*int32(u[2]) + w3*int32(v[2]))
					if okR && okG && okB {
						out[3*i], out[3*i+1], out[3*i+2] = r, g, b
						continue
					}
				}
				s.pixel(dst, left+i, y, false)
			}
		}
	}
}
