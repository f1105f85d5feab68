package ops

import "fasternet/kernels"

// byColumns says whether the products of a block are divided by columns: if the workers then
// get more even parts than the lines give them, whose load [mapShape.even] returns, and if
// the map between the products is so small that it stays in the caches.
func byColumns(s mapShape, hidden, panel, workers int, load float64) bool {
	const gain, mostValues = 0.04, 512 << 10
	if s.rows()*(s.channels+hidden) > mostValues {
		return false
	}
	for _, columns := range []int{s.channels, hidden} {
		if most := longest(panelRanges(columns, panel, workers)); float64(most*workers)/float64(columns) > load-gain {
			return false
		}
	}
	return true
}

// blockColumns is a FasterNet block for evaluation on a map of so few lines that they cannot
// be divided evenly among the workers. The partial convolution is still divided by lines, but
// each of the two products by the columns of its result: a worker then reads only its part of
// the weights, which at batch 1 are more than the map. Every value is the sum that it is
// otherwise, in the same order.
type blockColumns struct {
	*block
	mixed, hiddenMap plannedFactor // what conv1 gets, and what conv2 gets
	up, down         [][2]int      // columns of the two products
	tasks            struct{ mix, expand, project func(worker, i int) }

	u, a kernels.Factor // the two, of the run in progress
}

func (t *Tape) newBlockColumns(f *block) *blockColumns {
	c, rows, workers := &blockColumns{block: f}, f.shape.rows(), t.Pool().Workers()
	c.mixed, c.hiddenMap = t.newPlannedFactor(rows, f.shape.channels), t.newPlannedFactor(rows, f.hidden)
	c.up, c.down = panelRanges(f.hidden, t.kernels.PanelWidth(), workers), panelRanges(f.shape.channels, t.kernels.PanelWidth(), workers)
	c.tasks.mix, c.tasks.expand, c.tasks.project = c.mix, c.expand, c.project
	t.NeedScratch(scratchSize(nil, rows, max(longest(c.down), longest(c.up))))
	return c
}

// panelRanges divides columns into as many ranges as there are workers, of whole panels of a
// packed matrix, the last of which may be half as wide again.
func panelRanges(columns, panel, workers int) [][2]int {
	vectors := (2*columns + panel - 1) / panel // a panel has two
	panels := max(1, vectors/2)
	parts := min(panels, workers)
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{i * panels / parts * panel, (i + 1) * panels / parts * panel}
	}
	out[parts-1][1] = columns
	return out
}

func (c *blockColumns) forward(in [][]float32, out []float32) error {
	c.bind(in, out)
	c.norm.running()
	c.u, c.a = c.mixed.factor(), c.hiddenMap.factor()
	pool := c.tape.Pool()
	pool.Run(len(c.spans), c.tasks.mix)
	pool.Run(len(c.up), c.tasks.expand)
	pool.Run(len(c.down), c.tasks.project)
	return nil
}

// mix is the partial convolution of a span.
func (c *blockColumns) mix(worker, i int) {
	s := scratch{c.tape.Scratch(worker)}
	b := c.spans[i]
	u := c.u.Slice(c.shape.from(b), c.shape.to(b))
	c.convolve(u.Columns(0, c.partial), b, s)
	c.copyUntouched(u, b)
}

// expand computes some columns of the first product, its norm and its activation.
func (c *blockColumns) expand(worker, i int) {
	from, to := c.up[i][0], c.up[i][1]
	s := scratch{c.tape.Scratch(worker)}
	a, k := c.a.Columns(from, to), c.tape.kernels
	h := a.Full
	if c.tape.Precision == kernels.BF16 {
		h = s.matrix(c.shape.rows(), to-from)
	}
	k.GemmBlockFactor(h, 1, c.u, c.w1.Packed, 0, from, kernels.Matrix{})
	k.AffineTo(a, h.AsFactor(), c.norm.scale[from:to], c.shift()[from:to], c.Act)
}

// project computes some columns of y = x + scale·conv2(h).
func (c *blockColumns) project(worker, i int) {
	from, to := c.down[i][0], c.down[i][1]
	x, y, k := c.x.Columns(from, to), c.y.Columns(from, to), c.tape.kernels
	if c.LayerScale == nil {
		k.GemmBlockFactor(y, 1, c.a, c.w2.Packed, 0, from, x)
		return
	}
	s := scratch{c.tape.Scratch(worker)}
	v := s.matrix(y.Rows, to-from)
	k.GemmBlockFactor(v, 1, c.a, c.w2.Packed, 0, from, kernels.Matrix{})
	kernels.ScaleColumns(v, v, c.LayerScale.Data()[from:to])
	k.Combine(y, v, x, 1, 1)
}
