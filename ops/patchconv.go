package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// PatchConv describes the layer that begins a network or a stage: a convolution without padding and
// bias, and a batch norm.
type PatchConv struct {
	Name   string
	Weight *Param // [out, in, size, size]
	Stride int
	Norm   *BatchNorm
	Bias   *Param // [out], instead of a norm that is folded; for evaluation
	// NoInputGrad leaves out the gradient of the input, which a first layer does not need.
	NoInputGrad bool
	// Units says that the maps are visible units of larger maps: many small maps whose patches do not
	// overlap.
	Units bool
	Int8  *Int8Conv // the layer computes in 8 bits, on maps of bytes; nil for float32
}

// PatchConvNorm adds the layer on the map x [batch, height, width, in]. The result is [batch,
// (height-size)/stride+1, (width-size)/stride+1, out]; a remainder of the map is dropped.
func PatchConvNorm(t *Tape, x *gorgonia.Node, p PatchConv) (*gorgonia.Node, error) {
	if p.Int8 != nil {
		return patchConvInt8(t, x, p)
	}
	f, err := newPatchConv(t, x, p)
	if err != nil {
		return nil, fmt.Errorf("ops: patch convolution %q: %w", p.Name, err)
	}
	s := Spec{
		Kind: KindPatchConvNorm, About: p, Name: p.Name,
		Inputs: gorgonia.Nodes{x}, WRT: []bool{!p.NoInputGrad},
		Shape: tensor.Shape{f.out.batch, f.out.height, f.out.width, f.out.channels},
		Run:   f.forwardEval, Grad: f.differentiate,
	}
	for _, q := range f.params() {
		s.Inputs = append(s.Inputs, t.Param(q))
		s.WRT = append(s.WRT, true)
	}
	s.Cost = product(f.out.rows(), f.out.channels, p.Weight)
	if p.Norm != nil {
		s.Cost.Foldable, s.Cost.NormElements = f.out.channels, f.out.rows()*f.out.channels
	}
	if t.Train {
		s.Run, s.Again = f.forwardTrain, f.restore
		s.Uses = []*Buffer{f.convBuf}
	}
	return t.Record(s)
}

type patchConv struct {
	PatchConv
	tape    *Tape
	input   *gorgonia.Node
	in, out mapShape
	patch   kernels.PatchConv
	norm    *normState
	spans   []span
	maxRows int
	convBuf *Buffer // kept: the map before the norm

	precision kernels.Precision // of the products

	x    []float32
	conv kernels.Matrix
	y    kernels.Matrix
	w    *pack

	gather bool // gather the patches of a span for one product

	tasks struct{ measure, convolve, normalise, infer func(worker, span int) }
}

func newPatchConv(t *Tape, x *gorgonia.Node, p PatchConv) (*patchConv, error) {
	in, err := shapeOfMap(x)
	if err != nil {
		return nil, err
	}
	if err := checkFolded(t, p.Norm, p.Bias); err != nil {
		return nil, err
	}
	w := p.Weight.Shape()
	if w.Dims() != 4 || w[1] != in.channels || w[2] != w[3] {
		return nil, fmt.Errorf("weight %v on a map of %d channels", w, in.channels)
	}
	for _, q := range p.params()[1:] {
		if q.Size() != w[0] {
			return nil, fmt.Errorf("%s has %d values for %d channels", q.Name, q.Size(), w[0])
		}
	}
	if in.height < w[2] || in.width < w[2] {
		return nil, fmt.Errorf("the %d×%d map is smaller than a patch of %d×%d", in.height, in.width, w[2], w[2])
	}
	f := &patchConv{
		PatchConv: p, tape: t, input: x, in: in,
		patch: kernels.PatchConv{Height: in.height, Width: in.width, Channels: in.channels, Size: w[2], Step: p.Stride},
	}
	f.out = mapShape{in.batch, f.patch.OutHeight(), f.patch.OutWidth(), w[0]}
	if rows := blockRows(f.out.rows(), f.patch.Inner()+f.out.channels); t.Train {
		f.spans = f.out.cut(rows)
	} else {
		f.spans, _ = f.out.even(rows, t.Pool().Workers())
	}
	if f.patch.Overlap() && t.Train && !p.NoInputGrad {
		f.spans = f.out.cut(f.out.height * f.out.width) // whole images, which share no pixels
	}
	for _, b := range f.spans {
		f.maxRows = max(f.maxRows, f.out.to(b)-f.out.from(b))
	}
	if f.gather = f.gathers(); f.gather {
		t.NeedScratch(scratchSize(nil, f.maxRows, f.patch.Inner()))
	}
	// Products in bf16 write whole tiles, which overlapping patches do not allow.
	if !p.NoInputGrad && !f.patch.Overlap() {
		f.precision = t.Precision
	}
	f.w = t.pack(p.Weight, packing{in: f.precision})
	if p.Norm != nil {
		f.norm = newNormState(t.Pool(), p.Norm, len(f.spans), t.Train)
	}
	f.tasks.measure = f.measureSpan
	f.tasks.convolve = f.convolve
	f.tasks.normalise = f.normalise
	f.tasks.infer = f.infer
	if t.Train {
		f.convBuf = t.NewBuffer(f.out.rows() * f.out.channels)
	}
	return f, nil
}

// params returns the parameters in the order of the op's inputs.
func (p PatchConv) params() []*Param {
	if p.Norm == nil {
		return []*Param{p.Weight, p.Bias}
	}
	return []*Param{p.Weight, p.Norm.Weight, p.Norm.Bias}
}

func (f *patchConv) forwardTrain(in [][]float32, out []float32) error {
	f.bind(in, out)
	f.conv = f.out.matrix(f.convBuf.data)
	f.tape.Pool().Run(len(f.spans), f.tasks.measure)
	if err := f.norm.batch(f.tape.Parallel); err != nil {
		return err
	}
	f.tape.Pool().Run(len(f.spans), f.tasks.normalise)
	return nil
}

// restore computes what forwardTrain kept, with the same statistics, and the result unless out is nil.
func (f *patchConv) restore(in [][]float32, out []float32) error {
	f.x, f.conv = in[0], f.out.matrix(f.convBuf.data)
	f.tape.Pool().Run(len(f.spans), f.tasks.convolve)
	if out == nil {
		return nil
	}
	f.y = f.out.matrix(out)
	f.tape.Pool().Run(len(f.spans), f.tasks.normalise)
	return nil
}

func (f *patchConv) forwardEval(in [][]float32, out []float32) error {
	f.bind(in, out)
	if f.Norm != nil {
		f.norm.running()
	}
	f.tape.Pool().Run(len(f.spans), f.tasks.infer)
	return nil
}

func (f *patchConv) bind(in [][]float32, out []float32) {
	f.x, f.y = in[0], f.out.matrix(out)
}

// image returns the input map of an image, or its gradient.
func (f *patchConv) image(maps []float32, i int) []float32 {
	n := f.in.height * f.in.width * f.in.channels
	return maps[i*n : (i+1)*n]
}

// product computes the convolution for the rows of a span.
func (f *patchConv) product(worker int, dst kernels.Matrix, b span) {
	if f.gather {
		f.gatheredProduct(worker, dst, b)
		return
	}
	at, n := 0, b.lines*f.out.width
	var bias []float32
	if f.Bias != nil {
		bias = f.Bias.Data()
	}
	b.eachImage(func(b span) {
		f.patch.Convolve(f.tape.kernels, dst.Slice(at, at+n), f.image(f.x, b.image), b.line, f.w.Packed, bias)
		at += n
	})
}

func (f *patchConv) convolve(worker, i int) { f.product(worker, f.convolved(i), f.spans[i]) }

func (f *patchConv) measureSpan(worker, i int) {
	f.convolve(worker, i)
	f.norm.moments[i].Measure(f.tape.kernels, f.convolved(i))
}

// convolved returns the map of a span before the norm.
func (f *patchConv) convolved(i int) kernels.Matrix {
	return f.conv.Slice(f.out.from(f.spans[i]), f.out.to(f.spans[i]))
}

func (f *patchConv) normalise(_, i int) {
	from, to := f.out.from(f.spans[i]), f.out.to(f.spans[i])
	f.tape.kernels.Affine(f.y.Slice(from, to), f.conv.Slice(from, to), f.norm.scale, f.norm.shift, kernels.Identity)
}

func (f *patchConv) infer(worker, i int) {
	y := f.y.Slice(f.out.from(f.spans[i]), f.out.to(f.spans[i]))
	f.product(worker, y, f.spans[i])
	if f.Norm != nil {
		f.tape.kernels.Affine(y, y, f.norm.scale, f.norm.shift, kernels.Identity)
	}
}
