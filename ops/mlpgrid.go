package ops

import "fasternet/kernels"

// mlpGrid is an MLP for evaluation of so few rows that both products are divided by rows and
// columns: see [grid]. Then the whole hidden layer is in memory.
type mlpGrid struct {
	*mlpBlock
	up, down         grid
	hiddenMap        plannedFactor // after GELU
	expand, contract func(worker, i int)

	act kernels.Factor // of the current run
}

// newMLPGrid returns nil if blocks of rows divide the work well.
func (t *Tape) newMLPGrid(f *mlpBlock) *mlpGrid {
	up, ok := t.byGrid(f.cut, f.hidden)
	if !ok {
		return nil
	}
	down, ok := t.byGrid(f.cut, f.channels)
	if !ok {
		return nil
	}
	g := &mlpGrid{mlpBlock: f, up: up, down: down, hiddenMap: t.newPlannedFactor(f.shape.rows, f.hidden)}
	g.expand, g.contract = g.expandPart, g.contractPart
	rows := max(longest(up.rows), longest(down.rows))
	t.NeedScratch(scratchSize([]int{2 * rows}, rows, max(f.channels, longest(down.cols)), longest(up.cols)))
	return g
}

func (g *mlpGrid) forward(pool *kernels.Pool) {
	g.act = g.hiddenMap.factor()
	pool.Run(g.up.tasks(), g.expand)
	pool.Run(g.down.tasks(), g.contract)
}

// expandPart computes some rows and columns of the hidden layer.
func (g *mlpGrid) expandPart(worker, i int) {
	from, to, c, end := g.up.task(i)
	s := scratch{g.tape.Scratch(worker)}
	n, k := s.matrix(to-from, g.channels), g.tape.kernels
	g.norm.normalise(n, g.x.Slice(from, to), s.vector(2*(to-from)))
	act := g.act.Slice(from, to).Columns(c, end)
	h := act.Full
	if g.tape.Precision == kernels.BF16 {
		h = s.matrix(to-from, end-c)
	}
	k.GemmBlockFactor(h, 1, n.AsFactor(), g.w1.Packed, 0, c, kernels.Matrix{})
	k.AffineTo(act, h.AsFactor(), g.ones[c:end], g.Fc1Bias.Data()[c:end], kernels.GELU)
}

// contractPart computes some rows and columns of the result. The sums have the same parts as in
// forwardPart.
func (g *mlpGrid) contractPart(worker, i int) {
	from, to, c, end := g.down.task(i)
	s := scratch{g.tape.Scratch(worker)}
	v, act := s.matrix(to-from, end-c), g.act.Slice(from, to)
	sum := kernels.Broadcast(g.Fc2Bias.Data()[c:end], to-from)
	g.columns(func(a, b int) {
		g.tape.kernels.GemmBlockFactor(v, 1, act.Columns(a, b), g.w2.Packed, a, c, sum)
		sum = v
	})
	g.shape.addScaled(
		g.tape.kernels, g.y.Slice(from, to).Columns(c, end), g.x.Slice(from, to).Columns(c, end), v,
		from, g.keep,
	)
}
