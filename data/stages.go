package data

import (
	"context"
	"math/rand/v2"
	"time"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/internal/rng"
)

// Stages has the processor time that each stage takes for the samples of a dataset.
type Stages struct {
	Images int
	Bytes  int64 // of their files
	Read   time.Duration
	// Decode is the time to decode the part of the image that the crop needs.
	Decode    time.Duration
	Resize    time.Duration
	Augment   time.Duration // changes of pixels after the resize
	Normalise time.Duration
	All       time.Duration // all stages together, as a loader does them
}

// MeasureStages times n samples of a dataset in a training transform. The seed draws the
// samples and their augmentation.
func MeasureStages(ctx context.Context, ds Dataset, t *TrainTransform, n int, seed uint64) (Stages, error) {
	if err := t.normaliser.prepare(t.Validate, t.Mean, t.Std); err != nil {
		return Stages{}, err
	}
	filter, err := t.Interpolation.Filter()
	if err != nil {
		return Stages{}, err
	}
	s := Stages{Images: n}
	var f, g sampler
	memory := new(scratch)
	dst := make([]float32, t.Size*t.Size*t.Channels)
	order := rng.New(seed, rng.Bench).Perm(ds.Len())
	var clock time.Duration
	lap := func(d *time.Duration) {
		now := cpuTime()
		*d += now - clock
		clock = now
	}
	generator := func(i int) *rand.Rand { return rng.New(seed, rng.Augment, 0, uint64(i)) }
	for k := range n {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		i := order[k%len(order)]
		clock = cpuTime()
		src, err := f.fetch(ds, i)
		if err != nil {
			return s, err
		}
		lap(&s.Read)
		s.Bytes += int64(src.Bytes())
		height, width := src.Size()
		keeps := keepsScale(t.Size, height, width)
		box, enough := picture.Box{Top: 0, Left: 0, Height: height, Width: width}, 0
		if !keeps {
			box = augment.RandomResizedCropBox(height, width, t.Scale, t.Ratio, generator(i))
			if t.ScaledDecoding {
				enough = t.Size
			}
		}
		clock = cpuTime()
		part, err := src.Part(&memory.Memory, box, t.Channels, enough)
		if err != nil {
			return s, err
		}
		lap(&s.Decode)
		out := memory.output(t.Size, t.Channels)
		if keeps {
			top, left := picture.CentreOffset(height, t.Size), picture.CentreOffset(width, t.Size)
			picture.CropPadded(out, part.Image, top, left)
		} else {
			memory.resizer.ResizeView(out, part, t.Size, t.Size, 0, 0, filter)
		}
		lap(&s.Resize)
		t.normaliser.normalise(dst, out)
		lap(&s.Normalise)

		src, err = g.fetch(ds, i)
		if err == nil {
			err = t.apply(src, generator(i), dst)
		}
		if err != nil {
			return s, err
		}
		lap(&s.All)
	}
	s.Augment = max(0, s.All-s.Read-s.Decode-s.Resize-s.Normalise)
	return s, nil
}
