package masking

import (
	"slices"

	"fasternet/data"
	"fasternet/graph/localmim"
)

// Batch is what a batch of a [Task] carries besides its images.
type Batch struct {
	// Targets[k] is the target of decoder k: [Size, cells, values].
	Targets [][]float32
	// Weights[k] is the mask at scale k: [Size, cells], from 0 (visible) to 1.
	Weights [][]float32
	// Mask is 1 where a unit is masked: [Size, units].
	Mask []float32
	// Kept holds the visible units in the order in which the encoder sees them: [Size, visible], or
	// [visible] if all images have the same.
	Kept   []int32
	Shared bool // all images have the same mask

	targets, weights [][]float32 // memory for full batches
	mask             []float32
	kept             []int32
}

// Clone returns a copy with its own memory.
func (b *Batch) Clone() *Batch {
	c := &Batch{Mask: slices.Clone(b.Mask), Kept: slices.Clone(b.Kept), Shared: b.Shared}
	for k := range b.Targets {
		c.Targets = append(c.Targets, slices.Clone(b.Targets[k]))
		c.Weights = append(c.Weights, slices.Clone(b.Weights[k]))
	}
	return c
}

// Masked returns a batch of a loader with a [Task] in the form that the programs of a LocalMIM take.
func Masked(b *data.Batch) localmim.Masked {
	e := b.Extra.(*Batch)
	return localmim.Masked{Images: b.Images, Kept: e.Kept, Targets: e.Targets, Weights: e.Weights, Whole: b.Whole}
}
