package ops

import "fasternet/kernels"

// layerWeight is the packed weight of a layer on tokens. In evaluation it is
// the copy that all graphs share. In training the weights change every step and
// a copy of each would take as much memory as the model: it is packed right
// before its use, into memory that the layers share.
type layerWeight struct {
	*kernels.Packed
	param  *Param
	use    PackUse   // PackForward or PackInput
	up     *upWeight // where the weight is that of a transposed convolution
	shared *pack
	buf    *Buffer
	panel  func(worker, i int)
}

func (t *Tape) newLayerWeight(p *Param, use PackUse) *layerWeight {
	w := &layerWeight{param: p, use: use}
	if !t.Train {
		w.shared = t.pack(p, packing{use: use, in: t.Precision})
		w.Packed = w.shared.Packed
		return w
	}
	rows, cols := w.size()
	w.Packed = &kernels.Packed{Kernels: t.kernels, Precision: t.Precision}
	w.buf = t.NewBuffer(t.kernels.PackedLen(rows, cols, t.Precision))
	w.panel = w.packPanel
	return w
}

// size is that of the right-hand side of the product.
func (w *layerWeight) size() (rows, cols int) {
	out, in := w.param.Shape()[0], w.param.Size()/w.param.Shape()[0]
	if w.up != nil {
		out, in = in, out
	}
	if w.use == PackInput {
		return out, in
	}
	return in, out
}

func (w *layerWeight) packPanel(_, i int) {
	if w.up != nil { // its rows are the inputs already
		if m := w.up.matrix(); w.use == PackInput {
			w.PackPanelTransposed(i, m)
		} else {
			w.PackPanel(i, m)
		}
		return
	}
	out := w.param.Shape()[0]
	m := kernels.NewMatrix(w.param.Data(), out, w.param.Size()/out)
	if w.use == PackInput {
		w.PackPanel(i, m)
	} else {
		w.PackPanelTransposed(i, m)
	}
}

// bind is the part of ready that takes no time.
func (w *layerWeight) bind() {
	rows, cols := w.size()
	w.Resize(rows, cols, w.buf.data)
}

// ready must be called in a run before the weight is used.
func (w *layerWeight) ready(pool *kernels.Pool) { readyWeights(pool, w) }

// readyWeights is ready for several weights, in one parallel region.
func readyWeights(pool *kernels.Pool, ws ...*layerWeight) {
	panels := 0
	for _, w := range ws {
		if w.shared != nil {
			continue
		}
		if w.up != nil {
			w.up.reorder(pool)
		}
		w.bind()
		panels += w.Panels()
	}
	if panels == 0 {
		return
	}
	pool.Run(panels, func(worker, i int) {
		for _, w := range ws {
			if w.shared != nil {
				continue
			}
			if i < w.Panels() {
				w.panel(worker, i)
				return
			}
			i -= w.Panels()
		}
	})
}

// used lists the planned memory of weights.
func used(ws ...*layerWeight) []*Buffer {
	var out []*Buffer
	for _, w := range ws {
		if w.buf != nil {
			out = append(out, w.buf)
		}
		if w.up != nil {
			out = append(out, w.up.buf)
		}
	}
	return out
}

// layerGrad adds the gradients of a layer's weight [out, in] and bias (or nil)
// from the inputs x and the gradient dy of the outputs. Each task has some
// outputs and all tokens, so that nothing is left to be summed up.
type layerGrad struct {
	tape         *Tape
	weight, bias *Param
	up           *upGrad // where the weight is that of a transposed convolution
	out, in      int
	shape        tokenShape // of dy
	parts        int
	chunk        int // tokens at a time: what fits into the second-level cache

	// Of the run in progress.
	dy   kernels.Matrix
	x    *packedRows
	keep []float32 // factors of dy, or nil
}

func (t *Tape) newLayerGrad(weight, bias *Param, shape tokenShape) *layerGrad {
	out := weight.Shape()[0]
	return t.newProductGrad(&layerGrad{weight: weight, bias: bias, out: out, in: weight.Size() / out, shape: shape})
}

func (t *Tape) newProductGrad(g *layerGrad) *layerGrad {
	const most, width = 1024, 96
	g.tape = t
	shape, out := g.shape, g.out
	chunks := (shape.rows + most - 1) / most
	step := t.kernels.RowStep(t.Precision)
	g.chunk = ((shape.rows+chunks-1)/chunks + step - 1) / step * step
	g.parts = (out + width - 1) / width
	if few := min(8, (out+31)/32); g.parts < few {
		g.parts = few
	}
	g.parts = (g.parts + 1) / 2 * 2
	t.NeedScratch(scratchSize([]int{g.chunk * g.stride()}, 0))
	return g
}

// stride is the widest part.
func (g *layerGrad) stride() int {
	return (g.out + g.parts - 1) / g.parts
}

// sums are what the gradients of weight and bias are added to.
func (g *layerGrad) sums() (weights, bias []float32) {
	if g.up != nil {
		return g.up.sums()
	}
	if g.bias != nil {
		bias = g.bias.GradData()
	}
	return g.weight.GradData(), bias
}

func (g *layerGrad) task(worker, i int) {
	from, to := i*g.out/g.parts, (i+1)*g.out/g.parts
	if from == to {
		return
	}
	weights, bias := g.sums()
	dw := kernels.NewMatrix(weights, g.out, g.in).Slice(from, to)
	s := scratch{g.tape.Scratch(worker)}
	memory := s.vector(g.chunk * (to - from))
	for row := 0; row < g.shape.rows; row += g.chunk {
		end := min(row+g.chunk, g.shape.rows)
		part := kernels.NewMatrix(memory, end-row, to-from)
		g.shape.scaled(g.tape.kernels, part, g.dy.Slice(row, end).Columns(from, to), row, g.keep)
		if bias != nil {
			g.tape.kernels.ColumnSums(part, bias[from:to])
		}
		g.tape.kernels.GemmTNPacked(dw, part, &g.x.Packed, row)
	}
}

// layerGradTask is the task of several layers: a pool runs it as often as they
// have parts together.
func layerGradTask(gs ...*layerGrad) (tasks int, task func(worker, i int)) {
	for _, g := range gs {
		tasks += g.parts
	}
	return tasks, func(worker, i int) {
		for _, g := range gs {
			if i < g.parts {
				g.task(worker, i)
				return
			}
			i -= g.parts
		}
	}
}
