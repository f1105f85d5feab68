package augment

import (
	"math"

	"fasternet/data/picture"
)

// affine maps the centre of an output pixel, (x+½, y+½), to a point of the input:
// x' = a·x + b·y + c, y' = d·x + e·y + f.
type affine [6]float64

// degree is one degree in radians, rounded to float64.
const degree = float64(math.Pi) / 180

// rotation returns the map that turns an image counter-clockwise about its centre.
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

// decimals15 rounds a number of at most 1 to 15 decimals, as Pillow does with sine and
// cosine.
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

// warp fills dst with an affine image of src, interpolated like Pillow's Image.transform: not
// antialiased, and cubic with a = −1, unlike a resize. Points outside of src get the fill
// colour. Both images have the same channels.
//
// Results are truncated. So the arithmetic is float64 in Pillow's order of operations, or
// differs only where the result cannot.
func warp(dst, src *picture.Image, a *affine, fill *[3]uint8, cubic bool) {
	s := warper{Image: src, affine: a, fill: fill, smooth: cubic}
	switch quick := cubic && src.Channels == 3; {
	case quick && a[0] == 1 && a[3] == 0 && a[4] == 1 && a[5] == 0:
		s.shiftRows(dst)
	case quick && a[0] == 1 && a[1] == 0 && a[2] == 0 && a[4] == 1:
		s.shiftColumns(dst)
	default:
		for y := range dst.Height {
			for x := range dst.Width {
				s.pixel(dst, x, y, quick)
			}
		}
	}
}

// warper interpolates an image at points. Past the border it repeats the border pixels.
type warper struct {
	*picture.Image
	affine        *affine
	fill          *[3]uint8
	smooth        bool   // cubic
	columns, rows [4]int // offsets of the neighbours into Pix
}

// pixel makes one output pixel. With quick it takes the quick way if this is exact.
func (s *warper) pixel(dst *picture.Image, x, y int, quick bool) {
	a, c := s.affine, s.Channels
	xc, yc := float64(x)+0.5, float64(y)+0.5
	px := float64(a[0]*xc) + float64(a[1]*yc) + a[2]
	py := float64(a[3]*xc) + float64(a[4]*yc) + a[5]
	out := dst.Pix[(y*dst.Width+x)*c:][:c]
	if !(px >= 0 && px < float64(s.Width) && py >= 0 && py < float64(s.Height)) {
		copy(out, s.fill[:])
		return
	}
	x0, dx := whole(px - 0.5)
	y0, dy := whole(py - 0.5)
	switch {
	case !s.smooth:
		s.linear(out, x0, y0, dx, dy)
	case quick && s.flat(x0-1, y0-1):
		copy(out, s.Pix[3*(y0*s.Width+x0):][:3])
	case !quick || !s.quick((*[3]uint8)(out), x0-1, y0-1, dx, dy):
		s.cubic(out, x0, y0, dx, dy)
	}
}

// whole splits a coordinate of at least −½ into its floor and the rest.
func whole(v float64) (int, float64) {
	i := int(v)
	if v < 0 {
		i = -1
	}
	return i, v - float64(i)
}

// neighbours finds n columns from x on and n rows from y on.
func (s *warper) neighbours(x, y, n int) {
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

// linear interpolates at the point (dx, dy) to the right of and below pixel (x, y).
func (s *warper) linear(out []uint8, x, y int, dx, dy float64) {
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

// cubic interpolates at the same point. Under shear and translation one of the coordinates is
// whole. Then all neighbours but one have weight 0 on its axis, and only the other axis is
// left to interpolate.
func (s *warper) cubic(out []uint8, x, y int, dx, dy float64) {
	s.neighbours(x-1, y-1, 4)
	o, q := &s.columns, &s.rows
	switch {
	case dy == 0:
		p := s.Pix[q[1]:]
		for c := range out {
			v0, v1 := float64(p[o[0]+c]), float64(p[o[1]+c])
			v2, v3 := float64(p[o[2]+c]), float64(p[o[3]+c])
			out[c] = clamped8(keysAt(v0, v1, v2, v3, dx))
		}
	case dx == 0:
		p := s.Pix[o[1]:]
		for c := range out {
			v0, v1 := float64(p[q[0]+c]), float64(p[q[1]+c])
			v2, v3 := float64(p[q[2]+c]), float64(p[q[3]+c])
			out[c] = clamped8(keysAt(v0, v1, v2, v3, dy))
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

// keysAt evaluates Keys' cubic with a = −1 at distance d from the second towards the third value.
func keysAt(v1, v2, v3, v4, d float64) float64 {
	p3 := 2*(v1-v2) + v3 - v4
	p4 := v2 - v1 - v3 + v4
	return v2 + float64(d*(v3-v1+float64(d*(p3+float64(d*p4)))))
}

func clamped8(v float64) uint8 { return byteOf(int(v)) }
