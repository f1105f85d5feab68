package data

import (
	"bytes"
	"fmt"
	"testing"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// raw returns a normalisation whose result is v/255.
func raw(channels int) (mean, std []float32) {
	return []float32{0, 0, 0}[:channels], []float32{1, 1, 1}[:channels]
}

// toImage undoes the normalisation of raw.
func toImage(x []float32, size, channels int) *picture.Image {
	m := picture.NewImage(size, size, channels)
	for i, v := range x {
		m.Pix[i] = uint8(v*255 + 0.5)
	}
	return m
}

func trainTransform(size, channels int) *TrainTransform {
	mean, std := raw(channels)
	return &TrainTransform{Size: size, Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3. / 4, 4. / 3},
		HFlip: 0.5, Padding: 4, Interpolation: picture.Bicubic, Mean: mean, Std: std, Channels: channels}
}

func evalTransform(size, channels int) *EvalTransform {
	mean, std := raw(channels)
	return &EvalTransform{
		Size:          size,
		CropRatio:     0.9,
		Interpolation: picture.Bicubic,
		Mean:          mean,
		Std:           std,
		Channels:      channels,
	}
}

func applied(t *testing.T, tr Transform, m *picture.Image, seed uint64) *picture.Image {
	t.Helper()
	h, w, c := tr.OutputShape()
	dst := make([]float32, h*w*c)
	if err := tr.Apply(m, rng.New(seed, rng.Augment), dst); err != nil {
		t.Fatal(err)
	}
	return toImage(dst, h, c)
}

// At a small size training gives one of the crops of the padded image, flipped or not, and all
// of them occur.
func TestTrainTransformSmall(t *testing.T) {
	src := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 28, 30, 1)
	tr := trainTransform(32, 3)
	tr.Padding = 1
	want := map[string]bool{}
	for top := -3; top <= -1; top++ { // 28 → 32: two zeros on each side, and one of Padding
		for left := -2; left <= 0; left++ {
			crop := picture.NewImage(32, 32, 1)
			picture.CropPadded(crop, src, top, left)
			var rgb picture.Image
			picture.Convert(&rgb, crop)
			want[string(rgb.Pix)] = true
			picture.FlipHorizontal(&rgb)
			want[string(rgb.Pix)] = true
		}
	}
	seen := map[string]bool{}
	for seed := range uint64(400) {
		got := string(applied(t, tr, src, seed).Pix)
		if !want[got] {
			t.Fatalf("seed %d gives what is not a crop of the padded image", seed)
		}
		seen[got] = true
	}
	if len(seen) != len(want) {
		t.Errorf("%d of %d crops occur", len(seen), len(want))
	}
}

func TestTrainTransformLarge(t *testing.T) {
	src := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 50, 70, 3)
	tr := trainTransform(40, 3)
	tr.HFlip = 0
	for seed := range uint64(20) {
		got := applied(t, tr, src, seed)
		box := augment.RandomResizedCropBox(50, 70, tr.Scale, tr.Ratio, rng.New(seed, rng.Augment))
		crop := picture.NewImage(box.Height, box.Width, 3)
		picture.CropPadded(crop, src, box.Top, box.Left)
		want, err := picture.Resize(crop, 40, 40, picture.Bicubic)
		if err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, "crop", got, want)

		tr := trainTransform(40, 3)
		tr.HFlip = 1
		picture.FlipHorizontal(want)
		datatest.SameImage(t, "flipped crop", applied(t, tr, src, seed), want)
	}
}

func TestEvalTransformSmall(t *testing.T) {
	same := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 32, 32, 3)
	datatest.SameImage(t, "same size", applied(t, evalTransform(32, 3), same, 0), same)
	for _, c := range []struct {
		size, height, width int
		keeps               bool
	}{
		{32, 28, 28, true}, // MNIST
		{32, 31, 31, true},
		{32, 28, 32, true},
		{32, 27, 28, false},
		{32, 32, 33, false},
		{32, 33, 33, false},
		{32, 120, 160, false},
		{32, 8, 8, false},
		{16, 14, 16, true},
		{16, 13, 13, false},
		{28, 28, 28, true},
		{33, 33, 33, false},
		{4, 3, 4, false},
	} {
		name := fmt.Sprintf("%d×%d pixels at size %d", c.height, c.width, c.size)
		m := datatest.RandomImage[picture.Image](rng.New(2, rng.Bench), c.height, c.width, 1)
		want := picture.CentreCrop(m, c.size, c.size)
		if !c.keeps {
			tr := evalTransform(c.size, 1)
			height, width := tr.resizeTo(c.height, c.width)
			if min(height, width) != int(float64(c.size)/0.9) {
				t.Errorf("%s become %d×%d", name, height, width)
			}
			resized, err := picture.Resize(m, height, width, picture.Bicubic)
			if err != nil {
				t.Fatal(err)
			}
			want = picture.CentreCrop(resized, c.size, c.size)
		}
		datatest.SameImage(t, name, applied(t, evalTransform(c.size, 1), m, 0), want)

		// Training keeps the scale of the same images.
		tr := trainTransform(c.size, 1)
		tr.HFlip = 0
		got := applied(t, tr, m, 3)
		box := augment.RandomResizedCropBox(c.height, c.width, tr.Scale, tr.Ratio, rng.New(3, rng.Augment))
		crop := picture.NewImage(box.Height, box.Width, 1)
		picture.CropPadded(crop, m, box.Top, box.Left)
		resized, err := picture.Resize(crop, c.size, c.size, picture.Bicubic)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got.Pix, resized.Pix) == c.keeps {
			t.Errorf("%s: training has a different rule", name)
		}
	}
}

// The crop mode overrides what the size decides.
func TestEvalTransformCropMode(t *testing.T) {
	m := datatest.RandomImage[picture.Image](rng.New(2, rng.Bench), 32, 32, 1)
	wide := datatest.RandomImage[picture.Image](rng.New(3, rng.Bench), 40, 90, 1)
	for _, c := range []struct {
		mode CropMode
		size int
		m    *picture.Image
		h, w int // of the resize; 0 for none
	}{
		{"", 32, m, 0, 0}, {CropAuto, 32, m, 0, 0}, {CropCenter, 32, m, 40, 40}, {CropSquash, 32, m, 32, 32},
		{CropAuto, 64, wide, 80, 180}, {CropCenter, 64, wide, 80, 180}, {CropSquash, 64, wide, 64, 64},
		{CropAuto, 384, wide, 384, 384}, {CropCenter, 384, wide, 480, 1080}, {CropSquash, 384, wide, 384, 384},
	} {
		tr := evalTransform(c.size, 1)
		tr.Crop, tr.CropRatio = c.mode, 0.8
		want := c.m
		if c.h > 0 {
			resized, err := picture.Resize(c.m, c.h, c.w, picture.Bicubic)
			if err != nil {
				t.Fatal(err)
			}
			want = picture.CentreCrop(resized, c.size, c.size)
		}
		datatest.SameImage(t, fmt.Sprintf("%q at %d", c.mode, c.size), applied(t, tr, c.m, 0), want)
		cut := tr.Cut()
		seen := 0.8
		if c.h == 0 || c.h == c.size {
			seen = 1
		}
		if got := tr.Seen(c.m.Height, c.m.Width); got != seen {
			t.Errorf("%q at %d: %v is seen, want %v", c.mode, c.size, got, seen)
		}
		squash := c.h == c.size && c.w == c.size
		wrong := squash != (cut.Mode == CropSquash) || squash != (cut.Ratio == 1)
		if wrong || (cut.KeepTo > 0) != (c.h == 0) {
			t.Errorf("%q at %d: %+v", c.mode, c.size, cut)
		}
	}
	tr := evalTransform(64, 1)
	tr.Crop = "border"
	datatest.WantError(t, tr.Validate(), `unknown crop mode "border"; use auto, center or squash`)
}

func TestEvalTransformSquash(t *testing.T) {
	m := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 20, 30, 1)
	want, err := picture.Resize(m, 384, 384, picture.Bicubic)
	if err != nil {
		t.Fatal(err)
	}
	datatest.SameImage(t, "squashed", applied(t, evalTransform(384, 1), m, 0), want)
}

func TestEvalTransformResizeTo(t *testing.T) {
	for _, c := range []struct{ size, height, width, wantH, wantW int }{
		{224, 375, 500, 248, 330},
		{224, 500, 375, 330, 248},
		{224, 10, 10, 248, 248},
		{384, 375, 500, 384, 384},
	} {
		if h, w := evalTransform(c.size, 3).resizeTo(c.height, c.width); h != c.wantH || w != c.wantW {
			t.Errorf("%+v: %d×%d", c, h, w)
		}
	}
}

// At any size, grey and colour become 1 or 3 channels before anything else happens.
func TestTransformChannels(t *testing.T) {
	rgb := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 50, 45, 3)
	var grey, repeated picture.Image
	picture.Convert(&grey, rgb)
	picture.Convert(&repeated, &grey)
	for _, size := range []int{32, 40, 384} {
		eval := func(channels int, m *picture.Image) *picture.Image {
			return applied(t, evalTransform(size, channels), m, 0)
		}
		train := func(channels int, m *picture.Image) *picture.Image {
			return applied(t, trainTransform(size, channels), m, 7)
		}
		datatest.SameImage(t, "RGB to 1", eval(1, rgb), eval(1, &grey))
		datatest.SameImage(t, "grey to 3", eval(3, &grey), eval(3, &repeated))
		datatest.SameImage(t, "train, RGB to 1", train(1, rgb), train(1, &grey))
		datatest.SameImage(t, "train, grey to 3", train(3, &grey), train(3, &repeated))
	}
}

func TestTransformErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*TrainTransform)
	}{
		{"TrainTransform.Size is 0", func(t *TrainTransform) { t.Size = 0 }},
		{"TrainTransform.Channels is 2", func(t *TrainTransform) { t.Channels = 2 }},
		{"2 values of Mean and 3 of Std", func(t *TrainTransform) { t.Mean = t.Mean[:2] }},
		{"TrainTransform.Std is [1 0 1]", func(t *TrainTransform) { t.Std = []float32{1, 0, 1} }},
		{"TrainTransform.HFlip is 2", func(t *TrainTransform) { t.HFlip = 2 }},
		{"TrainTransform.Padding is -1", func(t *TrainTransform) { t.Padding = -1 }},
		{"TrainTransform.Scale is [0.5 0.1]", func(t *TrainTransform) { t.Scale = [2]float64{0.5, 0.1} }},
		{"TrainTransform.Ratio is [0 1]", func(t *TrainTransform) { t.Ratio = [2]float64{0, 1} }},
		{`unknown interpolation ""; use bilinear, b`, func(t *TrainTransform) { t.Interpolation = "" }},
	} {
		t.Run(c.want, func(t *testing.T) {
			tr := trainTransform(40, 3)
			c.change(tr)
			datatest.WantError(t, tr.Validate(), c.want)
			err := tr.Apply(picture.NewImage(9, 9, 3), rng.New(1, rng.Augment), make([]float32, 40*40*3))
			datatest.WantError(t, err, c.want)
		})
	}
	for _, test := range []struct {
		want   string
		change func(*EvalTransform)
	}{
		{"EvalTransform.Size is -1", func(t *EvalTransform) { t.Size = -1 }},
		{"EvalTransform.CropRatio is 0", func(t *EvalTransform) { t.CropRatio = 0 }},
		{`unknown interpolation "x"`, func(t *EvalTransform) { t.Interpolation = "x" }},
	} {
		t.Run(test.want, func(t *testing.T) {
			tr := evalTransform(40, 3)
			test.change(tr)
			datatest.WantError(t, tr.Validate(), test.want)
			datatest.WantError(t, tr.Apply(picture.NewImage(9, 9, 3), nil, make([]float32, 40*40*3)), test.want)
		})
	}
	ok := make([]float32, 40*40*3)
	img, empty := picture.NewImage(9, 9, 3), &picture.Image{Pix: nil, Height: 3, Width: 3, Channels: 3}
	datatest.WantError(t, trainTransform(40, 3).Apply(img, nil, ok), "random generator")
	datatest.WantError(t, evalTransform(40, 3).Apply(img, nil, ok[1:]), "4799 values; 40×40×3 are needed")
	datatest.WantError(t, evalTransform(40, 3).Apply(empty, nil, ok), "0 values")
}
