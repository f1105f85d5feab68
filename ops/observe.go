package ops

import (
	"fasternet/kernels"

	"gorgonia.org/tensor"
)

// Observed is an operation that has just run, for tools that look for the first bad value.
type Observed struct {
	Kind, Name string // of the op: "FasterNetBlock" "stages.0.blocks.0"
	Scope             // part and layer of the model to which the op belongs
	Backward   bool   // whether the op belongs to the backward pass
	// Index is the place of the op in the order of the run, from 0.
	Index int
	// Shape is the shape of the values. Its first dimension is the batch or a multiple of it, and the
	// rows of a sample follow one another. It is nil for a scalar. For the gradient of a parameter it is
	// the shape in the state dict.
	Shape tensor.Shape
	// Values are in row-major order, one for a scalar. They are valid only during the call, because
	// other ops use the memory again, and must not be changed.
	Values []float32
	// Grid is the grid of a map of bytes, which are in the first bytes of Values; nil for float32.
	// Floats returns the map in float32.
	Grid *Grid
	// Param is the parameter whose gradient the values are, or nil. The gradient includes what earlier
	// runs have added since it was last set to zero.
	Param *Param
}

// Observe makes every run call f after each op, in the order of the run, on one goroutine: after
// the ops of the forward pass, of the backward pass, and for the gradient of every parameter when
// it is complete (the op "gradient", with the name of the parameter). A backward op that also adds
// to the gradients of parameters makes one call for the gradient of its input, and then one call
// for each parameter. If nothing needs the gradient of the input, as in the first layer, its values
// are already the gradient of the weight.
//
// An error from f ends the run: [Tape.Run] returns it unchanged. The gradients of the parameters
// then hold a part of the run. A nil f observes nothing and costs nothing.
func (t *Tape) Observe(f func(Observed) error) { t.observe = f }

// observed describes the op after its run, with the result out.
func (o *op) observed(out []float32) Observed {
	return Observed{
		Kind: o.Kind, Name: o.Name, Scope: o.scope, Backward: !o.forward, Index: o.index,
		Shape: o.Shape, Values: out, Grid: gridOf(o.About), Param: o.Result,
	}
}

// Floats returns the values in float32.
func (o Observed) Floats() []float32 {
	if o.Grid == nil {
		return o.Values
	}
	out := make([]float32, len(o.Values))
	for i, q := range kernels.BytesOf(o.Values)[:len(out)] {
		out[i] = float32(o.Grid.Value(q))
	}
	return out
}

// gridOf returns the grid of the result of an op with a description, or nil.
func gridOf(about any) *Grid {
	switch a := about.(type) {
	case Block:
		if a.Int8 != nil {
			return &a.Int8.Out
		}
	case PatchConv:
		if a.Int8 != nil {
			return &a.Int8.Out
		}
	case Quantised:
		return &a.Grid
	}
	return nil
}
