package data

import (
	"fmt"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/golden"
)

// TestPreprocessGolden compares with torchvision on Pillow.
func TestPreprocessGolden(t *testing.T) {
	var want struct {
		Mean, Std []float32
		Cases     []struct {
			Crop          int
			Interpolation picture.Interpolation
			Ratio         float64                                     `json:"crop_ratio"`
			Box           struct{ Top, Left, Height, Width, Out int } `json:"random_crop_box"`
		}
	}
	golden.JSON(t, "preprocess.json", &want)
	g := datatest.Goldens(t, "preprocess.safetensors")
	for i, c := range want.Cases {
		name := func(tensor string) string { return fmt.Sprintf("%s/%d", tensor, i) }
		photo := datatest.GoldenImage[picture.Image](g, name("photo"))
		eval := &EvalTransform{Size: c.Crop, CropRatio: c.Ratio, Interpolation: c.Interpolation,
			Mean: want.Mean, Std: want.Std, Channels: 3}

		height, width := eval.resizeTo(photo.Height, photo.Width)
		resized, err := picture.Resize(photo, height, width, c.Interpolation)
		if err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, name("resized"), resized, datatest.GoldenImage[picture.Image](g, name("resized")))
		cropped := picture.CentreCrop(resized, c.Crop, c.Crop)
		datatest.SameImage(t, name("cropped"), cropped, datatest.GoldenImage[picture.Image](g, name("cropped")))

		tensor := make([]float32, c.Crop*c.Crop*3)
		if err := eval.Apply(photo, nil, tensor); err != nil {
			t.Fatal(err)
		}
		_, wantTensor := g.Floats(name("tensor"))
		datatest.Near(t, name("tensor"), tensor, golden.ToNHWC(wantTensor, 1, 3, c.Crop, c.Crop), 1e-6)

		f, _ := c.Interpolation.Filter()
		crop := picture.NewImage(c.Box.Out, c.Box.Out, 3)
		box := picture.Box{Top: c.Box.Top, Left: c.Box.Left, Height: c.Box.Height, Width: c.Box.Width}
		new(picture.Resizer).Resize(crop, photo, box, c.Box.Out, c.Box.Out, 0, 0, f)
		datatest.SameImage(t, name("resized_crop"), crop, datatest.GoldenImage[picture.Image](g, name("resized_crop")))
	}
}
