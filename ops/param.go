package ops

import (
	"fasternet/kernels"

	"gorgonia.org/tensor"
)

// Param is a learned tensor. All graphs of a model share it.
type Param struct {
	Name  string        // key in the official state dict
	Value *tensor.Dense // in the shape of the state dict, e.g. [out, in, kh, kw]
	Grad  *tensor.Dense // graphs add to it; whoever steps the optimizer zeroes it

	version int // counts the changes of Value
	packs   map[packing]*pack
}

// NewParam makes a parameter of zeros.
func NewParam(name string, shape ...int) *Param {
	return &Param{Name: name, Value: newDense(shape), Grad: newDense(shape)}
}

func newDense(shape tensor.Shape) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(kernels.Aligned(shape.TotalSize())))
}

// Data is the value in row-major order. After writing to it call Changed.
func (p *Param) Data() []float32 { return p.Value.Float32s() }

// GradData is the gradient in row-major order.
func (p *Param) GradData() []float32 { return p.Grad.Float32s() }

// Shape is the shape in the state dict.
func (p *Param) Shape() tensor.Shape { return p.Value.Shape() }

// Size is the number of elements.
func (p *Param) Size() int { return len(p.Data()) }

// Changed must be called after Value was written: packed copies of it are void.
func (p *Param) Changed() { p.version++ }

// packing is one of the ways in which a weight enters a matrix product.
type packing int

const (
	packForward packing = iota // y = x·Wᵀ
	packInput                  // dx = dy·W
	packAdjoint                // dx of a 3×3 convolution with padding
)

// pack is a packed copy of a weight, made when the value has changed.
type pack struct {
	*kernels.Packed
	param     *Param
	kind      packing
	version   int
	variant   kernels.Variant
	reordered []float32 // channels-last copy of the weights of a convolution
	source    kernels.Matrix
	panel     func(worker, panel int)
}

// packed returns the weight in the packing that a product needs. A weight
// [out, in, kh, kw] counts as the matrix [out, kh·kw·in], the order of the
// values of a patch of an NHWC map.
func (p *Param) packed(kind packing, pool *kernels.Pool) *kernels.Packed {
	if p.packs == nil {
		p.packs = map[packing]*pack{}
	}
	q := p.packs[kind]
	if q == nil || q.variant != kernels.Active() {
		q = newPack(p, kind)
		p.packs[kind] = q
	}
	if q.version != p.version {
		q.version = p.version
		q.reorder()
		pool.Run(q.Panels(), q.panel)
	}
	return q.Packed
}

func newPack(p *Param, kind packing) *pack {
	q := &pack{param: p, kind: kind, version: p.version - 1, variant: kernels.Active()}
	out, in, taps := p.dims()
	q.source = kernels.NewMatrix(p.Data(), out, in*taps)
	if taps > 1 {
		q.reordered = make([]float32, p.Size())
		q.source.Data = q.reordered
	}
	if kind == packInput {
		q.Packed = kernels.NewPacked(out, in*taps)
		q.panel = func(_, i int) { q.PackPanel(i, q.source) }
	} else {
		q.Packed = kernels.NewPacked(in*taps, out)
		q.panel = func(_, i int) { q.PackPanelTransposed(i, q.source) }
	}
	return q
}

// dims reads the shape of a weight [out, in] or [out, in, kh, kw].
func (p *Param) dims() (out, in, taps int) {
	s := p.Shape()
	out, in = s[0], s[1]
	return out, in, p.Size() / (out * in)
}

func (q *pack) reorder() {
	if q.reordered == nil {
		return
	}
	out, in, taps := q.param.dims()
	if q.kind == packAdjoint {
		kernels.PConv{Channels: out}.Adjoint(q.reordered, q.param.Data())
		return
	}
	kernels.ToChannelsLast(q.reordered, q.param.Data(), out, in, taps)
}
