package ops

import (
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

// patchConvGrad is the backward pass.
type patchConvGrad struct {
	*patchConv
	runs  [][2]int
	dw    *weightSums
	dy    kernels.Matrix
	dx    []float32
	v     []*kernels.Packed // weights of each row of a patch
	tasks struct{ measure, input, finish func(worker, i int) }
}

func (f *patchConv) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	g := &patchConvGrad{patchConv: f, runs: chunks(len(f.spans), chunkLimit(f.Weight.Size()))}
	g.dw = t.newWeightSums(f.Weight, len(g.runs))
	g.tasks.measure, g.tasks.input, g.tasks.finish = g.measure, g.sweepInput, finishTask(g.dw)
	t.NeedScratch(scratchSize(nil, f.maxRows, f.out.channels, f.patch.Inner()))
	s := Spec{
		Kind: KindPatchConvNorm + GradSuffix, Name: f.Name, Inputs: gorgonia.Nodes{dy, f.input},
		Uses: []*Buffer{f.convBuf, g.dw.buf}, Run: g.backward,
	}
	if f.NoInputGrad {
		s.Shape, s.Result = f.Weight.Shape(), f.Weight
	} else {
		s.Shape = f.input.Shape().Clone()
		if f.gather {
			g.v = append(g.v, t.pack(f.Weight, packing{use: PackInput, in: f.precision}).Packed)
		}
		for row := 0; row < f.patch.Size && !f.gather; row++ {
			q := t.pack(f.Weight, packing{use: packRow, row: row, in: f.precision})
			g.v = append(g.v, q.Packed)
		}
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

func (g *patchConvGrad) backward(in [][]float32, out []float32) error {
	pool := g.tape.Pool()
	g.dy = g.out.matrix(in[0])
	g.dx = nil
	if !g.NoInputGrad {
		g.dx = out
		if g.patch.Overlap() || !g.patch.Covers() {
			clear(g.dx)
		}
	}
	pool.Run(len(g.runs), g.tasks.measure)
	if err := g.norm.gradients(g.tape.Parallel); err != nil {
		return err
	}
	pool.Run(len(g.runs), g.tasks.input)
	pool.Run(sumParts, g.tasks.finish)
	return nil
}

func (g *patchConvGrad) measure(_, run int) {
	for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
		from, to := g.out.from(g.spans[i]), g.out.to(g.spans[i])
		sum, dot := g.norm.clearSums(i)
		g.tape.kernels.ColumnDots(g.dy.Slice(from, to), g.conv.Slice(from, to), g.norm.mean32, sum, dot)
	}
}

func (g *patchConvGrad) sweepInput(worker, run int) {
	dw := g.dw.start(run)
	for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
		s := scratch{g.tape.Scratch(worker)}
		from, to := g.out.from(g.spans[i]), g.out.to(g.spans[i])
		dconv := s.matrix(to-from, g.out.channels)
		g.tape.kernels.CombineColumns(dconv, g.dy.Slice(from, to), g.conv.Slice(from, to), g.norm.scale, g.norm.slope, g.norm.level)
		if g.gather {
			g.sweepGathered(dconv, dw, g.spans[i], &s)
			continue
		}
		at, n := 0, g.spans[i].lines*g.out.width
		g.spans[i].eachImage(func(b span) {
			rows := dconv.Slice(at, at+n)
			g.patch.WeightGrad(g.tape.kernels, dw, g.image(g.x, b.image), b.line, rows, g.precision)
			if g.dx != nil {
				g.patch.InputGrad(g.tape.kernels, g.image(g.dx, b.image), b.line, rows, g.v)
			}
			at += n
		})
	}
}
