package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Projection describes a linear layer on tokens, with an optional norm and GELU before it:
//
//	y = W·gelu(norm(x)) + b
type Projection struct {
	Name   string
	Norm   *LayerNorm // or nil
	GELU   bool       // only with a norm
	Weight *Param     // [out, in] or [out, in, 1, 1]; with Up [in, out, 2, 2]
	Bias   *Param     // [out]
	Up     bool       // a transposed convolution with stride 2
}

// Project adds the layer on tokens x [images, …, in]: the result is [images, tokens, out]. With Up
// a token becomes the four tokens of its square, in the order (0,0), (0,1), (1,0), (1,1). It is one
// operation: a block of rows goes through norm, GELU and product in the cache.
func Project(t *Tape, x *gorgonia.Node, p Projection) (*gorgonia.Node, error) {
	f, err := newProjection(t, x, p)
	if err != nil {
		return nil, fmt.Errorf("ops: projection %q: %w", p.Name, err)
	}
	uses := used(f.w)
	if f.norm != nil {
		uses = append(uses, f.norm.uses()...)
	}
	return t.recordLayer(Spec{
		Kind:  KindProject,
		Name:  p.Name,
		Cost:  Cost{MACs: f.shape.rows * p.Weight.Size(), Activations: f.shape.rows * f.wide},
		Uses:  uses,
		Run:   f.forward,
		Grad:  f.differentiate,
		Shape: tensor.Shape{f.shape.images, f.shape.perImage() * f.taps, f.wide / f.taps},
	}, x, f.params(), nil)
}

type projection struct {
	Projection
	tape        *Tape
	input       *gorgonia.Node
	shape       tokenShape
	wide, taps  int // values that a token becomes, and number of tokens
	cut         [][2]int
	norm        *rowNorm // nil for none
	w           *layerWeight
	biases      []float32 // repeated for each of wide
	ones, zeros []float32
	forwardTask func(worker, i int)

	// In the current run.
	x, y kernels.Matrix
}

func newProjection(t *Tape, x *gorgonia.Node, p Projection) (*projection, error) {
	shape, err := shapeOfTokens(x)
	if err != nil {
		return nil, err
	}
	if p.GELU && p.Norm == nil {
		return nil, fmt.Errorf("GELU without a norm before it")
	}
	in := shape.channels
	f := &projection{Projection: p, tape: t, input: x, shape: shape, cut: t.rowBlocks(shape.rows), taps: 1}
	s := p.Weight.Shape()
	if p.Up {
		if !s.Eq(tensor.Shape{in, p.Bias.Size(), 2, 2}) {
			return nil, fmt.Errorf("%s has shape %v, want [%d, %d, 2, 2]", p.Weight.Name, s, in, p.Bias.Size())
		}
		f.taps = upTaps
		f.w = t.newUpLayerWeight(p.Weight, PackForward)
	} else {
		if s[0] != p.Bias.Size() || s.TotalSize() != s[0]*in {
			return nil, fmt.Errorf("%s has shape %v, want [%d, %d]", p.Weight.Name, s, p.Bias.Size(), in)
		}
		f.w = t.newLayerWeight(p.Weight, PackForward)
	}
	f.wide = f.taps * p.Bias.Size()
	f.biases = make([]float32, f.wide)
	if p.Norm != nil {
		if err := p.Norm.check(in); err != nil {
			return nil, err
		}
		f.norm = t.newRowNorm(p.Norm, shape.rows, sumBlocks(shape.rows))
	}
	f.ones, f.zeros = make([]float32, in), make([]float32, in)
	for i := range f.ones {
		f.ones[i] = 1
	}
	f.forwardTask = f.forwardPart
	t.NeedScratch(scratchSize(nil, longest(f.cut), in))
	return f, nil
}

func (f *projection) params() []*Param {
	ps := []*Param{f.Weight, f.Bias}
	if f.Norm != nil {
		ps = append(ps, f.Norm.Weight, f.Norm.Bias)
	}
	return ps
}

func (f *projection) forward(in [][]float32, out []float32) error {
	f.x, f.y = f.shape.matrix(in[0]), kernels.NewMatrix(out, f.shape.rows, f.wide)
	for i := range f.taps {
		copy(f.biases[i*f.Bias.Size():], f.Bias.Data())
	}
	f.w.ready(f.tape.Pool())
	f.tape.Pool().Run(len(f.cut), f.forwardTask)
	return nil
}

func (f *projection) forwardPart(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	x := f.x.Slice(from, to)
	if f.norm != nil {
		s := scratch{f.tape.Scratch(worker)}
		n := s.matrix(to-from, f.shape.channels)
		f.norm.forward(n, x, from)
		if f.GELU {
			f.tape.kernels.Affine(n, n, f.ones, f.zeros, kernels.GELU)
		}
		x = n
	}
	f.tape.kernels.Gemm(f.y.Slice(from, to), 1, x, f.w.Packed, kernels.Broadcast(f.biases, to-from))
}

// projectionGrad is the backward pass.
type projectionGrad struct {
	*projection
	v              *layerWeight
	inputs         *packedRows // of the product
	grad           *layerGrad
	tasks          int // of weights
	sweep, weights func(worker, i int)
	finish         func(worker, i int)

	// In the current run.
	dy, dx kernels.Matrix
}

func (f *projection) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t, in := f.tape, f.shape.channels
	g := &projectionGrad{projection: f, inputs: t.newPackedRows(f.shape.rows, in)}
	wide := f.shape
	wide.channels = f.wide
	l := &layerGrad{weight: f.Weight, bias: f.Bias, out: f.wide, in: in, shape: wide}
	uses := []*Buffer{g.inputs.buf}
	if f.Up {
		g.v = t.newUpLayerWeight(f.Weight, PackInput)
		l.up = t.newUpGrad(f.Weight, f.Bias)
		uses = append(uses, l.up.buf)
	} else {
		g.v = t.newLayerWeight(f.Weight, PackInput)
	}
	if f.norm != nil {
		uses = append(uses, f.norm.gradUses(t)...)
	}
	g.grad = t.newProductGrad(l)
	g.sweep = g.sweepRows
	g.tasks, g.weights = f.norm.finishAfter(layerGradTask(g.grad))
	g.finish = func(_, i int) { g.grad.up.finish(i) }
	t.NeedScratch(scratchSize([]int{in, in}, longest(f.cut), in, in, in))
	return t.recordGrad(Spec{
		Kind: KindProject + GradSuffix,
		Name: f.Name,
		Run:  g.backward,
		Uses: append(uses, used(g.v)...),
	}, dy, f.input, f.params(), nil)
}

func (g *projectionGrad) backward(in [][]float32, out []float32) error {
	pool := g.tape.Pool()
	g.dy, g.x, g.dx = kernels.NewMatrix(in[0], g.shape.rows, g.wide), g.shape.matrix(in[1]), g.shape.matrix(out)
	g.inputs.bind()
	g.v.ready(pool)
	if g.grad.up != nil {
		pool.Run(len(g.cut)+sumParts, g.sweep)
	} else {
		pool.Run(len(g.cut), g.sweep)
	}
	g.grad.dy, g.grad.x = g.dy, g.inputs
	pool.Run(g.tasks, g.weights)
	if g.grad.up != nil {
		pool.Run(sumParts, g.finish)
	}
	return nil
}

func (g *projectionGrad) sweepRows(worker, i int) {
	if i >= len(g.cut) {
		g.grad.up.clear(g.tape.kernels, i-len(g.cut))
		return
	}
	from, to := g.cut[i][0], g.cut[i][1]
	x, dx, dy := g.x.Slice(from, to), g.dx.Slice(from, to), g.dy.Slice(from, to)
	if g.norm == nil {
		g.tape.kernels.Gemm(dx, 1, dy, g.v.Packed, kernels.Matrix{})
		g.inputs.PutRows(from, x)
		return
	}
	s := scratch{g.tape.Scratch(worker)}
	c := g.shape.channels
	sum, dot := s.vector(c), s.vector(c) // not used: the norm computes its own gradient
	n, dn, act := s.matrix(to-from, c), s.matrix(to-from, c), s.matrix(to-from, c)
	g.tape.kernels.Gemm(dn, 1, dy, g.v.Packed, kernels.Matrix{})
	g.norm.forward(n, x, from)
	if g.GELU {
		g.tape.kernels.AffineGrad(act, dn, n, dn, g.ones, g.zeros, g.zeros, sum, dot, kernels.GELU)
		n = act
	}
	g.inputs.PutRows(from, n)
	g.norm.backward(dx, dn, x, kernels.Matrix{}, from)
}
