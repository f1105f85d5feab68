package data

import "errors"

// Extra makes what a batch carries besides images and labels: for example, the masks and
// targets of a pre-training task. A [Loader] calls it in its workers, ahead of the
// training step; the result is Batch.Extra.
//
// The result should depend on the arguments alone. Then batches do not depend on the
// number of workers.
type Extra interface {
	// Validate returns an error unless the Extra can work on batches of images of this
	// shape.
	Validate(batch, height, width, channels int) error

	// New returns memory for batches of at most this many samples. The loader uses it for
	// one batch after another.
	New(batch int) any

	// Sample does the work for one sample; image is its tensor [height, width, channels],
	// which must not be changed. It is called concurrently for the samples of a batch,
	// and must write only what belongs to at.Place.
	Sample(dst any, image []float32, at Position) error

	// Complete does the work for the whole batch, once all its samples are there. Index
	// and Place of the position belong to its first sample.
	Complete(dst any, at Position) error
}

// Position says where a sample or a batch is in a run.
type Position struct {
	Seed        uint64 // of the loader
	Epoch, Step int
	Index       int // sample index in the dataset
	Place       int // position in the batch
	Size        int // samples in the batch
}

// checkExtra returns an error unless the Extra of the options can work on batches of this
// size.
func (opt *LoaderOptions) checkExtra(batch int) error {
	switch {
	case opt.Extra == nil:
		return nil
	case opt.Mix != nil && opt.Mix.mixes():
		return errors.New("data: LoaderOptions.Extra sees the images before they are mixed; turn mixup and CutMix off")
	case opt.Repeats > 1:
		return errors.New("data: LoaderOptions.Extra knows one view of a sample in an epoch; " +
			"turn repeated augmentation off")
	case !opt.Sampling.even():
		return errors.New("data: LoaderOptions.Extra knows one view of a sample in an epoch; " +
			"use instance sampling")
	case opt.SkipBad:
		return errors.New("data: LoaderOptions.Extra needs every image, so bad samples cannot be skipped; " +
			"repair or remove them")
	}
	h, w, c := opt.Transform.OutputShape()
	return opt.Extra.Validate(batch, h, w, c)
}

// position returns the position of sample k of a batch.
func (it *Iterator) position(s *slot, k int) Position {
	return Position{
		Seed:  it.loader.opt.Seed,
		Epoch: it.epoch,
		Step:  s.Step,
		Index: s.Indices[k],
		Place: k,
		Size:  s.Size,
	}
}
