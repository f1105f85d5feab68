package picture

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

var filters = []Interpolation{Bilinear, Bicubic, Lanczos}

func TestResizeBilinearByHand(t *testing.T) {
	m := &Image{[]uint8{0, 255}, 1, 2, 1}
	for _, c := range []struct {
		width int
		want  []uint8
	}{
		{4, []uint8{0, 64, 191, 255}}, // weights 1; ¾, ¼; ¼, ¾; 1
		{1, []uint8{128}},
	} {
		t.Run(fmt.Sprint(c.width), func(t *testing.T) {
			got, err := Resize(m, 1, c.width, Bilinear)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Pix, c.want) {
				t.Errorf("to %d: %v, want %v", c.width, got.Pix, c.want)
			}
		})
	}
}

// The fixed-point result stays within one level of the definition in float64.
func TestResizeAgainstDefinition(t *testing.T) {
	r := rng.New(1, rng.Bench)
	for _, i := range filters {
		for range 20 {
			src := datatest.RandomImage[Image](r, 1+r.IntN(40), 1+r.IntN(40), 1+2*r.IntN(2))
			height, width := 1+r.IntN(50), 1+r.IntN(50)
			got, err := Resize(src, height, width, i)
			if err != nil {
				t.Fatal(err)
			}
			want := resizeByDefinition(src, height, width, i)
			for k := range want.Pix {
				if d := int(got.Pix[k]) - int(want.Pix[k]); d < -1 || d > 1 {
					t.Fatalf("%s %d×%d×%d → %d×%d: value %d is %d, want %d", i, src.Height, src.Width,
						src.Channels, height, width, k, got.Pix[k], want.Pix[k])
				}
			}
		}
	}
}

// resizeByDefinition follows the formula one output at a time, rounding after
// each of the two passes.
func resizeByDefinition(m *Image, height, width int, i Interpolation) *Image {
	f, _ := i.Filter()
	axis := func(n, size, out int, value func(j int) uint8) uint8 {
		scale := float64(n) / float64(size)
		fs := max(scale, 1)
		centre := (float64(out) + 0.5) * scale
		var sum, weights float64
		for j := range n {
			if math.Abs(float64(j)+0.5-centre) > f.support*fs {
				continue
			}
			w := f.at((float64(j) + 0.5 - centre) / fs)
			sum += w * float64(value(j))
			weights += w
		}
		return uint8(min(max(math.Round(sum/weights), 0), 255))
	}
	narrow, out := NewImage(m.Height, width, m.Channels), NewImage(height, width, m.Channels)
	for c := range m.Channels {
		at := func(m *Image, y, x int) *uint8 { return &m.Pix[(y*m.Width+x)*m.Channels+c] }
		for y := range m.Height {
			for x := range width {
				*at(narrow, y, x) = axis(m.Width, width, x, func(j int) uint8 { return *at(m, y, j) })
			}
		}
		for y := range height {
			for x := range width {
				*at(out, y, x) = axis(m.Height, height, y, func(j int) uint8 { return *at(narrow, j, x) })
			}
		}
	}
	return out
}

func TestResizeInvariants(t *testing.T) {
	r := rng.New(2, rng.Bench)
	src := datatest.RandomImage[Image](r, 13, 9, 3)
	flat := NewImage(13, 9, 3)
	for k := range flat.Pix {
		flat.Pix[k] = 200
	}
	for _, i := range filters {
		same, err := Resize(src, 13, 9, i)
		if err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, string(i)+" to the same size", same, src)
		for _, size := range []int{1, 4, 13, 31} {
			got, err := Resize(flat, size, size, i)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Min(got.Pix) != 200 || slices.Max(got.Pix) != 200 {
				t.Errorf("%s to %d: a flat image does not stay flat", i, size)
			}
		}
	}
}

// Resizing a box into a window gives the same as cropping, resizing and cropping again.
func TestResizeBoxAndWindow(t *testing.T) {
	r := rng.New(3, rng.Bench)
	var z Resizer // shared, so that leftovers of one call would show in the next
	for range 50 {
		src := datatest.RandomImage[Image](r, 10+r.IntN(30), 10+r.IntN(30), 1+2*r.IntN(2))
		box := Box{r.IntN(5), r.IntN(5), 1 + r.IntN(6), 1 + r.IntN(6)}
		height, width := 8+r.IntN(20), 8+r.IntN(20)
		top, left := r.IntN(4), r.IntN(4)
		i := filters[r.IntN(3)]
		f, _ := i.Filter()

		got := NewImage(1+r.IntN(4), 1+r.IntN(4), src.Channels)
		z.Resize(got, src, box, height, width, top, left, f)

		crop := NewImage(box.Height, box.Width, src.Channels)
		CropPadded(crop, src, box.Top, box.Left)
		whole, err := Resize(crop, height, width, i)
		if err != nil {
			t.Fatal(err)
		}
		want := NewImage(got.Height, got.Width, src.Channels)
		CropPadded(want, whole, top, left)
		datatest.SameImage(t, "window", got, want)
	}
}

func TestResizeErrors(t *testing.T) {
	m := NewImage(2, 2, 3)
	_, err := Resize(m, 1, 1, "nearest")
	datatest.WantError(t, err, `unknown interpolation "nearest"; use bilinear`)
	_, err = Resize(m, 0, 1, Bicubic)
	datatest.WantError(t, err, "0×1")
	_, err = Resize(&Image{m.Pix, 2, 2, 4}, 1, 1, Bicubic)
	datatest.WantError(t, err, "4 channels")
	_, err = Resize(&Image{m.Pix[:5], 2, 2, 3}, 1, 1, Bicubic)
	datatest.WantError(t, err, "5 values")
}

func BenchmarkResizedCrop(b *testing.B) {
	src := datatest.RandomImage[Image](rng.New(1, rng.Bench), 375, 500, 3)
	dst := NewImage(224, 224, 3)
	f, _ := Bicubic.Filter()
	var z Resizer
	for b.Loop() {
		z.Resize(dst, src, Box{20, 30, 300, 360}, 224, 224, 0, 0, f)
	}
}
