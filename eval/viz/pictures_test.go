package viz

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/graph/localmim/masking"
)

func ExampleGlyphs() {
	// The gradients of one cell all point down: the edge lies across.
	m := Glyphs([]float32{1, 0}, Grid{Rows: 1, Cols: 1}, 1, 2, 9, 1)
	lit := 0
	for i := 0; i < len(m.Pix); i += 4 {
		if m.Pix[i] > 0 {
			lit++
		}
	}
	fmt.Println(m.Bounds().Size(), lit > 5)
	// Output: (9,9) true
}

// angle returns the direction of the bright pixels of a picture in degrees, up from the
// right, in [0, 180).
func angle(t *testing.T, m image.Image, side int) float64 {
	t.Helper()
	var xx, yy, xy float64
	for y := range side {
		for x := range side {
			r, _, _, _ := m.At(x, y).RGBA()
			w, dx, dy := float64(r), float64(x)-float64(side-1)/2, float64(side-1)/2-float64(y)
			xx, yy, xy = xx+w*dx*dx, yy+w*dy*dy, xy+w*dx*dy
		}
	}
	if xx+yy == 0 {
		t.Fatal("there is no line")
	}
	return math.Mod(90/math.Pi*math.Atan2(2*xy, xx-yy)+180, 180)
}

// The line of a glyph lies along the edge in the image, for edges of all directions, with an
// error of at most half a bin.
func TestGlyphsLieAlongEdges(t *testing.T) {
	const size, bins = 16, 9
	for degrees := 0.0; degrees < 180; degrees += 7.5 {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		slope := make([]float32, size*size)
		for y := range size {
			for x := range size { // the brightness rises at a right angle to the edge
				slope[y*size+x] = float32(float64(x)*sin + float64(y)*cos)
			}
		}
		const cell = 8
		hog, err := masking.NewHOG(size, size, 1, bins, []int{cell}, nil)
		if err != nil {
			t.Fatal(err)
		}
		target := [][]float32{make([]float32, 4*bins)}
		if err := hog.Compute(target, slope); err != nil {
			t.Fatal(err)
		}
		main := make([]float32, bins) // leave out what the mirror images at the borders add
		at := slices.Index(target[0][:bins], slices.Max(target[0][:bins]))
		main[at] = target[0][at]
		got := angle(t, Glyphs(main, Grid{Rows: 1, Cols: 1}, 1, bins, 64, main[at]), 64)
		off := math.Abs(got - degrees)
		if off = min(off, 180-off); off > 90.0/bins+1 {
			t.Errorf("an edge of %v° is drawn at %.1f°", degrees, got)
		}
	}
}

func TestGlyphLengths(t *testing.T) {
	width := func(values []float32, channels int) int {
		m, n := Glyphs(values, Grid{Rows: 1, Cols: 1}, channels, 1, 40, 1), 0
		for x := range 40 {
			lit := false
			for y := range 40 {
				r, g, b, a := m.At(x, y).RGBA()
				lit = lit || r > 0x8000
				if r != g || g != b || a != 0xffff {
					t.Fatalf("pixel (%d, %d) is not an opaque grey", x, y)
				}
			}
			if lit {
				n++
			}
		}
		return n
	}
	// The middle of the only bin is 90°: the gradient points across, so the line is upright.
	if got := width([]float32{-1}, 1); got != 0 {
		t.Errorf("a negative value is drawn, %d wide", got)
	}
	height := func(v ...float32) int {
		m, n := Glyphs(v, Grid{Rows: 1, Cols: 1}, len(v), 1, 40, 1), 0
		for y := range 40 {
			if r, _, _, _ := m.At(20, y).RGBA(); r > 0x8000 {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		values []float32
		want   int
	}{{[]float32{1}, 40}, {[]float32{0.5}, 20}, {[]float32{0.5, 1, 0}, 20}, {[]float32{3}, 40}} {
		if got := height(c.values...); got != c.want {
			t.Errorf("%v is drawn %d long, want %d", c.values, got, c.want)
		}
	}
}

// A perfect prediction shows the same image again, to the byte, at all scales.
func TestRestoredPixelsAreExact(t *testing.T) {
	const size = 16
	for _, channels := range []int{1, 3} {
		mean, std := []float32{0.485, 0.456, 0.406}[:channels], []float32{0.229, 0.224, 0.225}[:channels]
		source := picture.NewImage(size, size, channels)
		for i := range source.Pix {
			source.Pix[i] = uint8(i * i / 3 % 256)
			if i/channels/size < 4 {
				source.Pix[i] = 7 // cells without variance
			}
		}
		image := make([]float32, len(source.Pix))
		transform := &data.EvalTransform{
			Size:          size,
			Crop:          data.CropSquash,
			Interpolation: picture.Bicubic,
			Mean:          mean,
			Std:           std,
			Channels:      channels,
		}
		if err := transform.Apply(source, nil, image); err != nil {
			t.Fatal(err)
		}
		for _, standardise := range []bool{true, false} {
			sides := []int{2, 4, 16}
			pixels, err := masking.NewPixels(size, size, channels, sides, standardise)
			if err != nil {
				t.Fatal(err)
			}
			targets := [][]float32{
				make([]float32, len(image)), make([]float32, len(image)), make([]float32, len(image)),
			}
			if err := pixels.Compute(targets, image); err != nil {
				t.Fatal(err)
			}
			for k := range sides {
				restored := make([]float32, len(image))
				if err := pixels.Restore(restored, targets[k], k, image); err != nil {
					t.Fatal(err)
				}
				m := Colours{mean, std}.Picture(restored, size, size, 3)
				for i, want := range source.Pix {
					x, y := i/channels%size, i/channels/size
					c := m.RGBAAt(3*x+1, 3*y+2)
					if got := []uint8{c.R, c.G, c.B}[i%channels]; got != want || c.A != 255 {
						t.Fatalf("%d channels, scale %d: pixel (%d, %d) is %d, want %d", channels, k, x, y, got, want)
					}
				}
			}
			if err := pixels.Restore(image, targets[0], 3, image); err == nil {
				t.Error("a scale that there is not")
			}
			if err := pixels.Restore(image, targets[0][1:], 0, image); err == nil {
				t.Error("too few values")
			}
		}
	}
}

func TestBlendAndMaps(t *testing.T) {
	grid := Grid{Rows: 1, Cols: 2}
	mask := []float32{1, 0.25}
	got := Blend([]float32{4, 4, 4, 4}, []float32{8, 8, 8, 8}, mask, grid, 1, 4, 1)
	if !slices.Equal(got, []float32{8, 8, 5, 5}) {
		t.Errorf("blended to %v", got)
	}
	m := MaskPicture(mask, grid, 5)
	if m.Bounds().Dx() != 10 || m.RGBAAt(4, 4).R != 0 || m.RGBAAt(5, 0).R != 191 {
		t.Errorf("mask: %v, %v, %v", m.Bounds(), m.RGBAAt(4, 4), m.RGBAAt(5, 0))
	}
	h := HeatPicture([]float32{0, 2}, 2, nil, grid, 5)
	dark, bright := h.RGBAAt(0, 0), h.RGBAAt(9, 4)
	if dark.R+dark.G+dark.B > 20 || bright.R < 240 || bright.G < 240 || bright.B < 240 {
		t.Errorf("heat from %v to %v", dark, bright)
	}
	h = HeatPicture([]float32{1, float32(math.NaN())}, 1, []float32{0, 1}, grid, 5)
	grey := color.RGBA{128, 128, 128, 255}
	if h.RGBAAt(0, 0) != grey || h.RGBAAt(9, 0).G > 20 {
		t.Errorf("a visible cell is %v, a NaN %v", h.RGBAAt(0, 0), h.RGBAAt(9, 0))
	}
}
