package ops

import "fasternet/kernels"

// mlpGrid is an MLP for evaluation of so few rows that both products are divided by rows and
// columns: see [grid]. The hidden layer is then in memory as a whole.
type mlpGrid struct {
	*mlpBlock
	up, down         grid
	hiddenMap        padded
	expand, contract func(worker, i int)
}

// newMLPGrid is nil where blocks of rows divide the work well.
func (t *Tape) newMLPGrid(f *mlpBlock) *mlpGrid {
	up, ok := t.byGrid(f.cut, f.hidden)
	if !ok {
		return nil
	}
	down, ok := t.byGrid(f.cut, f.channels)
	if !ok {
		return nil
	}
	g := &mlpGrid{mlpBlock: f, up: up, down: down, hiddenMap: t.newPadded(f.shape.rows, f.hidden)}
	g.expand, g.contract = g.expandPart, g.contractPart
	rows := max(longest(up.rows), longest(down.rows))
	t.NeedScratch(scratchSize([]int{2 * rows}, rows, max(f.channels, longest(down.cols))))
	return g
}

func (g *mlpGrid) forward(pool *kernels.Pool) {
	pool.Run(g.up.tasks(), g.expand)
	pool.Run(g.down.tasks(), g.contract)
}

// expandPart computes some rows and columns of the hidden layer.
func (g *mlpGrid) expandPart(worker, i int) {
	from, to, c, end := g.up.task(i)
	s := scratch{g.tape.Scratch(worker)}
	n, k := s.matrix(to-from, g.channels), g.tape.kernels
	g.norm.normalise(n, g.x.Slice(from, to), s.vector(2*(to-from)))
	h := g.hiddenMap.matrix().Slice(from, to).Columns(c, end)
	k.GemmBlock(h, 1, n, g.w1.Packed, 0, c, kernels.Matrix{})
	k.Affine(h, h, g.ones[c:end], g.Fc1Bias.Data()[c:end], kernels.GELU)
}

// contractPart computes some rows and columns of the result. The sums have the same parts as in
// forwardPart.
func (g *mlpGrid) contractPart(worker, i int) {
	from, to, c, end := g.down.task(i)
	s := scratch{g.tape.Scratch(worker)}
	v, h := s.matrix(to-from, end-c), g.hiddenMap.matrix().Slice(from, to)
	sum := kernels.Broadcast(g.Fc2Bias.Data()[c:end], to-from)
	g.columns(func(a, b int) {
		g.tape.kernels.GemmBlock(v, 1, h.Columns(a, b), g.w2.Packed, a, c, sum)
		sum = v
	})
	g.shape.addScaled(g.tape.kernels, g.y.Slice(from, to).Columns(c, end), g.x.Slice(from, to).Columns(c, end), v, from, g.keep)
}
