package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// groupConvDefinition returns output channel o at a pixel of a map of height × width by the
// definition, and the size of its terms.
func groupConvDefinition(x Matrix, height, width, size int, w []float32, pixel, o int) (sum, scale float64) {
	for j := range size {
		for t := range 9 {
			y, x0 := pixel/width+t/3-1, pixel%width+t%3-1
			if y < 0 || x0 < 0 || y >= height || x0 >= width {
				continue
			}
			v := float64(w[(o*size+j)*9+t]) * float64(x.Row(y*width + x0)[o/size*size+j])
			sum += v
			scale += math.Abs(v)
		}
	}
	return sum, scale
}

func TestDWConv(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 150 {
			c := DWConv{Height: 1 + r.IntN(9), Width: 1 + r.IntN(18), Channels: 1 + r.IntN(70)}
			name := fmt.Sprintf("%+v", c)
			pixels := c.Height * c.Width
			x, dst := newGuarded(r, pixels, c.Channels), newGuarded(r, pixels, c.Channels)
			bad := r.IntN(pixels)
			if n%3 == 0 { // its neighbours must see it, and no other pixel
				x.Row(bad)[c.Channels-1] = float32(math.NaN())
			}
			w := newVector(r, 9*c.Channels)
			ordered := newGuarded(r, 1, c.WeightsLen())
			c.Weights(ordered.Row(0), w)
			ordered.check(t, name+": weights")
			before := x.clone()
			cut := r.IntN(c.Height + 1)
			for _, part := range [][2]int{{0, cut}, {cut, c.Height}} { // two strips of lines
				c.Convolve(k, dst.Slice(part[0]*c.Width, part[1]*c.Width), x.Matrix, part[0], ordered.Row(0))
			}
			dst.check(t, name)
			for i := range pixels {
				for o := range c.Channels {
					want, scale := groupConvDefinition(before.Matrix, c.Height, c.Width, 1, w, i, o)
					if !near(dst.Row(i)[o], want, scale, 1e-6) {
						t.Fatalf("%s: output (%d, %d): got %v, want %v", name, i, o, dst.Row(i)[o], want)
					}
				}
			}
		}
	})
}

func TestGroupConv(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := range 150 {
			g := GroupConv{Height: 1 + r.IntN(6), Width: 1 + r.IntN(33), Groups: 1 + r.IntN(9)}
			size := 1 + r.IntN(9)
			if n%3 == 0 {
				size = 1 + r.IntN(40)
			}
			g.Channels = g.Groups * size
			name := fmt.Sprintf("%+v", g)
			pixels := g.Height * g.Width
			x, dst := newGuarded(r, pixels, g.Channels), newGuarded(r, pixels, g.Channels)
			if n%3 == 0 {
				x.Row(r.IntN(pixels))[g.Channels-1] = float32(math.NaN())
			}
			w := newVector(r, g.Channels*size*9)
			packed := g.Pack(k, w)
			before := x.clone()
			cut := r.IntN(g.Height + 1)
			for _, part := range [][2]int{{0, cut}, {cut, g.Height}} {
				strip := g
				strip.Height = part[1] - part[0]
				scratch := newGuarded(r, 1, strip.ScratchLen(packed))
				strip.Convolve(
					k, dst.Slice(part[0]*g.Width, part[1]*g.Width), x.Matrix, part[0], scratch.Row(0), packed,
				)
				scratch.check(t, name+": scratch")
			}
			dst.check(t, name)
			for i := range pixels {
				for o := range g.Channels {
					want, scale := groupConvDefinition(before.Matrix, g.Height, g.Width, size, w, i, o)
					if !near(dst.Row(i)[o], want, scale, 1e-6) {
						t.Fatalf("%s: output (%d, %d): got %v, want %v", name, i, o, dst.Row(i)[o], want)
					}
				}
			}
		}
	})
}

func TestGroupedConvPanics(t *testing.T) {
	k, c, g := Default(), DWConv{4, 5, 8}, GroupConv{4, 5, 8, 2}
	x, y := NewMatrix(make([]float32, 160), 20, 8), NewMatrix(make([]float32, 160), 20, 8)
	w := make([]float32, c.WeightsLen())
	packed := g.Pack(k, make([]float32, 8*4*9))
	scratch := make([]float32, g.ScratchLen(packed))
	for _, test := range []struct {
		name string
		f    func()
	}{
		{"depthwise: weights", func() { c.Convolve(k, y, x, 0, w[:79]) }},
		{"depthwise: lines", func() { c.Convolve(k, y, x, 1, w) }},
		{"depthwise: image", func() { c.Convolve(k, y.Slice(0, 5), x.Slice(0, 15), 0, w) }},
		{"depthwise: channels", func() { c.Convolve(k, y.Columns(0, 7), x, 0, w) }},
		{"depthwise: slice", func() { c.Convolve(k, y, Matrix{x.Data[:159], 20, 8, 8}, 0, w) }},
		{"groups: scratch", func() { g.Convolve(k, y, x, 0, scratch[1:], packed) }},
		{"groups: channels", func() { g.Convolve(k, y, x.Columns(0, 4), 0, scratch, packed) }},
		{"groups: slice", func() { g.Convolve(k, Matrix{y.Data[:159], 20, 8, 8}, x, 0, scratch, packed) }},
		{"groups: weights", func() { g.Pack(k, make([]float32, 8*4*9-1)) }},
		{"groups: number", func() { GroupConv{4, 5, 8, 3}.Pack(k, make([]float32, 1000)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			test.f()
		})
	}
}
