package ops

// rowsWeight is the number of values of the largest weight whose gradient is divided by rows: 1 MiB.
const rowsWeight = 256 << 10

// byOutputs says whether the gradient of a weight with this many values is divided by outputs, not by
// rows. A task with some of the rows adds to sums of the size of the weight for each span, and the
// sums of all tasks must be cleared and added up. That is quick while a weight nearly fits into a
// second-level cache of 1 MiB or more. Larger sums would come from memory with every span; then a
// task has some of the outputs and all rows. For that the whole maps on both sides of the product
// must be in memory, but they are small if weights are large. On a Zen 5 with two threads that made
// the training of FasterNet-S at batch 8 1.095 and of L at batch 4 1.11 times as fast.
func (t *Tape) byOutputs(values int) bool { return values > t.rowsWeight }

// blockOutputs computes the gradients of large weights of a FasterNet block. After the sweeps over the
// rows, each task adds up the gradient of some outputs over all rows. At the same time the gradient of
// the convolution's input is computed.
type blockOutputs struct {
	*blockGrad
	hiddenGrad   padded      // of the hidden map: after the norm, then before it
	activations  *placedRows // inputs of conv2
	mixed        *placedRows // inputs of conv1
	grad1, grad2 *layerGrad
	conv         *pconvGrad
	layers       func(worker, i int)
	layerTasks   int
	tasks        int
}

func (t *Tape) newBlockOutputs(g *blockGrad) *blockOutputs {
	rows, c := g.shape.rows(), g.shape.channels
	o := &blockOutputs{
		blockGrad:   g,
		hiddenGrad:  t.newPadded(rows, g.hidden),
		activations: t.newPlacedRows(rows, g.hidden),
		mixed:       t.newPlacedRows(rows, c),
		grad1:       t.newLayerGrad(g.Conv1, nil, tokenShape{images: g.shape.batch, rows: rows, channels: g.hidden}),
		grad2:       t.newLayerGrad(g.Conv2, nil, tokenShape{images: g.shape.batch, rows: rows, channels: c}),
		conv:        t.newPConvGrad(g.block),
	}
	if g.LayerScale != nil {
		o.grad2.scale = t.newScaledGrad(g.Conv2, g.LayerScale)
	}
	o.layerTasks, o.layers = layerGradTask(o.grad1, o.grad2)
	o.tasks = o.layerTasks + len(o.conv.outputs)
	if g.images.any {
		o.tasks += len(g.runs)
	}
	return o
}

// uses returns the planned memory.
func (o *blockOutputs) uses() []*Buffer {
	b := []*Buffer{o.hiddenGrad.buf, o.activations.buf, o.mixed.buf, o.conv.padded}
	if o.grad2.scale != nil {
		b = append(b, o.grad2.scale.buf)
	}
	return b
}

// bind must be called before the sweeps.
func (o *blockOutputs) bind() {
	o.activations.bind()
	o.mixed.bind()
	o.grad1.dy, o.grad1.x = o.dz, o.mixed
	o.grad2.dy, o.grad2.x, o.grad2.keep = o.dy, o.activations, o.keep
	o.conv.bind()
}

func (o *blockOutputs) task(worker, i int) {
	if i < o.layerTasks {
		o.layers(worker, i)
		return
	}
	i -= o.layerTasks
	if i < len(o.conv.outputs) {
		o.conv.task(worker, i)
		return
	}
	o.sweepConvolution(worker, i-len(o.conv.outputs))
}
