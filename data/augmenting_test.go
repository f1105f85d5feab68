package data

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/policy"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// In a transform RandAugment comes between flip and normalisation.
func TestTrainTransformRandAugment(t *testing.T) {
	src := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 50, 70, 3)
	for _, size := range []int{24, 40} {
		plain, tr := trainTransform(size, 3), trainTransform(size, 3)
		tr.RandAugment = parsed(t, "rand-m9-mstd0.5-inc1")
		tr.Mean = []float32{0.485, 0.456, 0.406}
		h, w, c := tr.OutputShape()
		for seed := range uint64(60) {
			want := augment.Canvas{Image: applied(t, plain, src, seed), Fill: [3]uint8{124, 116, 104}, Cubic: true}
			// A generator in the state in which the plain transform left it.
			r := rng.New(seed, rng.Augment)
			if err := plain.Apply(src, r, make([]float32, h*w*c)); err != nil {
				t.Fatal(err)
			}
			want.RandAugment(tr.RandAugment, r)
			x := make([]float32, h*w*c)
			if err := tr.Apply(src, rng.New(seed, rng.Augment), x); err != nil {
				t.Fatal(err)
			}
			got, err := Denormalise(x, h, w, tr.Mean, tr.Std)
			if err != nil {
				t.Fatal(err)
			}
			datatest.SameImage(t, "augmented", got, want.Image)
		}
	}
}

// Colour jitter keeps grey pixels grey, and brightness within the strength.
func TestColorJitter(t *testing.T) {
	src := picture.NewImage(40, 40, 3)
	for i := range src.Pix {
		src.Pix[i] = 100
	}
	tr := trainTransform(40, 3)
	tr.ColorJitter = 0.4
	seen := map[uint8]bool{}
	for seed := range uint64(300) {
		got := applied(t, tr, src, seed)
		for _, v := range got.Pix {
			if v != got.Pix[0] || v < 59 || v > 140 {
				t.Fatalf("seed %d: %d of 100", seed, v)
			}
		}
		seen[got.Pix[0]] = true
	}
	if len(seen) < 60 {
		t.Errorf("%d levels", len(seen))
	}
	rgb := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 40, 40, 3)
	if slices.Equal(applied(t, trainTransform(40, 3), rgb, 3).Pix, applied(t, tr, rgb, 3).Pix) {
		t.Error("no change")
	}
}

func TestAugmentErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*TrainTransform)
	}{
		{"ColorJitter is -1", func(t *TrainTransform) { t.ColorJitter = -1 }},
		{"ColorJitter is NaN", func(t *TrainTransform) { t.ColorJitter = math.NaN() }},
		{"set only one of them", func(t *TrainTransform) {
			t.ColorJitter = 0.4
			t.RandAugment = &policy.RandAugment{Ops: 1, Prob: 1}
		}},
		{"RandAugment: policy", func(t *TrainTransform) { t.RandAugment = &policy.RandAugment{Prob: 0.5} }},
		{"Erasing.Prob is 2", func(t *TrainTransform) { t.Erasing.Prob = 2 }},
		{"Erasing.Prob is NaN", func(t *TrainTransform) { t.Erasing.Prob = math.NaN() }},
		{`unknown Erasing.Mode "noise"`, func(t *TrainTransform) {
			t.Erasing = augment.Erasing{Prob: 1, Mode: "noise", Count: 1, Area: erasingArea}
		}},
		{"Erasing.Count is 0", func(t *TrainTransform) {
			t.Erasing = augment.Erasing{Prob: 1, Mode: augment.ErasePixel, Area: erasingArea}
		}},
		{"Erasing.Area is [0 0]", func(t *TrainTransform) {
			t.Erasing = augment.Erasing{Prob: 1, Mode: augment.ErasePixel, Count: 1}
		}},
		{"Erasing.Area is [0.5 0.1]", func(t *TrainTransform) {
			t.Erasing = augment.Erasing{Prob: 1, Mode: augment.ErasePixel, Count: 1, Area: [2]float64{0.5, 0.1}}
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			tr := trainTransform(40, 3)
			c.change(tr)
			datatest.WantError(t, tr.Validate(), c.want)
		})
	}
}

var erasingArea = [2]float64{0.02, 1. / 3}

func parsed(t testing.TB, text string) *policy.RandAugment {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// Extra augmentations come after RandAugment or colour jitter, each with its probability. What is
// drawn depends on the sample alone.
func TestExtraAugmentations(t *testing.T) {
	opt := trainOptions()
	transform := trainTransform(8, 3)
	transform.ColorJitter = 0.2
	transform.Extra = []augment.Step{
		{Name: "add", Prob: 1, Apply: func(m *picture.Image, r *rand.Rand) (*picture.Image, error) {
			v := uint8(r.IntN(20))
			for i := range m.Pix {
				m.Pix[i] = max(m.Pix[i], v)
			}
			return m, nil
		}},
		{Name: "black", Prob: 0.5, Apply: func(m *picture.Image, _ *rand.Rand) (*picture.Image, error) {
			return picture.NewImage(m.Height, m.Width, m.Channels), nil
		}},
	}
	opt.Transform, opt.Mix, opt.Trace = transform, nil, true
	ds := newFakeSet(32)
	whole := batches(t, newLoader(t, ds, opt), 1, 0)
	opt.Workers = 1
	for k, b := range batches(t, newLoader(t, ds, opt), 1, 3) { // resumed within the epoch
		if !slices.Equal(b.Images, whole[3+k].Images) {
			t.Errorf("batch %d differs after a resume", 3+k)
		}
	}
	black := 0
	for _, b := range whole {
		n := len(b.Images) / b.Size
		for k, trace := range b.Traces {
			names := trace.Operations[3:] // of colour jitter
			if len(names) == 0 || names[0] != "add" || len(names) > 2 {
				t.Fatalf("operations %v", trace.Operations)
			}
			is := slices.Max(b.Images[k*n:][:n]) == 0
			if is != (len(names) == 2) {
				t.Errorf("black: %v, operations %v", is, trace.Operations)
			}
			if is {
				black++
			}
		}
	}
	if black < 6 || black > 26 {
		t.Errorf("%d of 32 images are black", black)
	}
	transform = trainTransform(8, 3)
	transform.Extra = []augment.Step{{Name: "x", Prob: 1}}
	datatest.WantError(t, transform.Validate(), `TrainTransform.Extra: augmentation "x" has no function`)
}
