package data

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// picture is an image that a transform starts from. Of a JPEG file only the header
// is read before it is known which part is needed.
type picture struct {
	image       Image
	content     []byte // of a JPEG file, if the image is not decoded yet
	header      jpegHeader
	orientation orientation // by which the decoded content is turned; upright for not
	trace       *Trace      // gets what is done to it; nil if nobody wants to know
}

// partial is a transform that can start from a picture.
type partial interface {
	Transform
	apply(src *picture, r *rand.Rand, dst []float32) error
}

// partialOf is the transform itself if it can start from a picture. Types that embed
// one of ours have an Apply of their own, which is what counts.
func partialOf(t Transform) partial {
	switch t := t.(type) {
	case *TrainTransform:
		return t
	case *EvalTransform:
		return t
	}
	return nil
}

// size is the size of the whole image when it is upright.
func (src *picture) size() (height, width int) {
	if src.content != nil {
		return src.orientation.size(src.header.height, src.header.width)
	}
	return src.image.Height, src.image.Width
}

func (src *picture) check() error {
	if src.content != nil {
		return checkSize(src.header.height, src.header.width)
	}
	return src.image.check()
}

// view is a part of an image in memory: the box in it, whose sides may be fractions
// of pixels when the image was made smaller.
type view struct {
	image                    *Image
	box                      Box
	top, left, height, width float64 // of the part, from the box on
}

// part is the part of the picture in a box, with the given number of channels.
// Where it is at least 2·enough pixels high and wide it may be smaller by a power of
// 2, but not smaller than that; with enough 0 it never is.
func (src *picture) part(s *scratch, box Box, channels, enough int) (view, error) {
	whole := func(m *Image, b Box) view {
		return view{m, b, 0, 0, float64(b.Height), float64(b.Width)}
	}
	if src.content == nil {
		return whole(s.withChannels(&src.image, channels), box), nil
	}
	// From here on in the rows and columns of the file.
	box = src.orientation.box(box, src.header.height, src.header.width)
	by := 1
	if enough > 0 && src.header.fast {
		for by < 8 && min(box.Height, box.Width) >= 4*by*enough {
			by *= 2
		}
	}
	if by == 1 {
		if err := s.jpeg.decode(&s.converted, src.content, src.header, box, channels); err != nil {
			return view{}, fmt.Errorf("data: %w", err)
		}
		return s.upright(whole(&s.converted, s.converted.bounds()), src.orientation), nil
	}
	// The pixels that the box covers, whole or in part.
	f := float64(by)
	small := Box{Top: box.Top / by, Left: box.Left / by}
	small.Height = min((box.Top+box.Height+by-1)/by, (src.header.height+by-1)/by) - small.Top
	small.Width = min((box.Left+box.Width+by-1)/by, (src.header.width+by-1)/by) - small.Left
	if err := s.jpeg.decodeScaled(&s.converted, src.content, src.header, small, channels, by); err != nil {
		return view{}, fmt.Errorf("data: %w", err)
	}
	return s.upright(view{&s.converted, s.converted.bounds(),
		float64(box.Top)/f - float64(small.Top), float64(box.Left)/f - float64(small.Left),
		float64(box.Height) / f, float64(box.Width) / f}, src.orientation), nil
}

// upright turns a part of an image.
func (s *scratch) upright(v view, o orientation) view {
	if o <= upright {
		return v
	}
	v = o.view(v)
	o.turn(&s.turned, v.image)
	v.image, v.box = &s.turned, s.turned.bounds()
	return v
}

// sampler gets the samples of a dataset one after the other. It keeps its memory
// for the next one.
type sampler struct {
	src    picture
	buffer []byte
}

// fetch returns sample i, which is valid until the next call.
func (f *sampler) fetch(ds Dataset, i int) (*picture, error) {
	base, at := origin(ds, i)
	f.src.content = nil
	if p, ok := base.(*Packed); ok && p.Decoded() {
		var err error
		f.buffer, err = p.decoded(at, &f.src.image, f.buffer)
		return &f.src, err
	}
	e, ok := base.(encodedSet)
	if !ok {
		m, err := ds.Image(i)
		if err != nil {
			return nil, err
		}
		f.src.image = *m
		return &f.src, nil
	}
	content, err := e.encoded(at, f.buffer)
	if err != nil {
		return nil, err
	}
	if cap(content) > cap(f.buffer) {
		f.buffer = content[:0]
	}
	return &f.src, f.decode(content, ds, i, decodingOf(base))
}

// decode decodes a file, or the header of a JPEG file.
func (f *sampler) decode(content []byte, ds Dataset, i int, how Decoding) (err error) {
	if sniff(content) == "jpg" {
		f.src.content, f.src.orientation = content, upright
		if f.src.header, err = parseJPEG(content); err == nil {
			err = checkSize(f.src.header.height, f.src.header.width)
		}
		if err != nil {
			return fmt.Errorf("data: %s: %w", ds.Name(i), err)
		}
		if !how.IgnoreOrientation {
			f.src.orientation = f.src.header.orientation
		}
		return nil
	}
	m, err := how.named(content, ds.Name(i))
	if err != nil {
		return err
	}
	f.src.image = *m
	return nil
}

var errNoGenerator = errors.New("data: TrainTransform.Apply needs a random generator")
