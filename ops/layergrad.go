package ops

import "fasternet/kernels"

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
