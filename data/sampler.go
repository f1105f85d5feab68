package data

import (
	"errors"
	"math/rand/v2"
	"time"

	"fasternet/data/picture"
)

// input is the image that a transform works on.
type input struct {
	picture.Source
	trace *Trace // records what is done to the image; nil if nobody asked
	// whenDecoded gets the time at which an image for evaluation was decoded; nil if nobody
	// asked.
	whenDecoded *time.Time
}

func (src *input) decoded() {
	if src.whenDecoded != nil {
		*src.whenDecoded = time.Now()
	}
}

// partial is a transform that can work on an input.
type partial interface {
	Transform
	apply(src *input, r *rand.Rand, dst []float32) error
}

// partialOf returns the transform itself if it is one of ours, which can work on an input. It returns nil
// for a type that embeds one of ours, because that type has its own Apply, which must be called.
func partialOf(t Transform) partial {
	switch t := t.(type) {
	case *TrainTransform:
		return t
	case *EvalTransform:
		return t
	case *Views:
		return t
	}
	return nil
}

// sampler gets the samples of a dataset one after the other. It reuses its memory.
type sampler struct {
	src    input
	pixels picture.Image
	buffer []byte
}

// fetch returns sample i, which is valid until the next call.
func (f *sampler) fetch(ds Dataset, i int) (*input, error) {
	base, at := origin(ds, i)
	if p, ok := base.(PixelSet); ok && p.Decoded() {
		var o picture.Orientation
		var err error
		if o, f.buffer, err = p.Stored(at, &f.pixels, f.buffer); err != nil {
			return nil, err
		}
		f.src.Set(&f.pixels)
		if !DecodingOf(base).IgnoreOrientation {
			f.src.Set(picture.Turned(&f.pixels, o))
		}
		return &f.src, nil
	}
	e, ok := base.(EncodedSet)
	if !ok {
		return f.decoded(ds, i)
	}
	content, ok, err := e.Encoded(at, f.buffer)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return f.decoded(ds, i)
	}
	if cap(content) > cap(f.buffer) {
		f.buffer = content[:0]
	}
	if err := f.src.Open(content, DecodingOf(base), ds.Name(i)); err != nil {
		return nil, err
	}
	return &f.src, nil
}

// decoded is fetch for a dataset that decodes by itself.
func (f *sampler) decoded(ds Dataset, i int) (*input, error) {
	m, err := ds.Image(i)
	if err != nil {
		return nil, err
	}
	f.src.Set(m)
	return &f.src, nil
}

var errNoGenerator = errors.New("data: TrainTransform.Apply needs a random generator")
