package infer

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"

	"fasternet/data/classes"
)

// Input is an image, in one of three forms.
type Input struct {
	Image image.Image // in memory; Infer only reads it
	Bytes []byte      // the content of a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM file
	// Tensor is an image that is already prepared: [channels, height, width] of the size in
	// [Info], normalised.
	Tensor []float32
}

// Output holds the results for an image. Infer writes into the slices if they are large enough,
// so that a reused output costs no memory.
type Output struct {
	Logits   []float32 // [Info.Classes]
	Features []float32 // [Info.Features]: see Info.FeaturesFrom; only if WithFeatures is set
	// WithFeatures asks for features.
	WithFeatures bool
	Times        Times
}

// Times says how long each part of an image took.
type Times struct {
	Decode  time.Duration // decoding the file
	Resize  time.Duration // with crop and normalisation
	Wait    time.Duration // waiting for room, for a processor to decode on, and for the network
	Network time.Duration // computing the batch of the image
	Batch   int           // images in that batch
}

// Class is a class that an image may show.
type Class = classes.Guess

// ImageError says that an image cannot be used: the file is damaged, not an image, or too large.
type ImageError struct {
	Index int // of the image in the call
	Err   error
}

func (e *ImageError) Error() string { return fmt.Sprintf("infer: image %d: %v", e.Index, e.Err) }

// Unwrap returns the cause.
func (e *ImageError) Unwrap() error { return e.Err }

// Classify returns the most probable classes of each image, the most probable first. [TopK] says
// how many.
func (m *Model) Classify(ctx context.Context, images ...image.Image) ([][]Class, error) {
	return m.classify(ctx, ofImages(images))
}

// ClassifyBytes is Classify for the content of image files.
func (m *Model) ClassifyBytes(ctx context.Context, files ...[]byte) ([][]Class, error) {
	return m.classify(ctx, ofBytes(files))
}

// Logits returns the logits of each image, [images][Info.Classes].
func (m *Model) Logits(ctx context.Context, images ...image.Image) ([][]float32, error) {
	return m.logits(ctx, ofImages(images))
}

// LogitsBytes is Logits for the content of image files.
func (m *Model) LogitsBytes(ctx context.Context, files ...[]byte) ([][]float32, error) {
	return m.logits(ctx, ofBytes(files))
}

// Features returns the features of each image, [images][Info.Features], to search and compare images: the
// input of the last linear layer. See Info.FeaturesFrom for the encoder of a pre-training.
func (m *Model) Features(ctx context.Context, images ...image.Image) ([][]float32, error) {
	return m.features(ctx, ofImages(images))
}

// FeaturesBytes is Features for the content of image files.
func (m *Model) FeaturesBytes(ctx context.Context, files ...[]byte) ([][]float32, error) {
	return m.features(ctx, ofBytes(files))
}

func ofImages(images []image.Image) []Input {
	in := make([]Input, len(images))
	for i := range in {
		in[i].Image = images[i]
	}
	return in
}

func ofBytes(files [][]byte) []Input {
	in := make([]Input, len(files))
	for i := range in {
		if in[i].Bytes = files[i]; files[i] == nil {
			in[i].Bytes = []byte{}
		}
	}
	return in
}

func (m *Model) classify(ctx context.Context, in []Input) ([][]Class, error) {
	all, err := m.logits(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([][]Class, len(all))
	for i, logits := range all {
		out[i] = m.AppendTop(nil, logits, m.topK)
	}
	return out, nil
}

func (m *Model) logits(ctx context.Context, in []Input) ([][]float32, error) {
	if m.info.Classes == 0 {
		return nil, ErrNoClassifier
	}
	out := make([]Output, len(in))
	if err := m.Infer(ctx, in, out); err != nil {
		return nil, err
	}
	all := make([][]float32, len(out))
	for i := range out {
		all[i] = out[i].Logits
	}
	return all, nil
}

func (m *Model) features(ctx context.Context, in []Input) ([][]float32, error) {
	out := make([]Output, len(in))
	for i := range out {
		out[i].WithFeatures = true
	}
	if err := m.Infer(ctx, in, out); err != nil {
		return nil, err
	}
	all := make([][]float32, len(out))
	for i := range out {
		all[i] = out[i].Features
	}
	return all, nil
}

// AppendTop appends the k most probable classes by logits, the most probable first. Of equal ones
// the first counts. Probabilities are a softmax over all logits. For a model of task multilabel it
// appends at most k labels whose probability, by the logistic function, reaches their threshold.
func (m *Model) AppendTop(to []Class, logits []float32, k int) []Class {
	names := m.named
	if classes.Named(len(logits), names) == 0 {
		names = m.labels // without names, the numbers
	}
	if m.thresholds != nil {
		all := classes.AppendGiven(to, logits, m.thresholds, names)
		return all[:min(len(all), len(to)+k)]
	}
	return classes.AppendTop(to, logits, k, names)
}

// Infer computes out[i] for in[i]. It returns when all images are computed, at the first error, or
// when the context ends; after an error the outputs mean nothing. Even then it finishes an image
// that is being decoded, because the image belongs to the caller. The error is an [ImageError]
// for an image that cannot be used; then the other images are not computed either.
func (m *Model) Infer(ctx context.Context, in []Input, out []Output) error {
	if len(in) != len(out) {
		return fmt.Errorf("infer: %d inputs, but %d outputs: want one output for each input", len(in), len(out))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !m.life.begin() {
		return ErrClosed
	}
	defer m.life.end()
	switch len(in) {
	case 0:
		return nil
	case 1:
		return m.one(ctx, &in[0], &out[0])
	}
	return m.several(ctx, in, out)
}

// check returns an error unless an input has exactly one form.
func (in *Input) check() error {
	forms := 0
	for _, there := range []bool{in.Image != nil, in.Bytes != nil, in.Tensor != nil} {
		if there {
			forms++
		}
	}
	if forms != 1 {
		return errors.New("want Image, Bytes or Tensor, and only one of them")
	}
	return nil
}

// one computes one image. The caller's goroutine prepares it.
func (m *Model) one(ctx context.Context, in *Input, out *Output) error {
	began := time.Now()
	var r *request
	select {
	case r = <-m.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.reset(0, in, out.WithFeatures, began)
	if err := m.prepareHere(ctx, r); err != nil {
		m.release(r)
		return err
	}
	r.state.Store(waiting)
	m.batcher.prepared(m, r)
	select {
	case <-r.done:
	case <-ctx.Done():
		m.abandon(r)
		return ctx.Err()
	}
	return m.collect(r, out)
}

// prepareHere prepares an image in the caller's goroutine.
func (m *Model) prepareHere(ctx context.Context, r *request) error {
	m.batcher.preparing.Add(1)
	defer m.batcher.preparing.Add(-1)
	select {
	case tool := <-m.tools:
		m.prepareRequest(r, tool)
		m.tools <- tool
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.err != nil {
		return r.err
	}
	return ctx.Err()
}

// collect takes the result of a finished request and releases the request.
func (m *Model) collect(r *request, out *Output) error {
	err := r.err
	if err == nil {
		out.Logits = append(out.Logits[:0], r.logits...)
		out.Features = append(out.Features[:0], r.features...)
		out.Times = r.times
		out.Times.Wait = max(0, r.finished.Sub(r.began)-r.times.Decode-r.times.Resize-r.times.Network)
	}
	m.release(r)
	return err
}
