package ops

import (
	"fasternet/kernels"

	"gorgonia.org/tensor"
)

// Param is a learned tensor. All graphs of a model share it.
type Param struct {
	Name  string        // key in the official state dict
	Value *tensor.Dense // in the shape of the state dict, e.g. [out, in, kh, kw]
	Grad  *tensor.Dense // graphs add to it, and the owner of the optimizer zeroes it; nil for a fixed parameter
	// Frozen says that the parameter is not trained: its gradient is not needed, and not computed
	// if that is easy.
	Frozen bool

	shape   tensor.Shape // of a parameter without a Value
	version int          // counts the changes of Value
	packs   map[packing]*pack
}

// NewParam makes a parameter of zeros.
func NewParam(name string, shape ...int) *Param {
	return &Param{Name: name, Value: newDense(shape), Grad: newDense(shape)}
}

// NewFixedParam makes a parameter of zeros without a gradient, for a model that is never trained.
func NewFixedParam(name string, shape ...int) *Param {
	return &Param{Name: name, Value: newDense(shape)}
}

// NewShapeParam makes a parameter with a shape and no values, for models that are only counted: see
// [NewSketch].
func NewShapeParam(name string, shape ...int) *Param {
	return &Param{Name: name, shape: shape}
}

func newDense(shape tensor.Shape) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(kernels.Aligned(shape.TotalSize())))
}

// NeedGrad gives a parameter memory for its gradient if it has none.
func (p *Param) NeedGrad() {
	if p.Grad == nil {
		p.Grad = newDense(p.Shape())
	}
}

// Data returns the value in row-major order. After writing to it call Changed.
func (p *Param) Data() []float32 { return p.Value.Float32s() }

// GradData returns the gradient in row-major order.
func (p *Param) GradData() []float32 { return p.Grad.Float32s() }

// MoveGrad puts the gradient into memory of that many values, from the next run of a graph on. The
// current gradient is not copied.
func (p *Param) MoveGrad(memory []float32) {
	p.Grad = tensor.New(tensor.WithShape(p.Shape().Clone()...), tensor.WithBacking(memory))
}

// Shape returns the shape in the state dict.
func (p *Param) Shape() tensor.Shape {
	if p.Value == nil {
		return p.shape
	}
	return p.Value.Shape()
}

// Size returns the number of elements.
func (p *Param) Size() int { return p.Shape().TotalSize() }

// Changed must be called after Value was written: it invalidates packed copies.
func (p *Param) Changed() { p.version++ }
