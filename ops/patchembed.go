package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// PatchEmbedding describes the first layer of a transformer: the pixels of each patch become a
// token. Patches do not overlap. The images get no gradient.
type PatchEmbedding struct {
	Name   string
	Weight *Param      // [C, in, size, size]
	Bias   *Param      // [C]
	Norm   *LayerNorm  // of the tokens, or nil
	Int8   *Int8Linear // the convolution in 8 bits, for evaluation; nil for float32
}

// PatchEmbed adds the layer on images [batch, height, width, in]. The result is [batch, height/size,
// width/size, C]; a remainder of the image is dropped.
func PatchEmbed(t *Tape, x *gorgonia.Node, p PatchEmbedding) (*gorgonia.Node, error) {
	f, err := newPatchEmbed(t, x, p)
	if err != nil {
		return nil, fmt.Errorf("ops: patch embedding %q: %w", p.Name, err)
	}
	s := Spec{
		Kind:   KindPatchEmbed,
		About:  p,
		Name:   p.Name,
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{false},
		Shape:  tensor.Shape{f.out.batch, f.out.height, f.out.width, f.out.channels},
		Run:    f.forward,
		Again:  within(f.forward),
		Grad:   f.differentiate,
	}
	for _, q := range f.params() {
		s.Inputs, s.WRT = append(s.Inputs, t.Param(q)), append(s.WRT, true)
	}
	s.Cost = product(f.out.rows(), f.out.channels, p.Weight)
	if f.conv8 != nil {
		s.Uses = append(s.Uses, f.bytes.buf)
	}
	if p.Norm != nil {
		s.Uses = append(s.Uses, f.norm.uses()...)
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
	norm    *rowNorm     // nil for none
	convBuf *Buffer      // kept in training: the tokens before the norm
	w       *pack        // nil in 8 bits
	conv8   *int8Layer   // nil in float32
	bytes   plannedBytes // the images in 8 bits
	round   func(worker, i int)
	runs    [][2]int
	outputs [][2]int // that divide a run
	dw      *weightSums
	dbias   [][]float32 // of each run
	ends    int         // how often finish runs

	// In the current run.
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
	if rows := blockRows(f.out.rows(), f.patch.Inner()+f.out.channels); t.Train {
		f.spans = f.out.cut(rows)
	} else {
		f.spans, _ = f.out.even(rows, t.Pool().Workers())
	}
	for _, b := range f.spans {
		f.maxRows = max(f.maxRows, f.out.to(b)-f.out.from(b))
	}
	if f.conv8, err = t.newInt8Layer(p.Int8, p.Weight); err != nil {
		return nil, err
	}
	if f.conv8 != nil {
		f.bytes = t.newPlannedBytes(in.rows(), in.channels)
		f.round = f.roundPart
	} else {
		f.w = t.pack(p.Weight, packing{})
	}
	if p.Norm != nil {
		if err := p.Norm.check(w[0]); err != nil {
			return nil, err
		}
		f.norm = t.newRowNorm(p.Norm, f.out.rows(), f.out.rowsOf(f.spans))
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
	if f.conv8 != nil {
		if err := f.conv8.ready(nil); err != nil {
			return err
		}
		f.tape.Pool().Run(sumParts, f.round)
	}
	f.tape.Pool().Run(len(f.spans), f.embed)
	return nil
}

// roundPart rounds a part of the images to 8 bits.
func (f *patchEmbed) roundPart(_, i int) {
	const group = 64
	n := (len(f.x) + sumParts*group - 1) / (sumParts * group) * group // values of a part
	from, to := min(i*n, len(f.x)), min((i+1)*n, len(f.x))
	if from < to {
		bytes := kernels.NewBytes(f.bytes.matrix().Data[from:], 1, to-from)
		f.conv8.quantise(bytes, kernels.NewMatrix(f.x[from:to], 1, to-from))
	}
}

// convolveInt8 computes output lines from line y on of an image in 8 bits.
func (f *patchEmbed) convolveInt8(dst kernels.Matrix, image, y int) {
	p, line := f.patch, f.in.width*f.in.channels
	f.tape.kernels.ConvolveInt8Float(
		dst, 0, f.bytes.matrix().Data[(image*f.in.height+y*p.Step)*line:],
		kernels.Lines{
			Count:     dst.Rows / f.out.width,
			Width:     f.out.width,
			Step:      p.Step * line,
			Stride:    p.Step * f.in.channels,
			SegStride: line,
		},
		f.conv8.product.PackedInt8, f.conv8.product.rescale, kernels.Matrix{},
	)
}

func (f *patchEmbed) image(i int) []float32 {
	n := f.in.height * f.in.width * f.in.channels
	return f.x[i*n : (i+1)*n]
}

// conv returns the memory for the tokens of some rows before the norm.
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
		if f.conv8 != nil {
			f.convolveInt8(conv.Slice(at, at+n), b.image, b.line)
		} else {
			f.patch.Convolve(f.tape.kernels, conv.Slice(at, at+n), f.image(b.image), b.line, f.w.Packed, f.Bias.Data())
		}
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
	f.outputs = [][2]int{{0, f.out.channels}}
	if f.norm == nil { // the gradient before a norm would be computed for each of them
		f.outputs = f.outputRanges(t.Pool().Workers())
	}
	f.ends, f.finish = f.norm.finishAfter(sumParts, f.finishPart)
	for range f.runs {
		f.dbias = append(f.dbias, make([]float32, f.out.channels))
	}
	t.NeedScratch(scratchSize(nil, f.maxRows, f.out.channels))
	s := Spec{
		Kind: KindPatchEmbed + GradSuffix, Name: f.Name, Inputs: gorgonia.Nodes{dy, f.input}, Uses: []*Buffer{f.dw.buf},
		Shape: f.Weight.Shape(), Result: f.Weight, Run: f.runBackward,
	}
	if f.norm != nil {
		s.Uses = append(append(s.Uses, f.convBuf), f.norm.gradUses(t)...)
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
	pool.Run(len(f.runs)*len(f.outputs), f.backward)
	pool.Run(f.ends, f.finish)
	return nil
}

// outputRanges divides the outputs such that all workers have something to do with the runs. The ranges
// change no sum.
func (f *patchEmbed) outputRanges(workers int) [][2]int {
	const least = 4 * tile // outputs of a task
	parts := min((workers+len(f.runs)-1)/len(f.runs), max(1, f.out.channels/least))
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{i * f.out.channels / parts, (i + 1) * f.out.channels / parts}
	}
	return out
}

func (f *patchEmbed) finishPart(_, i int) {
	f.dw.finish(i)
	from, to := i*f.out.channels/sumParts, (i+1)*f.out.channels/sumParts
	if from == to {
		return
	}
	for _, b := range f.dbias {
		f.tape.kernels.Add(f.Bias.GradData()[from:to], b[from:to])
	}
}

// backwardRun adds up the gradients of some outputs over a run of spans.
func (f *patchEmbed) backwardRun(worker, task int) {
	run, first, end := task/len(f.outputs), f.outputs[task%len(f.outputs)][0], f.outputs[task%len(f.outputs)][1]
	dw, dbias := f.dw.run(run).Slice(first, end), f.dbias[run][first:end]
	f.tape.kernels.Clear(dw.Data[:dw.Rows*dw.Stride])
	clear(dbias)
	for i := f.runs[run][0]; i < f.runs[run][1]; i++ {
		b := f.spans[i]
		from, to := f.out.from(b), f.out.to(b)
		d := f.dy.Slice(from, to)
		if f.norm != nil {
			s := scratch{f.tape.Scratch(worker)}
			dconv := s.matrix(to-from, f.out.channels)
			f.norm.backward(dconv, d, f.conv(from, to), kernels.Matrix{}, from)
			d = dconv
		}
		d = d.Columns(first, end)
		f.tape.kernels.ColumnSums(d, dbias)
		at, n := 0, b.lines*f.out.width
		b.eachImage(func(b span) {
			f.patch.WeightGrad(f.tape.kernels, dw, f.image(b.image), b.line, d.Slice(at, at+n), kernels.FP32)
			at += n
		})
	}
}
