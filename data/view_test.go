package data

import (
	"fmt"
	"slices"
	"testing"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// With all augmentations, a batch is the same for any number of workers and from any step on.
func TestLoaderAugmentsByPosition(t *testing.T) {
	ds := newFakeSet(43)
	opt := trainOptions()
	tr := trainTransform(40, 3)
	tr.RandAugment = parsed(t, "rand-m9-n3-mstd0.5-inc1-p0.8")
	tr.Erasing = augment.Erasing{Prob: 0.5, Mode: augment.ErasePixel, Count: 3, Area: erasingArea}
	opt.Transform, opt.Repeats, opt.Mix.Mode = tr, 3, MixElem
	opt.Workers, opt.Prefetch = 1, 0
	want := batches(t, newLoader(t, ds, opt), 3, 0)
	if len(want) != 10 {
		t.Fatalf("%d batches, want 10: an epoch stays as long as it is", len(want))
	}
	for _, workers := range []int{2, 5} {
		opt.Workers, opt.Prefetch = workers, workers
		l := newLoader(t, ds, opt)
		for _, start := range []int{0, 1, 7} {
			if got := batches(t, l, 3, start); !slices.EqualFunc(got, want[start:], equal) {
				t.Errorf("%d workers, from step %d: other batches", workers, start)
			}
		}
	}
}

func TestRepeatedAugmentation(t *testing.T) {
	ds := newFakeSet(43)
	opt := trainOptions()
	opt.Repeats, opt.Mix = 3, nil
	order := rng.New(5, rng.Shuffle, 2).Perm(43)
	l := newLoader(t, ds, opt)
	const size = 8 * 8 * 3
	looks := map[string]bool{}
	for _, b := range batches(t, l, 2, 0) {
		for k, i := range b.Indices {
			if want := order[(b.Step*4+k)/3]; i != want {
				t.Fatalf("step %d, place %d: sample %d, want %d", b.Step, k, i, want)
			}
			looks[fmt.Sprint(b.Images[k*size:][:size])] = true
		}
	}
	if len(looks) < 37 { // of 40; two crops of a sample may be the same
		t.Errorf("%d different images: views of a sample are alike", len(looks))
	}
	// The first view is the one without repeats.
	x, err := View(ds, opt.Transform, 5, 2, order[0])
	if err != nil {
		t.Fatal(err)
	}
	datatest.Near(t, "first view", batches(t, l, 2, 0)[0].Images[:size], x, 0)

	opt.Repeats = -1
	_, err = NewLoader(ds, opt)
	datatest.WantError(t, err, "-1 repeats")
}

func TestView(t *testing.T) {
	ds := newFakeSet(43)
	opt := trainOptions()
	opt.Mix = nil
	for _, b := range batches(t, newLoader(t, ds, opt), 6, 0) {
		for k, i := range b.Indices {
			x, err := View(ds, opt.Transform, 5, 6, i)
			if err != nil {
				t.Fatal(err)
			}
			datatest.Near(t, ds.Name(i), b.Images[k*192:][:192], x, 0)
		}
	}
	_, err := View(ds, opt.Transform, 5, 6, 43)
	datatest.WantError(t, err, "no sample 43; there are 43")
	_, err = View(ds, trainTransform(0, 3), 5, 6, 1)
	datatest.WantError(t, err, "Size is 0")
	ds.broken = []int{7}
	_, err = View(ds, opt.Transform, 5, 6, 7)
	datatest.WantError(t, err, "fake 7: broken")
}

func TestDenormalise(t *testing.T) {
	mean, std := []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
	tr := &EvalTransform{Size: 32, Crop: CropSquash, Interpolation: picture.Bicubic, Mean: mean, Std: std, Channels: 3}
	src := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 32, 32, 3)
	x := make([]float32, 32*32*3)
	if err := tr.Apply(src, nil, x); err != nil {
		t.Fatal(err)
	}
	got, err := Denormalise(x, 32, 32, mean, std)
	if err != nil {
		t.Fatal(err)
	}
	datatest.SameImage(t, "there and back", got, src)
	got, err = Denormalise([]float32{-9, 9}, 1, 2, []float32{0.5}, []float32{0.5})
	if err != nil || got.Pix[0] != 0 || got.Pix[1] != 255 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = Denormalise(x[1:], 32, 32, mean, std)
	datatest.WantError(t, err, "3071 values")
	_, err = Denormalise(x, 32, 32, mean[:2], std)
	datatest.WantError(t, err, "2 means")
}
