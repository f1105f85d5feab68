package data

// Pillow's ImageEnhance: an image is blended with a degenerate one, towards it
// (factor below 1) or away from it (above 1). All work in place.

// blended is Pillow's Image.blend of two values: float32 arithmetic with every
// step rounded, clamped and truncated. It is b at a factor of 1.
func blended(a, b int, factor float32) uint8 {
	v := float32(a) + float32(factor*float32(b-a))
	return uint8(min(max(v, 0), 255))
}

// towards blends all values with a constant.
func towards(m *Image, constant int, factor float64) {
	var t lut
	for v := range t {
		t[v] = blended(constant, v, float32(factor))
	}
	t.apply(m)
}

// brightness blends with black.
func brightness(m *Image, factor float64) { towards(m, 0, factor) }

// contrast blends with the mean of the grey image, rounded.
func contrast(m *Image, factor float64) {
	sum := 0
	if m.Channels == 1 {
		for _, v := range m.Pix {
			sum += int(v)
		}
	} else {
		for p := m.Pix; len(p) >= 3; p = p[3:] {
			sum += int(luma(p[0], p[1], p[2]))
		}
	}
	mean := float64(sum) / float64(m.Height*m.Width)
	towards(m, int(mean+0.5), factor)
}

// saturation blends with the grey image; a grey image stays what it is. The
// products of the factor and a difference come from a table.
func saturation(m *Image, factor float64) {
	if m.Channels == 1 {
		return
	}
	var product [511]float32
	for d := range product {
		product[d] = float32(factor) * float32(d-255)
	}
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		grey := int(luma(p[0], p[1], p[2]))
		base := float32(grey)
		for c, v := range p[:3] {
			p[c] = uint8(min(max(base+product[int(v)-grey+255], 0), 255))
		}
	}
}

// sharpness blends with a smoothed image, whose pixels on the border are those of
// the original. It needs a spare row of pixels twice: spare is overwritten.
func sharpness(m, spare *Image, factor float64) {
	if m.Height < 3 || m.Width < 3 {
		return // nothing but border
	}
	n, c, stride := m.Width-2, m.Channels, m.Width*m.Channels
	spare.reshape(2, m.Width, c)
	above, row := spare.row(0, 0, m.Width), spare.row(1, 0, m.Width) // of the original
	copy(above, m.row(0, 0, m.Width))
	f := float32(factor)
	for y := 1; y < m.Height-1; y++ {
		at := m.Pix[y*stride:]
		copy(row, at[:stride])
		below, out := at[stride:2*stride], at[c:][:n*c]
		for i := range out {
			// 1 1 1, 1 5 1, 1 1 1, over 13: a sum is never halfway between two values,
			// so that integers round as Pillow's float32 does.
			a, b, d := above[i:i+2*c+1], row[i:i+2*c+1], below[i:i+2*c+1]
			v := int(b[c])
			sum := int(a[0]) + int(a[c]) + int(a[2*c]) + int(b[0]) + 5*v + int(b[2*c]) + int(d[0]) + int(d[c]) + int(d[2*c])
			out[i] = blended((sum+6)/13, v, f)
		}
		above, row = row, above
	}
}

// luma is the grey of a colour, see [convert].
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}
