package ops

import "fasternet/kernels"

// blockGrids divides the products of a block by columns, and also by rows if there are fewer panels
// of columns than workers. It does so only if three conditions hold: the workers get more even
// parts than lines give them (load is the result of [mapShape.even]); that saves more time than two more
// regions cost; and the map between the products is small enough for the caches.
//
// flops is the number of operations of a product that a thread does in a nanosecond.
func blockGrids(s mapShape, hidden, panel, workers int, load float64, flops int) (up, down grid, ok bool) {
	// gain is the least improvement of the load. 512 Ki values are 2 MiB, which was chosen to fit
	// into the second-level caches. A region costs 0.3 µs with two threads of a Zen 5
	// (docs/benchmarks.md), and is assumed to cost as much for each further thread.
	const gain, mostValues = 0.04, 512 << 10
	const region = 300 // nanoseconds for each thread
	rows := s.rows()
	if rows*(s.channels+hidden) > mostValues || load < 1+gain {
		return up, down, false
	}
	even := func(columns int) (grid, float64) {
		g, most := bestGrid(rows, columns, panel, workers, 0)
		return g, most * float64(workers) / gridLoad(grid{[][2]int{{0, rows}}, [][2]int{{0, columns}}}, 1, 0)
	}
	up, upLoad := even(hidden)
	down, downLoad := even(s.channels)
	product := float64(2*rows*s.channels*hidden) / float64(flops) / float64(workers) // if the division is even
	saved := (2*load - upLoad - downLoad) * product
	return up, down, max(upLoad, downLoad) <= load-gain && saved > 2*region*float64(workers)
}

// Operations of products that a thread of a Zen 5 does in a nanosecond, about. They only decide how
// work is divided.
const floatSpeed, int8Speed = 200, 900

// blockColumns is a FasterNet block for evaluation on a map of so few lines that they cannot be
// divided evenly among the workers. The partial convolution is still divided by lines, but each of
// the two products by the columns of its result. A worker then reads only its part of the weights,
// which at batch 1 are larger than the map. Every value is the same sum in the same order.
type blockColumns struct {
	*block
	mixed, hiddenMap plannedFactor // inputs of conv1 and of conv2
	up, down         grid          // of the two products
	tasks            struct{ mix, expand, project func(worker, i int) }

	u, a kernels.Factor // the same two, in the current run
}

func (t *Tape) newBlockColumns(f *block, up, down grid) *blockColumns {
	c, rows := &blockColumns{block: f, up: up, down: down}, f.shape.rows()
	c.mixed, c.hiddenMap = t.newPlannedFactor(rows, f.shape.channels), t.newPlannedFactor(rows, f.hidden)
	c.tasks.mix, c.tasks.expand, c.tasks.project = c.mix, c.expand, c.project
	t.NeedScratch(scratchSize(
		nil, max(longest(up.rows), longest(down.rows)), max(longest(down.cols), longest(up.cols)),
	))
	return c
}

// panelRanges divides columns into as many ranges as there are workers, of whole panels of a packed
// matrix. The last panel may be half as wide again.
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
	pool.Run(c.up.tasks(), c.tasks.expand)
	pool.Run(c.down.tasks(), c.tasks.project)
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

// expand computes some rows and columns of the first product, its norm and its activation.
func (c *blockColumns) expand(worker, i int) {
	first, end, from, to := c.up.task(i)
	s := scratch{c.tape.Scratch(worker)}
	a, k := c.a.Slice(first, end).Columns(from, to), c.tape.kernels
	h := a.Full
	if c.tape.Precision == kernels.BF16 {
		h = s.matrix(end-first, to-from)
	}
	k.GemmBlockFactor(h, 1, c.u.Slice(first, end), c.w1.Packed, 0, from, kernels.Matrix{})
	k.AffineTo(a, h.AsFactor(), c.norm.scale[from:to], c.shift()[from:to], c.Act)
}

// project computes some rows and columns of y = x + scale·conv2(h).
func (c *blockColumns) project(worker, i int) {
	first, end, from, to := c.down.task(i)
	x := c.x.Slice(first, end).Columns(from, to)
	y := c.y.Slice(first, end).Columns(from, to)
	a := c.a.Slice(first, end)
	k := c.tape.kernels
	if c.LayerScale == nil {
		k.GemmBlockFactor(y, 1, a, c.w2.Packed, 0, from, x)
		return
	}
	s := scratch{c.tape.Scratch(worker)}
	v := s.matrix(y.Rows, to-from)
	k.GemmBlockFactor(v, 1, a, c.w2.Packed, 0, from, kernels.Matrix{})
	kernels.ScaleColumns(v, v, c.LayerScale.Data()[from:to])
	k.Combine(y, v, x, 1, 1)
}
