package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// PatchEmbedding describes the entrance of a transformer: the pixels of each
// patch, patches side by side, become a token. The images get no gradient.
type PatchEmbedding struct {
	Name   string
	Weight *Param     // [C, in, size, size]
	Bias   *Param     // [C]
	Norm   *LayerNorm // of the tokens, or nil
}

// PatchEmbed adds the layer on images [batch, height, width, in]. The result is
// [batch, height/size, width/size, C]; a remainder of the image is dropped.
func PatchEmbed(t *Tape, x *gorgonia.Node, p PatchEmbedding) (*gorgonia.Node, error) {
	f, err := newPatchEmbed(t, x, p)
	if err != nil {
		return nil, fmt.Errorf("ops: patch embedding %q: %w", p.Name, err)
	}
	s := Spec{
		Kind: KindPatchEmbed, About: p, Name: p.Name, Inputs: gorgonia.Nodes{x}, WRT: []bool{false},
		Shape: tensor.Shape{f.out.batch, f.out.height, f.out.width, f.out.channels}, Run: f.forward, Again: within(f.forward), Grad: f.differentiate,
	}
	for _, q := range f.params() {
		s.Inputs, s.WRT = append(s.Inputs, t.Param(q)), append(s.WRT, true)
	}
	s.Cost = product(f.out.rows(), f.out.channels, p.Weight)
	if p.Norm != nil {
		s.Uses = []*Buffer{f.norm.statsBuf}
		if t.Train {
			s.Uses = append(s.Uses, f.convBuf)
		}
	}
	return t.Record(s)
}

type patchEmbed struct {
	PatchEmbedding
	tape    *Tape
	input   *gorgonia.Node
	in, out mapShape
	patch   kernels.PatchConv
	spans   []span
	maxRows int
	norm    *rowNorm // nil for none
	convBuf *Buffer  // kept in training: the tokens before the norm
	w       *pack
	runs    [][2]int
	dw      *weightSums
	dbias   [][]float32 // of each run

	// Of the run in progress.
	x                       []float32
	y, dy                   kernels.Matrix
	embed, backward, finish func(worker, i int)
}

func newPatchEmbed(t *Tape, x *gorgonia.Node, p PatchEmbedding) (*patchEmbed, error) {
	in, err := shapeOfMap(x)
	if err != nil {
		return nil, err
	}
	w := p.Weight.Shape()
	if w.Dims() != 4 || w[1] != in.channels || w[2] != w[3] || p.Bias.Size() != w[0] {
		return nil, fmt.Errorf("weight %v and bias %v on images of %d channels", w, p.Bias.Shape(), in.channels)
	}
	if in.height < w[2] || in.width < w[2] {
		return nil, fmt.Errorf("the %d×%d image is smaller than a patch of %d×%d", in.height, in.width, w[2], w[2])
	}
	f := &patchEmbed{PatchEmbedding: p, tape: t, input: x, in: in}
	f.patch = kernels.PatchConv{Height: in.height, Width: in.width, Channels: in.channels, Size: w[2], Step: w[2]}
	f.out = mapShape{in.batch, f.patch.OutHeight(), f.patch.OutWidth(), w[0]}
	f.spans = f.out.cut(blockRows(f.out.rows(), f.patch.Inner()+f.out.channels))
	for _, b := range f.spans {
		f.maxRows = max(f.maxRows, f.out.to(b)-f.out.from(b))
	}
	f.w = t.pack(p.Weight, packing{})
	if p.Norm != nil {
		if err := p.Norm.check(w[0]); err != nil {
			return nil, err
		}
		f.norm = t.newRowNorm(p.Norm, f.out.rows(), len(f.spans))
		if t.Train {
			f.convBuf = t.NewBuffer(f.out.rows() * f.out.channels)
		}
	}
	f.embed, f.backward = f.embedSpan, f.backwardRun
	return f, nil
}

func (f *patchEmbed) params() []*Param {
	ps := []*Param{f.Weight, f.Bias}
	if f.Norm != nil {
		ps = append(ps, f.Norm.Weight, f.Norm.Bias)
	}
	return ps
}

func (f *patchEmbed) forward(in [][]float32, out []float32) error {
	f.x, f.y = in[0], f.out.matrix(out)
	f.tape.Pool().Run(len(f.spans), f.embed)
	return nil
}

func (f *patchEmbed) image(i int) []float32 {
	n := f.in.height * f.in.width * f.in.channels
	return f.x[i*n : (i+1)*n]
}

// conv is where the tokens of some rows lie before the norm.
func (f *patchEmbed) conv(from, to int) kernels.Matrix {
	if f.convBuf == nil {
		return f.y.Slice(from, to)
	}
	return f.out.matrix(f.convBuf.data).Slice(from, to)
}

func (f *patchEmbed) embedSpan(_, i int) {
	b := f.spans[i]
	from, to := f.out.from(b), f.out.to(b)
	conv, at, n := f.conv(from, to), 0, b.lines*f.out.width
	b.eachImage(func(b span) {
		f.patch.Convolve(f.tape.kernels, conv.Slice(at, at+n), f.image(b.image), b.line, f.w.Packed, f.Bias.Data())
		at += n
	})
	if f.norm != nil {
		f.norm.forward(f.y.Slice(from, to), conv, from)
	}
}

func (f *patchEmbed) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	f.runs = chunks(len(f.spans), chunkLimit(f.Weight.Size()))
	f.dw = t.newWeightSums(f.Weight, len(f.runs))
	f.finish = finishTask(f.dw)
	for range f.runs {
		f.dbias = append(f.dbias, make([]float32, f.out.channels))
	}
	t.NeedScratch(scratchSize(nil, f.maxRows, f.out.channels))
	s := Spec{
		Kind: KindPatchEmbed + GradSuffix, Name: f.Name, Inputs: gorgonia.Nodes{dy, f.input}, Uses: []*Buffer{f.dw.buf},
		Shape: f.Weight.Shape(), Result: f.Weight, Run: f.runBackward,
	}
	if f.norm != nil {
		s.Uses = append(s.Uses, f.convBuf, f.norm.statsBuf)
	}
	main, err := t.Record(s)
	if err != nil {
		return nil, err
	}
	grads, err := t.Gradients(main, f.params()...)
	if err == nil {
		grads[0] = nil
	}
	return grads, err
}

func (f *patchEmbed) runBackward(in [][]float32, _ []float32) error {
	pool := f.tape.Pool()
	f.dy, f.x = f.out.matrix(in[0]), in[1]
	pool.Run(len(f.runs), f.backward)
	pool.Run(sumParts, f.finish)
	for _, b := range f.dbias {
		f.tape.kernels.Add(f.Bias.GradData(), b)
	}
	if f.norm != nil {
		f.norm.finish()
	}
	return nil
}

func (f *patchEmbed) backwardRun(worker, run int) {
	dw := f.dw.start(run)
	clear(f.dbias[run])
	for i := f.runs[run][0]; i < f.runs[run][1]; i++ {
		b := f.spans[i]
		from, to := f.out.from(b), f.out.to(b)
		d := f.dy.Slice(from, to)
		if f.norm != nil {
			s := scratch{f.tape.Scratch(worker)}
			dconv := s.matrix(to-from, f.out.channels)
			f.norm.start(i)
			f.norm.backward(dconv, d, f.conv(from, to), kernels.Matrix{}, from, i)
			d = dconv
		}
		f.tape.kernels.ColumnSums(d, f.dbias[run])
		at, n := 0, b.lines*f.out.width
		b.eachImage(func(b span) {
			f.patch.WeightGrad(f.tape.kernels, dw, f.image(b.image), b.line, d.Slice(at, at+n), kernels.FP32)
			at += n
		})
	}
}
