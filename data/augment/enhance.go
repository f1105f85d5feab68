package augment

import "fasternet/data/picture"

// This file follows Pillow's ImageEnhance: it blends an image with a degenerate one, towards
// it (factor below 1) or away from it (above 1). All functions work in place.

// blended blends two values as Pillow's Image.blend does: float32 arithmetic with every step
// rounded, then clamped and truncated. With factor 1 the result is b.
func blended(a, b int, factor float32) uint8 {
	return byteOf(int(float32(a) + float32(factor*float32(b-a))))
}

func byteOf(v int) uint8 { return uint8(min(max(v, 0), 255)) }

// towards blends all values with a constant.
func towards(m *picture.Image, constant int, factor float64) {
	var t lut
	for v := range t {
		t[v] = blended(constant, v, float32(factor))
	}
	t.apply(m)
}

// brightness blends with black.
func brightness(m *picture.Image, factor float64) { towards(m, 0, factor) }

// contrast blends with the mean of the grey image, rounded.
func contrast(m *picture.Image, factor float64) {
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

// saturation blends with the grey image; a grey image stays as it is. The products of the
// factor and each possible difference come from a table.
func saturation(m *picture.Image, factor float64) {
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
			p[c] = byteOf(int(base + product[int(v)-grey+255]))
		}
	}
}

// sharpness blends with a smoothed image. Pixels on the border keep their values. It
// overwrites the spare image.
func sharpness(m, spare *picture.Image, factor float64) {
	if m.Height < 3 || m.Width < 3 {
		return // there are only border pixels
	}
	stride := m.Width * m.Channels
	spare.Reshape(2, m.Width, m.Channels)
	above, row := spare.Row(0, 0, m.Width), spare.Row(1, 0, m.Width) // copies of the original rows
	copy(above, m.Row(0, 0, m.Width))
	for y := 1; y < m.Height-1; y++ {
		out := m.Row(y, 0, m.Width)
		copy(row, out)
		below := m.Pix[(y+1)*stride:][:stride]
		for c := range m.Channels {
			sharpenRow(out[c:], above[c:], row[c:], below[c:], m.Channels, float32(factor))
		}
		above, row = row, above
	}
}

// sharpenRow does one channel of a row except its ends; its values are step apart. The kernel
// of the smoothed image is 1 1 1, 1 5 1, 1 1 1, over 13. A sum is never halfway between two
// values, so integers round as Pillow's float32 does.
func sharpenRow(out, above, row, below []uint8, step int, factor float32) {
	above, below, out = above[:len(row)], below[:len(row)], out[:len(row)]
	column := func(i int) int { return int(above[i]) + int(row[i]) + int(below[i]) }
	left, middle, v := column(0), column(step), int(row[step])
	for i := step; i+step < len(row); i += step {
		right := column(i + step)
		smooth := uint32(left+middle+right+4*v+6) / 13
		out[i] = blended(int(smooth), v, factor)
		left, middle, v = middle, right, int(row[i+step])
	}
}

// luma returns the grey value of a colour, see [picture.Convert].
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}
