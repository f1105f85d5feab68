package ops

import (
	"fasternet/kernels"
)

// Cost is the cost of an operation in the forward pass, for all images of its graph. One multiply-add
// is one MAC.
type Cost struct {
	MACs        int // of convolutions and linear layers
	Activations int // output values of convolutions and linear layers, as fvcore counts
	// Results of the two products within attention. fvcore counts them too; tables of models with
	// attention as one fused operation leave them out.
	AttentionMACs, AttentionActivations int
	// Elements of batch norms, which count 2 each, and inputs of pools, which count 1, as in table 3
	// of FasterNet's paper (fvcore, batch norms not folded).
	NormElements, PoolElements int
	// Foldable is the number of parameters that vanish when batch norms and layer scale are folded
	// into the convolutions: one for each channel of each.
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

// product returns the cost of rows times weights of a convolution or linear layer with the given
// number of outputs for each row.
func product(rows, outputs int, weights ...*Param) Cost {
	c := Cost{Activations: rows * outputs}
	for _, w := range weights {
		c.MACs += rows * w.Size()
	}
	return c
}

// Scope is the place of an op: a part of the model by its name in the state dict, and a layer by its
// depth.
type Scope struct {
	Part  string
	Layer int
}

// Within assigns the ops that are added until the returned function is called to a part of the model.
// A part within another one is counted as the outer part.
func (t *Tape) Within(part string) (leave func()) {
	if t.scope.Part != "" {
		return func() {}
	}
	t.scope.Part = part
	return func() { t.scope.Part = "" }
}

// SetLayer assigns the ops that are added from here on to a layer, from 0 at the input.
func (t *Tape) SetLayer(i int) { t.scope.Layer = i }

// AtLayer returns the layer to which ops are assigned.
func (t *Tape) AtLayer() int { return t.scope.Layer }

// NewSketch starts the tape of a graph that is only inspected, with [Tape.Recorded]. It takes no memory
// for weights or activations, and cannot be run.
func NewSketch() *Tape {
	t := NewTape(NewWorkspace(kernels.NewPool(1)), false) // a pool of one starts no worker
	t.sketch = true
	return t
}
