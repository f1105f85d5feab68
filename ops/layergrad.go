package ops

import "fasternet/kernels"

// layerGrad adds the gradients of a layer's weight [out, in] and bias (or nil), from the inputs x
// and the gradient dy of the outputs. Each task has some outputs and all rows, so no partial sums
// are left.
type layerGrad struct {
	tape         *Tape
	weight, bias *Param
	up           *upGrad     // if the weight belongs to a transposed convolution
	scale        *scaledGrad // if the outputs are scaled after the product
	out, in      int
	taps         int        // of a convolution without bias: pixels that an output sees; 0 for a linear layer
	shape        tokenShape // of dy
	outputs      [][2]int   // of the tasks
	inputs       [][2]int   // of the tasks: see divideInputs
	chunk        int        // rows at a time that fit into the second-level cache

	// In the current run.
	dy   kernels.Matrix
	x    layerInputs
	keep []float32 // factors of dy for each image, or nil
}

// layerInputs holds the inputs of a layer for all rows.
type layerInputs interface {
	// addGrad computes dw += dyᵀ·x. It uses as many rows of x as dy has, from row on, and as many
	// columns as dw has, from col on, which are whole panels.
	addGrad(dw, dy kernels.Matrix, row, col int)
}

func (t *Tape) newLayerGrad(weight, bias *Param, shape tokenShape) *layerGrad {
	out := weight.Shape()[0]
	return t.newProductGrad(&layerGrad{weight: weight, bias: bias, out: out, in: weight.Size() / out, shape: shape})
}

func (t *Tape) newProductGrad(g *layerGrad) *layerGrad {
	// A chunk has at most 1024 rows, so that its gradients and inputs stay in the second-level
	// cache. The sums of a task, which begin as zeros, stay there for a convolution of fewer
	// outputs: three tiles.
	const most = 1024
	width := 96
	if g.taps > 0 {
		width = 3 * tile
	}
	g.tape = t
	shape, out := g.shape, g.out
	chunks := (shape.rows + most - 1) / most
	step := t.kernels.RowStep(t.Precision)
	g.chunk = ((shape.rows+chunks-1)/chunks + step - 1) / step * step
	parts := max((out+width-1)/width, min(8, (out+31)/32))
	g.outputs = tileRanges(out, t.kernels.TileRows(), (parts+1)/2*2)
	g.inputs = [][2]int{{0, g.in}}
	memory := []int{g.chunk * longest(g.outputs)}
	if g.taps > 0 {
		memory = append(memory, longest(g.outputs)*g.in)
	}
	t.NeedScratch(scratchSize(memory, 0))
	return g
}

func (g *layerGrad) tasks() int { return len(g.outputs) * len(g.inputs) }

// divideInputs divides the inputs of layers whose tasks run in one region, if the outputs alone give the
// workers too few tasks or tasks of very different sizes. The sums are the same for any division.
func divideInputs(gs []*layerGrad) {
	const gain, mostRounds = 0.05, 4 // the least gain of the load; tasks for each worker at most
	t := gs[0].tape
	workers := t.Pool().Workers()
	total := 0
	for _, g := range gs {
		total += g.out * g.in
	}
	best, load := []int(nil), (1-gain)*layerGradLoad(gs, nil, workers)
	for rounds := 1; rounds <= mostRounds; rounds++ {
		across := make([]int, len(gs))
		for i, g := range gs {
			each := float64(g.out*g.in) / float64(len(g.outputs)) // of a task with all inputs
			across[i] = max(1, int(each*float64(workers*rounds)/float64(total)+0.5))
			if g.scale != nil || g.taps > 0 { // these finish with all inputs of an output
				across[i] = 1
			}
		}
		if l := layerGradLoad(gs, across, workers); l < load {
			best, load = across, l
		}
	}
	for i := range best {
		gs[i].inputs = panelRanges(gs[i].in, t.kernels.PanelWidth(), best[i])
	}
}

// layerGradLoad returns the work of the busiest worker if the inputs are divided into the given
// numbers of parts, in values of the weights. A task reads its outputs once more, which takes about
// as long as inputsOfTask more inputs (an estimate).
func layerGradLoad(gs []*layerGrad, across []int, workers int) float64 {
	const inputsOfTask = 24
	var tasks []float64
	for i, g := range gs {
		inputs := [][2]int{{0, g.in}}
		if across != nil {
			inputs = panelRanges(g.in, g.tape.kernels.PanelWidth(), across[i])
		}
		for _, o := range g.outputs {
			for _, in := range inputs {
				tasks = append(tasks, float64((o[1]-o[0])*(in[1]-in[0]+inputsOfTask)))
			}
		}
	}
	// Tasks differ, and workers help each other. A worker waits at most for an even share and the
	// longest task, or, with one task for each worker, for the longest task.
	sum, most, load := 0.0, 0.0, 0.0
	for w := range workers { // as Pool.Run divides tasks
		own := 0.0
		for _, v := range tasks[w*len(tasks)/workers : (w+1)*len(tasks)/workers] {
			own += v
			most = max(most, v)
		}
		sum += own
		load = max(load, own)
	}
	return min(load, sum/float64(workers)+most)
}

// sums returns the memory to which the gradients of weight and bias are added.
func (g *layerGrad) sums() (weights, bias []float32) {
	switch {
	case g.up != nil:
		return g.up.sums()
	case g.scale != nil:
		return g.scale.buf.data, nil
	case g.bias != nil:
		bias = g.bias.GradData()
	}
	return g.weight.GradData(), bias
}

func (g *layerGrad) task(worker, i int) {
	from, to := g.outputs[i/len(g.inputs)][0], g.outputs[i/len(g.inputs)][1]
	in := g.inputs[i%len(g.inputs)]
	k, s := g.tape.kernels, scratch{g.tape.Scratch(worker)}
	memory := s.vector(g.chunk * (to - from))
	weights, bias := g.sums()
	var dw kernels.Matrix
	if g.taps > 0 { // in the order of the product, which differs from the gradient's
		dw = kernels.NewMatrix(s.vector((to-from)*g.in), to-from, g.in)
		k.Clear(dw.Data)
	} else {
		dw = kernels.NewMatrix(weights, g.out, g.in).Slice(from, to).Columns(in[0], in[1])
	}
	if in[0] > 0 {
		bias = nil // the task with the first inputs has it
	}
	if g.scale != nil {
		g.scale.start(dw)
	}
	g.eachChunk(func(row, end int) {
		dy := g.dy.Slice(row, end).Columns(from, to)
		if g.keep != nil || rowStride(g.dy.Stride) != g.dy.Stride { // else its rows spread over the cache already
			part := kernels.NewMatrix(memory, end-row, to-from)
			g.shape.scaled(k, part, dy, row, g.keep)
			dy = part
		}
		if bias != nil {
			k.ColumnSums(dy, bias[from:to])
		}
		g.x.addGrad(dw, dy, row, in[0])
	})
	if g.scale != nil {
		g.scale.finish(dw, from)
	}
	if g.taps > 0 {
		addWeights(k, g.weight, from, dw)
	}
}

// eachChunk calls f for the rows, some at a time. It leaves out the rows of images whose factor is 0,
// except for rows that are needed to begin at a row of a packed matrix.
func (g *layerGrad) eachChunk(f func(row, end int)) {
	some := func(from, to int) {
		for row := from; row < to; row += g.chunk {
			f(row, min(row+g.chunk, to))
		}
	}
	if g.keep == nil {
		some(0, g.shape.rows)
		return
	}
	n, step, done := g.shape.perImage(), g.tape.kernels.RowStep(g.tape.Precision), 0
	for i := 0; i < g.shape.images; i++ {
		if g.keep[i] == 0 {
			continue
		}
		from := max(done, i*n/step*step)
		for i+1 < g.shape.images && g.keep[i+1] != 0 {
			i++
		}
		done = min(g.shape.rows, ((i+1)*n+step-1)/step*step)
		some(from, done)
	}
}

// layerGradTask returns the task of several layers. A pool runs it as often as they have parts together.
func layerGradTask(gs ...*layerGrad) (tasks int, task func(worker, i int)) {
	divideInputs(gs)
	for _, g := range gs {
		tasks += g.tasks()
	}
	return tasks, func(worker, i int) {
		for _, g := range gs {
			if i < g.tasks() {
				g.task(worker, i)
				return
			}
			i -= g.tasks()
		}
	}
}

// scaledGrad is for a layer whose outputs are multiplied by the values of a parameter. Let D = Σ dyᵀ·x.
// The gradient of the weight is scale·D by rows. The gradient of the scale is the product of D with the
// weight, summed over each row.
type scaledGrad struct {
	kernels       *kernels.Set
	weight, scale *Param
	buf           *Buffer // D
}

func (t *Tape) newScaledGrad(weight, scale *Param) *scaledGrad {
	return &scaledGrad{kernels: t.kernels, weight: weight, scale: scale, buf: t.NewBuffer(weight.Size())}
}

// start clears rows of D.
func (g *scaledGrad) start(d kernels.Matrix) { g.kernels.Clear(d.Data[:d.Rows*d.Cols]) }

// finish adds the gradients of some outputs, whose rows of D are complete.
func (g *scaledGrad) finish(d kernels.Matrix, from int) {
	for i := range d.Rows {
		row, o := d.Row(i), from+i
		at := o * d.Cols
		g.scale.GradData()[o] += g.kernels.Dot(row, g.weight.Data()[at:])
		grad := kernels.NewMatrix(g.weight.GradData()[at:at+d.Cols], 1, d.Cols)
		g.kernels.Combine(grad, kernels.NewMatrix(row, 1, d.Cols), grad, g.scale.Data()[o], 1)
	}
}
