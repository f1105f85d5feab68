package ops

import (
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// patchConvGrad is the backward pass. Batch statistics couple the rows between its two sweeps.
//
// The gradient of a small weight is summed as the rows pass, a run of spans at a time. For a large
// weight, as in the last merging layers, the second sweep keeps the patches, and each task of a
// third region has some outputs and all rows: see [Tape.byOutputs].
type patchConvGrad struct {
	*patchConv
	runs    [][2]int    // of spans
	dw      *weightSums // of a small weight, or nil
	outputs *layerGrad  // of a large weight, or nil
	patches *placedRows // of all rows, for outputs
	scatter bool        // the gradient of the input is one product for a span
	v       []*kernels.Packed
	tasks   struct{ measure, input, finish func(worker, i int) }

	// In the current run.
	dy kernels.Matrix
	dx []float32
}

func (f *patchConv) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	g := &patchConvGrad{patchConv: f, scatter: f.scatters()}
	g.tasks.measure, g.tasks.input = g.measure, g.sweepInput
	t.NeedScratch(scratchSize(nil, f.maxRows, f.out.channels, f.patch.Inner()))
	s := Spec{
		Kind: KindPatchConvNorm + GradSuffix, Name: f.Name, Inputs: gorgonia.Nodes{dy, f.input},
		Uses: []*Buffer{f.convBuf}, Run: g.backward,
	}
	if f.precision == t.Precision && t.byOutputs(f.Weight.Size()) {
		s.Uses = append(s.Uses, g.divideByOutputs())
	} else {
		s.Uses = append(s.Uses, g.divideByRows())
	}
	s.Shape = f.input.Shape().Clone()
	if f.NoInputGrad {
		s.Shape, s.Result = f.Weight.Shape(), f.Weight
	} else {
		g.packWeight()
	}
	main, err := t.Record(s)
	if err != nil {
		return nil, err
	}
	grads, err := t.Gradients(main, f.params()...)
	if err == nil && f.NoInputGrad {
		grads[0] = nil
	}
	return grads, err
}

// divideByOutputs prepares the gradient of a large weight, and returns its planned memory.
func (g *patchConvGrad) divideByOutputs() *Buffer {
	t, size := g.tape, g.patch.Size
	g.runs = chunks(len(g.spans), len(g.spans))
	g.patches = t.newPlacedRows(g.out.rows(), g.patch.Inner())
	g.outputs = t.newProductGrad(&layerGrad{
		weight: g.Weight, out: g.out.channels, in: g.patch.Inner(), taps: size * size,
		shape: tokenShape{
			shape:  tensor.Shape{g.out.batch, g.out.height, g.out.width, g.out.channels},
			images: g.out.batch, rows: g.out.rows(), channels: g.out.channels,
		},
	})
	g.tasks.finish = g.outputs.task
	return g.patches.buf
}

// divideByRows does the same for a small weight.
func (g *patchConvGrad) divideByRows() *Buffer {
	g.runs = chunks(len(g.spans), chunkLimit(g.Weight.Size()))
	g.dw = g.tape.newWeightSums(g.Weight, len(g.runs))
	g.tasks.finish = finishTask(g.dw)
	return g.dw.buf
}

// packWeight packs the weight for the gradient of the input: whole, or each row of a patch.
func (g *patchConvGrad) packWeight() {
	if g.scatter {
		g.v = append(g.v, g.tape.pack(g.Weight, packing{use: PackInput, in: g.precision}).Packed)
		return
	}
	for row := range g.patch.Size {
		g.v = append(g.v, g.tape.pack(g.Weight, packing{use: packRow, row: row, in: g.precision}).Packed)
	}
}

func (g *patchConvGrad) backward(in [][]float32, out []float32) error {
	pool := g.tape.Pool()
	g.dy = g.out.matrix(in[0])
	g.dx = nil
	if !g.NoInputGrad {
		g.dx = out
		if !g.tiled() {
			clear(g.dx)
		}
	}
	if g.outputs != nil {
		g.patches.bind()
		g.outputs.dy, g.outputs.x = g.conv, g.patches
	}
	pool.Run(len(g.runs), g.tasks.measure)
	if err := g.norm.gradients(g.tape.Parallel); err != nil {
		return err
	}
	pool.Run(len(g.runs), g.tasks.input)
	if g.outputs != nil {
		pool.Run(g.outputs.tasks(), g.tasks.finish)
	} else {
		pool.Run(sumParts, g.tasks.finish)
	}
	return nil
}

func (g *patchConvGrad) measure(_, run int) {
	for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
		from, to := g.out.from(g.spans[i]), g.out.to(g.spans[i])
		sum, dot := g.norm.clearSums(i)
		g.tape.kernels.ColumnDots(g.dy.Slice(from, to), g.conv.Slice(from, to), g.norm.mean32, sum, dot)
	}
}

// sweepInput goes back through the norm and the convolution. For a weight divided by outputs, the
// gradient before the norm replaces the map before the norm.
func (g *patchConvGrad) sweepInput(worker, run int) {
	var dw kernels.Matrix
	if g.outputs == nil {
		dw = g.dw.start(run)
	}
	for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
		s, b := scratch{g.tape.Scratch(worker)}, g.spans[i]
		from, to := g.out.from(b), g.out.to(b)
		conv := g.conv.Slice(from, to)
		dconv := conv
		if g.outputs == nil {
			dconv = s.matrix(to-from, g.out.channels)
		}
		g.tape.kernels.CombineColumns(dconv, g.dy.Slice(from, to), conv, g.norm.scale, g.norm.slope, g.norm.level)
		patches := s.matrix(to-from, g.patch.Inner())
		g.weightGrad(dw, dconv, patches, b)
		if g.dx != nil {
			g.inputGrad(dconv, patches, b)
		}
	}
}

// weightGrad adds the gradient of the weight from a span to dw, or keeps the patches for it. patches is
// scratch.
func (g *patchConvGrad) weightGrad(dw, dconv, patches kernels.Matrix, b span) {
	switch {
	case g.outputs != nil:
		from := g.out.from(b)
		patches = g.patches.place(patches, from)
		g.gatherInto(patches, b)
		g.patches.put(patches, from)
	case g.gather:
		g.gatherInto(patches, b)
		g.tape.kernels.GemmTN(dw, dconv, patches, g.precision)
	default:
		g.eachImageRows(dconv, b, func(b span, rows kernels.Matrix) {
			g.patch.WeightGrad(g.tape.kernels, dw, g.image(g.x, b.image), b.line, rows, g.precision)
		})
	}
}

// inputGrad writes the gradient of the input from a span. patches is scratch.
func (g *patchConvGrad) inputGrad(dconv, patches kernels.Matrix, b span) {
	if !g.scatter {
		g.eachImageRows(dconv, b, func(b span, rows kernels.Matrix) {
			g.patch.InputGrad(g.tape.kernels, g.image(g.dx, b.image), b.line, rows, g.v)
		})
		return
	}
	g.tape.kernels.Gemm(patches, 1, dconv, g.v[0], kernels.Matrix{})
	defer g.tape.kernels.Begin().End(kernels.Work{Kind: kernels.Copying}, 8*patches.Rows*patches.Cols)
	k := g.tape.kernels.Unmetered()
	g.eachPatchLine(g.dx, b, func(row, column int, pixels kernels.Matrix) {
		k.Copy(pixels, patches.Slice(row, row+pixels.Rows).Columns(column, column+pixels.Cols))
	})
}

// eachImageRows calls f with the part of every image in a span, and with its rows of m.
func (g *patchConvGrad) eachImageRows(m kernels.Matrix, b span, f func(b span, rows kernels.Matrix)) {
	at, n := 0, b.lines*g.out.width
	b.eachImage(func(b span) {
		f(b, m.Slice(at, at+n))
		at += n
	})
}
