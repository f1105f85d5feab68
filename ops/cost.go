package ops

import (
	"fasternet/kernels"
)

// Cost is what an operation costs in the forward pass, for all images of its graph. One
// multiply-add is one MAC.
type Cost struct {
	MACs        int // of convolutions and linear layers
	Activations int // values that convolutions and linear layers put out, as fvcore counts
	// The two products within attention. fvcore counts their results too; tables of
	// models whose attention is one fused operation leave them out.
	AttentionMACs, AttentionActivations int
	// Elements of batch norms, which count 2 each, and inputs of pools, which count 1,
	// in the convention of table 3 of FasterNet's paper (fvcore, batch norms not folded).
	NormElements, PoolElements int
	// Foldable is the number of parameters that vanish when batch norms and layer scale
	// are folded into the convolutions: one a channel of each.
	Foldable int
}

// Add adds another cost.
func (c *Cost) Add(o Cost) {
	c.MACs += o.MACs
	c.Activations += o.Activations
	c.AttentionMACs += o.AttentionMACs
	c.AttentionActivations += o.AttentionActivations
	c.NormElements += o.NormElements
	c.PoolElements += o.PoolElements
	c.Foldable += o.Foldable
}

// product is the cost of rows times weights of a convolution or linear layer, each of
// which has so many outputs.
func product(rows, outputs int, weights ...*Param) Cost {
	c := Cost{Activations: rows * outputs}
	for _, w := range weights {
		c.MACs += rows * w.Size()
	}
	return c
}

// Scope is what an op belongs to: a part of the model by its name in the state dict, and
// a layer by its depth.
type Scope struct {
	Part  string
	Layer int
}

// Within has the ops that are added until the returned function is called belong to a
// part of the model. A part within another one is counted as the outer one.
func (t *Tape) Within(part string) (leave func()) {
	if t.scope.Part != "" {
		return func() {}
	}
	t.scope.Part = part
	return func() { t.scope.Part = "" }
}

// SetLayer has the ops that are added from here on belong to a layer, from 0 at the
// input.
func (t *Tape) SetLayer(i int) { t.scope.Layer = i }

// AtLayer is the layer that ops are added to.
func (t *Tape) AtLayer() int { return t.scope.Layer }

// NewSketch starts the tape of a graph that is only looked at, with [Tape.Recorded]: it
// takes no memory for weights or activations, and cannot be run.
func NewSketch() *Tape {
	t := NewTape(NewWorkspace(kernels.NewPool(1)), false) // a pool of one starts no worker
	t.sketch = true
	return t
}
