package masking

import (
	"fmt"

	"fasternet/data"
)

// Masks is one of [Columnar] and [Pyramid].
type Masks interface {
	// Kept is the number of patches of an image that the encoder sees.
	Kept() int
	// MaskGrid is the grid of what is removed as a whole: patches or units.
	MaskGrid() Grid
	// Scales is the number of decoders.
	Scales() int
	// ScaleGrid is the grid of cells that decoder k reconstructs, and Cells the
	// sides of those of all decoders in pixels.
	ScaleGrid(k int) Grid
	Cells() []int

	allocate(b *Batch, size int)
	sample(b *Batch, at data.Position) error
	complete(b *Batch, at data.Position) error
}

// Batch is what a batch of a [Task] carries beside its images.
type Batch struct {
	// Targets[k] is what decoder k reconstructs: [Size, cells, values].
	Targets [][]float32
	// Weights[k] is the mask at scale k: [Size, cells], from 0 (visible) to 1.
	Weights [][]float32
	// Mask is 1 where a patch (Columnar) or unit (Pyramid) is removed: [Size, grid].
	Mask []float32
	// Keep are the patches that the encoder sees, in its order, as places in raster
	// order: [Size, Kept].
	Keep []int32

	targets, weights [][]float32 // memory for full batches
	mask             []float32
	keep             []int32
}

// Task makes masks and targets of the samples of a loader: it is the
// [data.Extra] of LocalMIM, and Batch.Extra is then a *[Batch]. Everything follows
// from the image and the position in the run.
type Task struct {
	masks                   Masks
	target                  Target
	height, width, channels int
}

// NewTask returns the task to reconstruct a target at the scales of the masks,
// for images of the shape given. The error says which scale does not fit.
func NewTask(height, width, channels int, masks Masks, target Target) (*Task, error) {
	if masks.Scales() != target.Scales() {
		return nil, fmt.Errorf("masking: %d decoders for targets at %d scales; there must be as many", masks.Scales(), target.Scales())
	}
	for k, cell := range masks.Cells() {
		g := masks.ScaleGrid(k)
		if g.Rows*cell != height || g.Cols*cell != width {
			return nil, fmt.Errorf("masking: the masks are for images of %d×%d pixels, but these have %d×%d", g.Rows*cell, g.Cols*cell, height, width)
		}
		if cells, _ := target.Shape(k); cells != g.Size() {
			return nil, fmt.Errorf("masking: decoder %d reconstructs %v = %d cells of %d pixels, but its target has %d", k, g, g.Size(), cell, cells)
		}
	}
	return &Task{masks, target, height, width, channels}, nil
}

// Masks is what the task was made with.
func (t *Task) Masks() Masks { return t.masks }

// Target is what the task was made with.
func (t *Task) Target() Target { return t.target }

// Validate is part of [data.Extra].
func (t *Task) Validate(_, height, width, channels int) error {
	if height != t.height || width != t.width || channels != t.channels {
		return fmt.Errorf("masking: the task is for images [%d, %d, %d]; the loader makes [%d, %d, %d]",
			t.height, t.width, t.channels, height, width, channels)
	}
	return nil
}

// New is part of [data.Extra]: it returns a *[Batch].
func (t *Task) New(size int) any {
	b := &Batch{}
	for k := range t.target.Scales() {
		cells, values := t.target.Shape(k)
		b.targets = append(b.targets, make([]float32, size*cells*values))
		b.weights = append(b.weights, make([]float32, size*cells))
	}
	b.Targets, b.Weights = make([][]float32, len(b.targets)), make([][]float32, len(b.weights))
	t.masks.allocate(b, size)
	return b
}

// Sample is part of [data.Extra].
func (t *Task) Sample(dst any, image []float32, at data.Position) error {
	b := dst.(*Batch)
	own := make([][]float32, len(b.targets))
	for k := range own {
		cells, values := t.target.Shape(k)
		own[k] = b.targets[k][at.Place*cells*values:][:cells*values]
	}
	if err := t.target.Compute(own, image); err != nil {
		return err
	}
	return t.masks.sample(b, at)
}

// Complete is part of [data.Extra].
func (t *Task) Complete(dst any, at data.Position) error {
	b := dst.(*Batch)
	if err := t.masks.complete(b, at); err != nil {
		return err
	}
	n := at.Size
	for k := range b.targets {
		cells, values := t.target.Shape(k)
		b.Targets[k], b.Weights[k] = b.targets[k][:n*cells*values], b.weights[k][:n*cells]
	}
	b.Keep = b.keep[:n*t.masks.Kept()]
	b.Mask = b.mask[:n*t.masks.MaskGrid().Size()]
	return nil
}
