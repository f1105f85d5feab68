package augment

import "encoding/binary"

// weightsAt returns the weights of four neighbours for a point at distance d from the second.
func weightsAt(d float64) [4]float64 {
	square := d * d
	cube := d * square
	return [4]float64{2*square - cube - d, 1 - 2*square + cube, d + square - cube, cube - square}
}

// flat says whether the 4×4 neighbours of an RGB image from (x, y) on all have one colour. Then
// the cubic gives this colour, to the last bit. At the border it returns false.
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

// quick interpolates an RGB image by weights. This takes half of the arithmetic of cubic, but
// rounds differently. The first of the 4×4 neighbours is (x, y). It returns false at the
// border, and if the result could differ from cubic: values are truncated, so this happens
// close to a whole number, such as in a flat part of the image.
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

// truncate returns false if the value is too close to a whole number to know on which side it
// is. The error of v is below 1e-11. At 0 the side does not matter.
func truncate(out *uint8, v float64) bool {
	const margin = 1e-9
	i := int(v + margin)
	if i != int(v-margin) && v > 0.5 {
		return false
	}
	*out = byteOf(i)
	return true
}
