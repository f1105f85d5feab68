package data

import (
	"bytes"
	"fmt"
	"testing"

	"fasternet/internal/golden"
)

// TestPreprocessGolden compares with torchvision on Pillow.
func TestPreprocessGolden(t *testing.T) {
	var want struct {
		Mean, Std []float32
		Cases     []struct {
			Crop          int
			Interpolation Interpolation
			Ratio         float64                                     `json:"crop_ratio"`
			Box           struct{ Top, Left, Height, Width, Out int } `json:"random_crop_box"`
		}
	}
	golden.JSON(t, "preprocess.json", &want)
	g := goldenSafetensors(t, "preprocess.safetensors")
	for i, c := range want.Cases {
		name := func(tensor string) string { return fmt.Sprintf("%s/%d", tensor, i) }
		photo := g.image(name("photo"))
		eval := &EvalTransform{Size: c.Crop, CropRatio: c.Ratio, Interpolation: c.Interpolation,
			Mean: want.Mean, Std: want.Std, Channels: 3}

		height, width := eval.resizeTo(photo.Height, photo.Width)
		resized, err := Resize(photo, height, width, c.Interpolation)
		if err != nil {
			t.Fatal(err)
		}
		sameImage(t, name("resized"), resized, g.image(name("resized")))
		sameImage(t, name("cropped"), CentreCrop(resized, c.Crop, c.Crop), g.image(name("cropped")))

		tensor := make([]float32, c.Crop*c.Crop*3)
		if err := eval.Apply(photo, nil, tensor); err != nil {
			t.Fatal(err)
		}
		_, wantTensor := g.floats(name("tensor"))
		near(t, name("tensor"), tensor, golden.ToNHWC(wantTensor, 1, 3, c.Crop, c.Crop), 1e-6)

		f, _ := c.Interpolation.filter()
		crop := NewImage(c.Box.Out, c.Box.Out, 3)
		box := Box{c.Box.Top, c.Box.Left, c.Box.Height, c.Box.Width}
		new(resizer).resize(crop, photo, box, c.Box.Out, c.Box.Out, 0, 0, f)
		sameImage(t, name("resized_crop"), crop, g.image(name("resized_crop")))
	}
}

func sameImage(t *testing.T, what string, got, want *Image) {
	t.Helper()
	if got.Height != want.Height || got.Width != want.Width || got.Channels != want.Channels {
		t.Fatalf("%s: shape %d×%d×%d, want %d×%d×%d", what,
			got.Height, got.Width, got.Channels, want.Height, want.Width, want.Channels)
	}
	if !bytes.Equal(got.Pix, want.Pix) {
		for i := range got.Pix {
			if got.Pix[i] != want.Pix[i] {
				t.Fatalf("%s: value %d is %d, want %d", what, i, got.Pix[i], want.Pix[i])
			}
		}
	}
}
