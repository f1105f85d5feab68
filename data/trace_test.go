package data

import (
	"io"
	"math"
	"slices"
	"testing"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/policy"
)

// A trace describes the picture: its sample, crop and flip. A loader that traces makes the same
// batches.
func TestTrace(t *testing.T) {
	ds := newFakeSet(24)
	opt := LoaderOptions{
		Batch:     8,
		Workers:   3,
		Prefetch:  1,
		Shuffle:   true,
		DropLast:  true,
		Seed:      5,
		Transform: trainTransform(8, 3),
		Trace:     true,
	}
	plain := opt
	plain.Trace = false
	it, other := newLoader(t, ds, opt).Epoch(t.Context(), 1, 0), newLoader(t, ds, plain).Epoch(t.Context(), 1, 0)
	defer it.Close()
	defer other.Close()
	flips, moved := 0, 0
	for {
		b, err := it.Next()
		if err == io.EOF {
			break
		}
		o, err2 := other.Next()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if !slices.Equal(b.Images, o.Images) || o.Traces != nil {
			t.Error("a trace changes the batch")
		}
		for k, trace := range b.Traces {
			unmixed := trace.Partner == -1 && trace.Lambda == 1
			if trace.Index != b.Indices[k] || trace.Height != 8 || trace.Width != 8 || !unmixed {
				t.Errorf("%+v", trace)
			}
			want := picture.NewImage(8, 8, 3)
			picture.CropPadded(want, ds.images[trace.Index], trace.Crop.Top, trace.Crop.Left)
			if trace.Flipped {
				picture.FlipHorizontal(want)
				flips++
			}
			if trace.Crop != (picture.Box{Top: 0, Left: 0, Height: 8, Width: 8}) {
				moved++
			}
			tr := opt.Transform.(*TrainTransform)
			got, err := Denormalise(b.Images[k*8*8*3:][:8*8*3], 8, 8, tr.Mean, tr.Std)
			if err != nil || !slices.Equal(got.Pix, want.Pix) {
				t.Errorf("%+v is not the picture", trace)
			}
		}
	}
	if flips == 0 || moved == 0 {
		t.Errorf("%d flips, %d crops elsewhere", flips, moved)
	}
}

// The λ and the partner in a trace give the targets, in every mode of mixing.
func TestTraceOfMixing(t *testing.T) {
	for _, mode := range []MixMode{MixBatch, MixPair, MixElem} {
		opt := trainOptions()
		opt.Trace, opt.Batch, opt.Mix.Mode = true, 8, mode
		it := newLoader(t, newFakeSet(64), opt).Epoch(t.Context(), 0, 0)
		mixed, cut := 0, 0
		for {
			b, err := it.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for k, trace := range b.Traces {
				want := make([]float64, 4)
				share := 1.0
				if trace.Partner >= 0 {
					share = trace.Lambda
					want[b.Labels[trace.Partner]] += (1 - share) * 0.9
					mixed++
				}
				if trace.Cut {
					cut++
				}
				want[b.Labels[k]] += share * 0.9
				for c, v := range b.Targets[k*4:][:4] {
					if math.Abs(float64(v)-want[c]-0.1/4) > 1e-6 {
						t.Errorf("%s: %+v: targets %v of labels %v", mode, trace, b.Targets[k*4:][:4], b.Labels)
					}
				}
			}
		}
		it.Close()
		if mixed < 20 || cut == 0 || cut == mixed {
			t.Errorf("%s: %d of 64 are mixed, %d by CutMix", mode, mixed, cut)
		}
	}
}

// A trace names operations and counts erased rectangles. For a replaced sample it describes the
// one that is shown.
func TestTraceOfAugmentation(t *testing.T) {
	p, err := policy.Parse("rand-m9-n2")
	if err != nil {
		t.Fatal(err)
	}
	tr := trainTransform(8, 3)
	tr.RandAugment = &p
	tr.Erasing = augment.Erasing{Prob: 1, Mode: augment.EraseConst, Count: 1, Area: [2]float64{0.1, 0.2}}
	ds := newFakeSet(8)
	ds.broken = []int{3}
	opt := LoaderOptions{Batch: 8, Transform: tr, Trace: true, ReplaceBad: true}
	it := newLoader(t, ds, opt).Epoch(t.Context(), 0, 0)
	defer it.Close()
	b, err := it.Next()
	if err != nil {
		t.Fatal(err)
	}
	operations, erased := 0, 0
	for k, trace := range b.Traces {
		want := k
		if k == 3 {
			want = 4
		}
		if trace.Index != want {
			t.Errorf("place %d shows sample %d, want %d", k, trace.Index, want)
		}
		operations += len(trace.Operations)
		erased += trace.Erased
		for _, o := range trace.Operations {
			if !slices.Contains(augment.OperationNames(), o) {
				t.Errorf("operation %q", o)
			}
		}
	}
	if operations < 4 || erased < 6 {
		t.Errorf("%d operations, %d rectangles", operations, erased)
	}
}
