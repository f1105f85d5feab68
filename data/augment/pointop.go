package augment

import "fasternet/data/picture"

// The operations in this file map every value of an image by a table, as Pillow's ImageOps
// does. They work in place.

// lut is a table of values.
type lut [256]uint8

// apply maps the values of all channels.
func (t *lut) apply(m *picture.Image) {
	for i, v := range m.Pix {
		m.Pix[i] = t[v]
	}
}

// applyRGB maps each channel by its own table.
func applyRGB(m *picture.Image, t *[3]lut) {
	r, g, b := &t[0], &t[1], &t[2]
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		p[0], p[1], p[2] = r[p[0]], g[p[1]], b[p[2]]
	}
}

// histogram counts the values of each channel. Neighbouring pixels count in two arrays:
// otherwise an update would wait for the one before if their values are equal.
func histogram(m *picture.Image) (h [3][256]uint32) {
	var other [3][256]uint32
	p := m.Pix
	if m.Channels == 1 {
		for ; len(p) >= 2; p = p[2:] {
			h[0][p[0]]++
			other[0][p[1]]++
		}
		if len(p) == 1 {
			h[0][p[0]]++
		}
	} else {
		for ; len(p) >= 6; p = p[6:] {
			h[0][p[0]]++
			h[1][p[1]]++
			h[2][p[2]]++
			other[0][p[3]]++
			other[1][p[4]]++
			other[2][p[5]]++
		}
		if len(p) == 3 {
			h[0][p[0]]++
			h[1][p[1]]++
			h[2][p[2]]++
		}
	}
	for c := range m.Channels {
		for v := range h[c] {
			h[c][v] += other[c][v]
		}
	}
	return h
}

// applyChannels maps each channel by its own table.
func applyChannels(m *picture.Image, t *[3]lut) {
	if m.Channels == 1 {
		t[0].apply(m)
	} else {
		applyRGB(m, t)
	}
}

// identity leaves all values as they are.
func (t *lut) identity() {
	for v := range t {
		t[v] = uint8(v)
	}
}

// autoContrast stretches the values of each channel to 0 … 255.
func autoContrast(m *picture.Image) {
	h := histogram(m)
	var t [3]lut
	for c := range m.Channels {
		t[c].stretch(&h[c])
	}
	applyChannels(m, &t)
}

func (t *lut) stretch(h *[256]uint32) {
	lo, hi := 0, 255
	for lo < 255 && h[lo] == 0 {
		lo++
	}
	for hi > 0 && h[hi] == 0 {
		hi--
	}
	if hi <= lo {
		t.identity()
		return
	}
	scale := 255 / float64(hi-lo)
	offset := float64(-float64(lo) * scale)
	for v := range t {
		t[v] = byteOf(int(float64(float64(v)*scale) + offset))
	}
}

// equalize makes the values of each channel about equally frequent.
func equalize(m *picture.Image) {
	h := histogram(m)
	var t [3]lut
	for c := range m.Channels {
		t[c].level(&h[c])
	}
	applyChannels(m, &t)
}

func (t *lut) level(h *[256]uint32) {
	sum, last, used := 0, 0, 0
	for _, n := range h {
		if n > 0 {
			sum, last, used = sum+int(n), int(n), used+1
		}
	}
	step := (sum - last) / 255
	if used <= 1 || step == 0 {
		t.identity()
		return
	}
	n := step / 2
	for v := range t {
		t[v] = byteOf(n / step)
		n += int(h[v])
	}
}

// invert maps v to 255 − v.
func invert(m *picture.Image) {
	for i, v := range m.Pix {
		m.Pix[i] = ^v
	}
}

// posterize keeps the high bits of the values: none for bits ≤ 0, all from 8 on.
func posterize(m *picture.Image, bits int) {
	if bits >= 8 {
		return
	}
	mask := uint8(0xFF) << (8 - max(bits, 0))
	for i, v := range m.Pix {
		m.Pix[i] = v & mask
	}
}

// solarize inverts the values at the threshold and above.
func solarize(m *picture.Image, threshold int) {
	var t lut
	for v := range t {
		if t[v] = uint8(v); v >= threshold {
			t[v] = uint8(255 - v)
		}
	}
	t.apply(m)
}

// solarizeAdd adds to the values below 128, up to 255.
func solarizeAdd(m *picture.Image, add int) {
	var t lut
	for v := range t {
		if t[v] = uint8(v); v < 128 {
			t[v] = uint8(min(v+add, 255))
		}
	}
	t.apply(m)
}
