package augment

import "encoding/binary"

// weightsAt are the weights of four neighbours at d beyond the second.
func weightsAt(d float64) [4]float64 {
	square := d * d
	cube := d * square
	return [4]float64{2*square - cube - d, 1 - 2*square + cube, d + square - cube, cube - square}
}

// flat says whether the 4×4 neighbours of an RGB image from (x, y) on have one colour. The cubic of
// equal values is that value, to the last bit. It is false at the border.
func (s *warper) flat(x, y int) bool {
	if x < 0 || y < 0 || x+4 > s.Width || y+4 > s.Height {
		return false
	}
	at := 3 * (y*s.Width + x)
	row := (*[12]uint8)(s.Pix[at:])
	if !even(row) {
		return false
	}
	for range 3 {
		at += 3 * s.Width
		if *(*[12]uint8)(s.Pix[at:]) != *row {
			return false
		}
	}
	return true
}

// even says whether four pixels in a row have one colour.
func even(p *[12]uint8) bool {
	return binary.LittleEndian.Uint64(p[:]) == binary.LittleEndian.Uint64(p[3:]) && p[8] == p[11]
}

// quick interpolates an RGB image by weights, which takes half of the arithmetic of
// cubic, but rounds otherwise. The first of the 4×4 neighbours is (x, y). It reports
// false where the two could differ: values are truncated, so that is next to a whole
// number, such as in a flat part of the image; and at the border.
func (s *warper) quick(out *[3]uint8, x, y int, dx, dy float64) bool {
	if x < 0 || y < 0 || x+4 > s.Width || y+4 > s.Height {
		return false
	}
	var r, g, b float64
	across, down := weightsAt(dx), weightsAt(dy)
	at := 3 * (y*s.Width + x)
	for _, w := range down {
		u, v, t := acrossRGB((*[12]uint8)(s.Pix[at:]), &across)
		r, g, b = r+w*u, g+w*v, b+w*t
		at += 3 * s.Width
	}
	return truncate(&out[0], r) && truncate(&out[1], g) && truncate(&out[2], b)
}

// acrossRGB interpolates between four pixels.
func acrossRGB(p *[12]uint8, w *[4]float64) (r, g, b float64) {
	r = w[0]*float64(p[0]) + w[1]*float64(p[3]) + w[2]*float64(p[6]) + w[3]*float64(p[9])
	g = w[0]*float64(p[1]) + w[1]*float64(p[4]) + w[2]*float64(p[7]) + w[3]*float64(p[10])
	b = w[0]*float64(p[2]) + w[1]*float64(p[5]) + w[2]*float64(p[8]) + w[3]*float64(p[11])
	return r, g, b
}

// truncate reports whether the value is clear of the step at a whole number. Its
// error is below 1e-11; there is no step at 0.
func truncate(out *uint8, v float64) bool {
	const margin = 1e-9
	i := int(v + margin)
	if i != int(v-margin) && v > 0.5 {
		return false
	}
	*out = byteOf(i)
	return true
}
