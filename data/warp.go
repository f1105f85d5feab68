package data

import "math"

// affine maps the centre of a pixel of the output, (x+½, y+½), to a point of the
// input: x' = a·x + b·y + c, y' = d·x + e·y + f.
type affine [6]float64

// degree in radians, in the rounding of float64.
const degree = float64(math.Pi) / 180

// rotation turns an image counter-clockwise about its centre.
func rotation(degrees float64, height, width int) affine {
	if degrees = math.Mod(degrees, 360); degrees < 0 {
		degrees += 360
	}
	angle := -(degrees * degree)
	cos, sin := decimals15(math.Cos(angle)), decimals15(math.Sin(angle))
	x, y := float64(width)/2, float64(height)/2
	return affine{
		cos, sin, float64(cos*-x) + float64(sin*-y) + x,
		-sin, cos, float64(-sin*-x) + float64(cos*-y) + y,
	}
}

// decimals15 rounds a number of at most 1 to 15 decimals, as Pillow does with sine
// and cosine.
func decimals15(v float64) float64 {
	const decimals = 1e15
	p := v * decimals
	lost := math.FMA(v, decimals, -p) // the rounding error of p
	r := math.RoundToEven(p)
	switch rest := p - r + lost; {
	case rest > 0.5:
		r++
	case rest < -0.5:
		r--
	}
	return r / decimals
}

// warp fills dst with an affine image of src, interpolated as Pillow's
// Image.transform does: not antialiased; cubic with a = −1, unlike a resize; what
// lies outside has the fill colour. Both images have the same channels.
//
// All is float64 in Pillow's order of operations, since results are truncated.
func warp(dst, src *Image, a *affine, fill *[3]uint8, cubic bool) {
	s := sampler{Image: src}
	w, h, c := float64(src.Width), float64(src.Height), src.Channels
	for y := range dst.Height {
		out := dst.row(y, 0, dst.Width)
		yc := float64(y) + 0.5
		bx, by := float64(a[1]*yc), float64(a[4]*yc)
		for x := range dst.Width {
			xc := float64(x) + 0.5
			px := float64(a[0]*xc) + bx + a[2]
			py := float64(a[3]*xc) + by + a[5]
			p := out[x*c : x*c+c : x*c+c]
			if !(px >= 0 && px < w && py >= 0 && py < h) {
				copy(p, fill[:])
				continue
			}
			x0, dx := whole(px - 0.5)
			y0, dy := whole(py - 0.5)
			switch {
			case !cubic:
				s.linear(p, x0, y0, dx, dy)
			case c != 3 || !s.quick((*[3]uint8)(p), x0-1, y0-1, dx, dy):
				s.cubic(p, x0, y0, dx, dy)
			}
		}
	}
}

// sampler interpolates an image at points. Beyond the border it continues with the
// pixels there.
type sampler struct {
	*Image
	columns, rows [4]int       // offsets of the neighbours into Pix
	across, down  cubicWeights // the last ones
}

// whole splits a coordinate of at least −½.
func whole(v float64) (int, float64) {
	i := int(v)
	if v < 0 {
		i = -1
	}
	return i, v - float64(i)
}

// neighbours finds the n columns from x and the n rows from y on.
func (s *sampler) neighbours(x, y, n int) {
	stride := s.Width * s.Channels
	if x >= 0 && y >= 0 && x+n <= s.Width && y+n <= s.Height {
		for i := range s.columns {
			s.columns[i], s.rows[i] = (x+i)*s.Channels, (y+i)*stride
		}
		return
	}
	for i := range s.columns {
		s.columns[i] = min(max(x+i, 0), s.Width-1) * s.Channels
		s.rows[i] = min(max(y+i, 0), s.Height-1) * stride
	}
}

// linear and cubic interpolate at the point that lies (dx, dy) beyond pixel (x, y).
func (s *sampler) linear(out []uint8, x, y int, dx, dy float64) {
	s.neighbours(x, y, 2)
	upper, lower := s.Pix[s.rows[0]:], s.Pix[s.rows[1]:]
	l, r := s.columns[0], s.columns[1]
	for c := range out {
		v := between(float64(upper[l+c]), float64(upper[r+c]), dx)
		w := between(float64(lower[l+c]), float64(lower[r+c]), dx)
		out[c] = uint8(between(v, w, dy))
	}
}

func between(a, b, d float64) float64 { return a + float64((b-a)*d) }

// cubic: a coordinate that is whole, as one of the two is under shear and
// translation, gives all neighbours but one a weight of 0, so that one axis is left
// to interpolate.
func (s *sampler) cubic(out []uint8, x, y int, dx, dy float64) {
	s.neighbours(x-1, y-1, 4)
	o, q := &s.columns, &s.rows
	switch {
	case dy == 0:
		p := s.Pix[q[1]:]
		for c := range out {
			out[c] = clamped8(keysAt(float64(p[o[0]+c]), float64(p[o[1]+c]), float64(p[o[2]+c]), float64(p[o[3]+c]), dx))
		}
	case dx == 0:
		p := s.Pix[o[1]:]
		for c := range out {
			out[c] = clamped8(keysAt(float64(p[q[0]+c]), float64(p[q[1]+c]), float64(p[q[2]+c]), float64(p[q[3]+c]), dy))
		}
	default:
		for c := range out {
			var v [4]float64
			for i, start := range q {
				p := s.Pix[start+c:]
				v[i] = keysAt(float64(p[o[0]]), float64(p[o[1]]), float64(p[o[2]]), float64(p[o[3]]), dx)
			}
			out[c] = clamped8(keysAt(v[0], v[1], v[2], v[3], dy))
		}
	}
}

// keysAt is Keys' cubic with a = −1 at d between the second and the third value.
func keysAt(v1, v2, v3, v4, d float64) float64 {
	p3 := 2*(v1-v2) + v3 - v4
	p4 := v2 - v1 - v3 + v4
	return v2 + float64(d*(v3-v1+float64(d*(p3+float64(d*p4)))))
}

func clamped8(v float64) uint8 { return byteOf(int(v)) }
