package ops

import (
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

// blockGrad is the backward pass of a FasterNet block. It computes the activation again from the hidden
// map, and all gradients in sweeps over the rows. Batch statistics couple the rows between the first
// and the second sweep. A third sweep is for the convolution of images that are divided among runs: see
// [imagesInRun].
//
// The gradients of small weights are summed as the rows pass, a run of spans at a time. The gradients
// of large weights have their own tasks: see [blockOutputs].
type blockGrad struct {
	*block
	runs          [][2]int // of spans; each run sums gradients of small weights
	images        imagesInRun
	dhBuf         *Buffer       // gradient of the hidden map after the norm [rows, hidden]
	dw1, dw2, dwp *weightSums   // of small weights
	outputs       *blockOutputs // of large ones, or nil

	// In the current run.
	dy, dx, dz kernels.Matrix
	v1, v2, vp *pack
	tasks      struct{ hidden, input, convolution, finish func(worker, i int) }
}

// differentiate builds the backward op and returns its gradients.
func (f *block) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	g := &blockGrad{block: f}
	s := Spec{
		Kind:   KindFasterNetBlock + GradSuffix,
		Name:   f.Name,
		Inputs: gorgonia.Nodes{dy, f.input},
		Shape:  f.input.Shape().Clone(),
		Uses:   []*Buffer{f.convolvedBuf, f.hiddenMap.buf},
		Run:    g.backward,
	}
	c := f.shape.channels
	if t.byOutputs(f.Conv1.Size()) && f.grn == nil { // a GRN has its own sweeps
		g.runs = chunks(len(f.spans), len(f.spans))
		g.images = newImagesInRun(f.shape, f.spans, g.runs, f.Units != nil)
		g.outputs = t.newBlockOutputs(g)
		g.dhBuf = g.outputs.hiddenGrad.buf
		s.Uses = append(s.Uses, g.outputs.uses()...)
		t.NeedScratch(scratchSize(nil, f.maxRows, c, c, f.hidden, f.hidden))
	} else {
		s.Reuse = 1 // dx may replace dy; gradients divided by outputs would still need dy
		g.dhBuf = t.NewBuffer(f.shape.rows() * f.hidden)
		g.runs = chunks(len(f.spans), chunkLimit(f.Conv1.Size()))
		g.images = newImagesInRun(f.shape, f.spans, g.runs, f.Units != nil)
		g.dw1 = t.newWeightSums(f.Conv1, len(g.runs))
		g.dw2 = t.newWeightSums(f.Conv2, len(g.runs))
		g.dwp = t.newWeightSums(f.PConv, len(g.runs))
		g.tasks.finish = finishTask(g.dw1, g.dw2, g.dwp)
		s.Uses = append(s.Uses, g.dhBuf, g.dw1.buf, g.dw2.buf, g.dwp.buf)
		t.NeedScratch(scratchSize([]int{f.hidden, f.hidden}, f.maxRows, c, c, f.hidden, f.hidden, f.hidden))
	}
	t.NeedScratch(scratchSize([]int{f.strip, f.strip}, 0))
	g.v1 = t.pack(f.Conv1, packing{use: PackInput, in: t.Precision})
	g.v2 = t.pack(f.Conv2, packing{use: PackInput, in: t.Precision})
	g.vp = t.pack(f.PConv, packing{use: packAdjoint, in: t.Precision})
	g.tasks.hidden, g.tasks.input, g.tasks.convolution = g.sweepHidden, g.sweepInput, g.sweepConvolution
	if f.Keep != nil {
		s.Inputs = append(s.Inputs, f.Keep)
	}
	dx, err := t.Record(s)
	if err != nil {
		return nil, err
	}
	grads, err := t.Gradients(dx, f.params()...)
	if f.Keep != nil {
		grads = append(grads, nil)
	}
	return grads, err
}

func (g *blockGrad) backward(in [][]float32, out []float32) error {
	pool := g.tape.Pool()
	g.dy, g.dx = g.shape.matrix(in[0]), g.shape.matrix(out)
	g.dz = kernels.NewMatrix(g.dhBuf.data, g.shape.rows(), g.hidden)
	if g.outputs != nil {
		g.dz = g.outputs.hiddenGrad.matrix()
		g.outputs.bind()
	}
	if g.grn != nil {
		g.hiddenWithGRN()
	} else {
		pool.Run(len(g.runs), g.tasks.hidden)
	}
	if g.outputs == nil {
		g.scaleGradient()
	}
	if err := g.norm.gradients(g.tape.Parallel); err != nil {
		return err
	}
	pool.Run(len(g.runs), g.tasks.input)
	if g.outputs != nil {
		pool.Run(g.outputs.tasks, g.outputs.task)
		return nil
	}
	if g.images.any {
		pool.Run(len(g.runs), g.tasks.convolution)
	}
	pool.Run(3*sumParts, g.tasks.finish)
	return nil
}

// sweepHidden goes back through the second product and the activation.
func (g *blockGrad) sweepHidden(worker, run int) {
	var dw kernels.Matrix
	if g.outputs == nil {
		dw = g.dw2.start(run)
	}
	for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
		sum, dot := g.norm.clearSums(i)
		b := g.spans[i]
		if g.keep == nil {
			g.hiddenPart(worker, b, dw, sum, dot)
			continue
		}
		b.eachImage(func(b span) { g.hiddenPart(worker, b, dw, sum, dot) })
	}
}

func (g *blockGrad) hiddenPart(worker int, b span, dw kernels.Matrix, sum, dot []float32) {
	from, to := g.shape.from(b), g.shape.to(b)
	dz, keep := g.dz.Slice(from, to), g.keepOf(b.image)
	if keep == 0 {
		g.tape.kernels.Clear(dz.Data[:(to-from)*dz.Stride])
		if g.outputs != nil {
			g.outputs.activations.leaveOut(from, to)
		}
		return
	}
	s := scratch{g.tape.Scratch(worker)}
	rows, c := to-from, g.shape.channels
	dy := g.dy.Slice(from, to)
	if keep != 1 {
		scaled := s.matrix(rows, c)
		g.tape.kernels.Combine(scaled, dy, dy, keep, 0)
		dy = scaled
	}
	dv := dy // gradient of the product before the layer scale
	if g.LayerScale != nil {
		dv = s.matrix(rows, c)
		kernels.ScaleColumns(dv, dy, g.LayerScale.Data())
	}
	da := dz
	if g.outputs == nil {
		da = s.matrix(rows, g.hidden)
	}
	a, h := s.matrix(rows, g.hidden), s.matrix(rows, g.hidden)
	if g.outputs != nil {
		a = g.outputs.activations.place(a, from)
	}
	g.tape.kernels.Gemm(da, 1, dv, g.v2.Packed, kernels.Matrix{})
	g.tape.kernels.AffineGrad(
		a, dz, g.hiddenMap.get(h, from, 0), da, g.norm.scale, g.norm.shift, g.norm.mean32, sum, dot, g.Act,
	)
	if g.outputs != nil {
		g.outputs.activations.put(a, from)
		return
	}
	g.tape.kernels.GemmTN(dw, dy, a, g.tape.Precision) // without the layer scale: see scaleGradient
}

// scaleGradient completes the gradients of the second product and of the layer scale. Let D = Σ dyᵀ·a.
// The first is scale·D by rows. The second, Σ dy·v with v = conv2(a), is the row-wise product of D with
// the weights.
func (g *blockGrad) scaleGradient() {
	if g.LayerScale == nil {
		return
	}
	scale, grad := g.LayerScale.Data(), g.LayerScale.GradData()
	weights := g.Conv2.Data()
	for run := range g.runs {
		d := g.dw2.run(run)
		for c := range scale {
			row := d.Row(c)
			grad[c] += g.tape.kernels.Dot(row, weights[c*g.hidden:])
			kernels.Scale(row, scale[c])
		}
	}
}

// sweepInput goes back through the norm and the first product. The gradient of the convolved channels
// replaces the convolved channels. At the end of an image it also goes back through the convolution.
func (g *blockGrad) sweepInput(worker, run int) {
	var dw, dwp kernels.Matrix
	if g.outputs == nil {
		dw, dwp = g.dw1.start(run), g.dwp.start(run)
	}
	c := g.shape.channels
	// The panels of the product with convolved channels write to memory of their own. The others add
	// dy themselves, in float32; in bfloat16 the product converts its rows, and stays whole.
	apart := c
	if g.tape.Precision == kernels.FP32 {
		apart = g.v1.PanelStart(g.partial)
	}
	for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
		s := scratch{g.tape.Scratch(worker)}
		b := g.spans[i]
		from, to := g.shape.from(b), g.shape.to(b)
		h, u, du := s.matrix(to-from, g.hidden), s.matrix(to-from, c), s.matrix(to-from, c).Columns(0, apart)
		dz := g.dz.Slice(from, to)
		dh := h
		if g.outputs != nil {
			dh, u = dz, g.outputs.mixed.place(u, from)
		}
		g.tape.kernels.CombineColumns(dh, dz, g.hiddenMap.get(h, from, 0), g.norm.scale, g.norm.slope, g.norm.level)
		convolved := g.convolved.Slice(from, to)
		g.gather(u, convolved, b)
		dx, dy := g.dx.Slice(from, to), g.dy.Slice(from, to)
		g.tape.kernels.GemmBlock(du, 1, dh, g.v1.Packed, 0, 0, kernels.Matrix{})
		g.tape.kernels.GemmBlock(dx.Columns(apart, c), 1, dh, g.v1.Packed, 0, apart, dy.Columns(apart, c))
		if g.outputs != nil {
			g.outputs.mixed.put(u, from)
			g.outputs.conv.put(b, s)
		} else {
			g.tape.kernels.GemmTN(dw, dh, u, g.tape.Precision)
		}
		g.tape.kernels.Copy(convolved, du.Columns(0, g.partial))
		g.tape.kernels.Combine(
			dx.Columns(g.partial, apart), dy.Columns(g.partial, apart), du.Columns(g.partial, apart), 1, 1,
		)
		for first := g.images.first[i]; first >= 0 && first <= i; first++ {
			g.convolutionGrad(worker, g.spans[first], dwp)
		}
	}
}

// sweepConvolution goes back through the partial convolution of the spans that had to wait.
func (g *blockGrad) sweepConvolution(worker, run int) {
	for _, i := range g.images.late[run] {
		var dwp kernels.Matrix
		if g.outputs == nil {
			dwp = g.dwp.run(run)
		}
		g.convolutionGrad(worker, g.spans[i], dwp)
	}
}
