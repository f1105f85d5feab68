package augment

import (
	"math"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/rng"
)

func TestRandomOffset(t *testing.T) {
	r := rng.New(1, rng.Augment)
	for _, c := range []struct{ n, window, padding, first, last int }{
		{32, 32, 4, -4, 4},
		{28, 32, 4, -6, 2}, // two zeros of centring before the four
		{40, 32, 0, 0, 8},
		{32, 32, 0, 0, 0},
		{29, 32, 1, -2, 0},
	} {
		seen := map[int]bool{}
		for range 500 {
			seen[RandomOffset(c.n, c.window, c.padding, r)] = true
		}
		for o := c.first; o <= c.last; o++ {
			if !seen[o] {
				t.Errorf("%+v: offset %d never drawn", c, o)
			}
		}
		if len(seen) != c.last-c.first+1 {
			t.Errorf("%+v: drawn offsets %v", c, seen)
		}
	}
}

func TestRandomResizedCropBox(t *testing.T) {
	scale, ratio := [2]float64{0.08, 1}, [2]float64{3. / 4, 4. / 3}
	r := rng.New(1, rng.Augment)
	for _, size := range [][2]int{{375, 500}, {224, 224}, {1, 1}, {2, 3}, {10, 1000}, {1000, 10}} {
		height, width := size[0], size[1]
		for range 500 {
			b := RandomResizedCropBox(height, width, scale, ratio, r)
			if b.Height < 1 || b.Width < 1 || b.Top < 0 || b.Left < 0 ||
				b.Top+b.Height > height || b.Left+b.Width > width {
				t.Fatalf("%d×%d: box %+v is not inside", height, width, b)
			}
			if min(height, width) < 100 {
				continue
			}
			// Sides are rounded by up to half a pixel.
			area := float64(b.Height*b.Width) / float64(height*width)
			if area < 0.07 || area > 1 {
				t.Errorf("%d×%d: box %+v has a share of %v", height, width, b, area)
			}
			if aspect := float64(b.Width) / float64(b.Height); aspect < 0.73 || aspect > 1.37 {
				t.Errorf("%d×%d: box %+v has aspect ratio %v", height, width, b, aspect)
			}
		}
	}
}

func TestRandomResizedCropBoxFallsBack(t *testing.T) {
	r := rng.New(1, rng.Augment)
	whole, ratio := [2]float64{1, 1}, [2]float64{3. / 4, 4. / 3}
	for _, c := range []struct {
		height, width int
		want          picture.Box
	}{
		{1000, 100, picture.Box{Top: 433, Left: 0, Height: 133, Width: 100}},
		{100, 1000, picture.Box{Top: 0, Left: 433, Height: 100, Width: 133}},
	} {
		if got := RandomResizedCropBox(c.height, c.width, whole, ratio, r); got != c.want {
			t.Errorf("%d×%d: %+v, want %+v", c.height, c.width, got, c.want)
		}
	}
	// The image's own aspect ratio is in range, but every draw is too large.
	want := picture.Box{Top: 0, Left: 27, Height: 90, Width: 45}
	if got := RandomResizedCropBox(90, 100, whole, [2]float64{0.5, 0.50001}, r); got != want {
		t.Errorf("above the range: %+v", got)
	}
	want = picture.Box{Top: 0, Left: 0, Height: 7, Width: 7}
	if got := RandomResizedCropBox(7, 7, [2]float64{1e-9, 1e-9}, ratio, r); got != want {
		t.Errorf("boxes below a pixel: %+v, want the whole image", got)
	}
}

func TestRandomResizedCropMeanArea(t *testing.T) {
	r := rng.New(5, rng.Augment)
	sum := 0.0
	const n = 4000
	for range n {
		b := RandomResizedCropBox(1000, 1000, [2]float64{0.2, 0.6}, [2]float64{3. / 4, 4. / 3}, r)
		sum += float64(b.Height*b.Width) / 1e6
	}
	if mean := sum / n; math.Abs(mean-0.4) > 0.01 {
		t.Errorf("mean area %v, want 0.4", mean)
	}
}

// Boxes that are drawn once are inside the image, whatever its shape. If they fit, they have the
// area that was asked for.
func TestOneDrawCropBox(t *testing.T) {
	for _, size := range [][2]int{{100, 100}, {1, 1}, {1, 50}, {300, 7}, {480, 640}} {
		var share float64
		const n = 2000
		for i := range n {
			r := rng.New(1, rng.Augment, 0, uint64(i))
			b := OneDrawCropBox(size[0], size[1], [2]float64{0.08, 1}, [2]float64{3.0 / 4, 4.0 / 3}, r)
			if b.Height < 1 || b.Width < 1 || b.Top < 0 || b.Left < 0 || b.Top+b.Height > size[0] ||
				b.Left+b.Width > size[1] {
				t.Fatalf("%v: box %+v", size, b)
			}
			share += float64(b.Height*b.Width) / float64(size[0]*size[1]) / n
		}
		if size[0] >= 100 && size[1] >= 100 && (share < 0.5 || share > 0.55) {
			t.Errorf("%v: the boxes have %.3f of the area", size, share) // 0.54, less what is cut
		}
	}
}
