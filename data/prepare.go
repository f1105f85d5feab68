package data

import (
	"image"
	"strings"
	"time"

	"fasternet/data/picture"
)

// Preparer makes evaluation tensors from images that come one by one, from anywhere. It
// reuses its memory for the next image. Only one goroutine may use it at a time.
type Preparer struct {
	how       picture.Decoding
	transform *EvalTransform
	src       input
	when      time.Time
}

// NewPreparer returns a preparer that decodes images in this way. The error names the
// setting of the transform that is wrong. Preparers may share a transform.
func NewPreparer(how picture.Decoding, t *EvalTransform) (*Preparer, error) {
	if err := t.normaliser.prepare(t.Validate, t.Mean, t.Std); err != nil {
		return nil, err
	}
	p := &Preparer{how: how, transform: t}
	p.src.whenDecoded = &p.when
	return p, nil
}

// Preparation says how long the steps for an image took.
type Preparation struct {
	Decode time.Duration // of the file, or the copy of an image in memory
	Resize time.Duration // with crop and normalisation
}

// File writes the tensor of an image file to dst: see [EvalTransform.Apply]. The error says
// what is wrong with the file.
func (p *Preparer) File(content []byte, dst []float32) (Preparation, error) {
	began := time.Now()
	return p.apply(began, p.src.Load(content, p.how), dst)
}

// Image writes the tensor of an image in memory to dst. It does not change the image.
func (p *Preparer) Image(m image.Image, dst []float32) (Preparation, error) {
	began := time.Now()
	return p.apply(began, p.src.SetStandard(m, p.how), dst)
}

// keptPixels is the size in bytes of the largest image whose memory is kept for the next.
const keptPixels = 16 << 20

func (p *Preparer) apply(began time.Time, err error, dst []float32) (t Preparation, _ error) {
	if err == nil {
		err = p.transform.apply(&p.src, nil, dst)
	}
	if err == nil {
		t = Preparation{Decode: p.when.Sub(began), Resize: time.Since(p.when)}
	}
	p.src.Release(keptPixels)
	return t, withoutPackage(err)
}

// withoutPackage cuts the name of the package off an error: the file has no name to follow.
func withoutPackage(err error) error {
	if err != nil && strings.HasPrefix(err.Error(), "data: ") {
		return bare{err}
	}
	return err
}

type bare struct{ error }

func (e bare) Error() string { return strings.TrimPrefix(e.error.Error(), "data: ") }
func (e bare) Unwrap() error { return e.error }
