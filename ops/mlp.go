package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// MLP describes the second half of a transformer block:
//
//	y = x + keep · fc2(gelu(fc1(norm(x))))
type MLP struct {
	Name    string
	Norm    *LayerNorm
	Fc1     *Param // [hidden, C]
	Fc1Bias *Param // [hidden]
	Fc2     *Param // [C, hidden]
	Fc2Bias *Param // [C]
	Keep    *gorgonia.Node
	// Fc1Int8 and Fc2Int8 are the layers in 8 bits, for evaluation; nil for float32. The result of
	// the first is on the grid Out of its form.
	Fc1Int8, Fc2Int8 *Int8Linear
	// Watch is told, in an evaluation in float32, of NormedPart, of HiddenPart without its bias, and
	// of ActivatedPart, some rows at a time and on many goroutines; nil for nobody.
	Watch    func(part BlockPart, rows kernels.Matrix)
	hidden   int
	channels int
}

// MLPBlock adds the MLP of a transformer block on tokens x [images, …, C]. It is one operation: a
// block of rows goes through norm, both products and GELU in the cache, some columns of the hidden
// layer at a time. For the backward pass it keeps the hidden layer before GELU. If that is
// recomputed instead, the backward pass computes each part when it needs it, and never has the
// whole layer in memory.
func MLPBlock(t *Tape, x *gorgonia.Node, m MLP) (*gorgonia.Node, error) {
	if m.Fc1Int8 != nil || m.Fc2Int8 != nil {
		return mlpInt8(t, x, m)
	}
	f, err := newMLPBlock(t, x, m)
	if err != nil {
		return nil, fmt.Errorf("ops: MLP %q: %w", m.Name, err)
	}
	uses := append(used(f.w1, f.w2), f.norm.uses()...)
	if f.hiddenMap.buf != nil {
		uses = append(uses, f.hiddenMap.buf)
	}
	if f.grid != nil {
		uses = append(uses, f.grid.hiddenMap.buf)
	}
	return t.recordLayer(Spec{
		Kind:  KindMLPBlock,
		About: m,
		Name:  m.Name,
		Cost:  product(f.shape.rows, f.hidden+f.shape.channels, m.Fc1, m.Fc2),
		Shape: f.shape.shape,
		Uses:  uses,
		Run:   f.forward,
		Again: f.again,
		Grad:  f.differentiate,
	}, x, f.params(), m.Keep)
}

// check compares the shapes of the parameters with the number of channels.
func (m MLP) check(c int) error {
	hidden := m.Fc1.Shape()[0]
	if err := checkShapes(map[*Param]tensor.Shape{
		m.Fc1:     {hidden, c},
		m.Fc1Bias: {hidden},
		m.Fc2:     {c, hidden},
		m.Fc2Bias: {c},
	}); err != nil {
		return err
	}
	return m.Norm.check(c)
}

type mlpBlock struct {
	MLP
	tape        *Tape
	input       *gorgonia.Node
	shape       tokenShape
	cut         [][2]int
	chunk       int // columns of the hidden layer at a time
	norm        *rowNorm
	w1, w2      *layerWeight
	recompute   bool      // the hidden layer is computed again
	hiddenMap   kept      // in training, unless it is recomputed: fc1 without its bias
	ones        []float32 // one for each hidden column
	forwardTask func(worker, i int)
	grid        *mlpGrid // for evaluation of few rows, else nil

	// In the current run.
	x, y kernels.Matrix
	keep []float32
}

func newMLPBlock(t *Tape, x *gorgonia.Node, m MLP) (*mlpBlock, error) {
	shape, err := shapeOfTokens(x)
	if err != nil {
		return nil, err
	}
	c, hidden := shape.channels, m.Fc1.Shape()[0]
	if err := m.check(c); err != nil {
		return nil, err
	}
	if err := checkKeep(m.Keep, shape.images); err != nil {
		return nil, err
	}
	m.hidden, m.channels = hidden, c
	f := &mlpBlock{
		MLP:   m,
		tape:  t,
		input: x,
		shape: shape,
		cut:   t.rowBlocks(shape.rows),
		chunk: hiddenChunk(hidden, t.kernels.PanelWidth()),
	}
	if m.Watch != nil {
		f.chunk = hidden // Watch gets whole rows
	}
	f.norm = t.newRowNorm(m.Norm, shape.rows, sumBlocks(shape.rows))
	f.w1, f.w2 = t.newLayerWeight(m.Fc1, PackForward), t.newLayerWeight(m.Fc2, PackForward)
	if f.recompute = t.Train && t.segment != nil; t.Train && !f.recompute {
		f.hiddenMap = t.newKept(shape.rows, hidden, rowStride(hidden))
	}
	f.ones = make([]float32, hidden)
	for i := range f.ones {
		f.ones[i] = 1
	}
	f.forwardTask = f.forwardPart
	f.grid = t.newMLPGrid(f)
	wide := f.chunk + t.kernels.PanelWidth() // the last panel may be wider
	factors := []int{t.factorLen(longest(f.cut), c), t.factorLen(longest(f.cut), wide)}
	t.NeedScratch(scratchSize(factors, longest(f.cut), c, c, wide))
	return f, nil
}

// hiddenChunk returns the number of columns to work on at a time: whole panels, and at most about
// 384, so that a block of 98 rows of them (150 KiB) stays in the second-level cache next to the
// panels.
func hiddenChunk(hidden, panel int) int {
	const most = 384
	parts := (hidden + most - 1) / most
	return ((hidden+parts-1)/parts + panel - 1) / panel * panel
}

func (f *mlpBlock) params() []*Param {
	return []*Param{f.Norm.Weight, f.Norm.Bias, f.Fc1, f.Fc1Bias, f.Fc2, f.Fc2Bias}
}

func (f *mlpBlock) forward(in [][]float32, out []float32) error {
	pool := f.tape.Pool()
	f.x, f.y, f.keep = f.shape.matrix(in[0]), f.shape.matrix(out), nil
	if f.Keep != nil {
		f.keep = in[len(in)-1]
	}
	readyWeights(pool, f.w1, f.w2)
	if f.grid != nil {
		f.grid.forward(pool)
		return nil
	}
	pool.Run(len(f.cut), f.forwardTask)
	return nil
}

// columns calls each for the ranges of hidden columns.
func (f *mlpBlock) columns(each func(from, to int)) {
	for from := 0; from < f.hidden; {
		to := from + f.chunk
		if to+f.tape.kernels.PanelWidth() > f.hidden {
			to = f.hidden
		}
		each(from, to)
		from = to
	}
}

func (f *mlpBlock) forwardPart(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	n, v := s.matrix(to-from, f.channels), s.matrix(to-from, f.channels)
	wide := f.chunk + f.tape.kernels.PanelWidth()
	h := s.matrix(to-from, wide)
	x := f.x.Slice(from, to)
	f.norm.forward(n, x, from)
	f.watch(NormedPart, n)
	normed := s.rounded(f.tape, n)
	sum := kernels.Broadcast(f.Fc2Bias.Data(), to-from)
	f.columns(func(c, end int) {
		s := s // the same memory for all columns
		hidden, act := h.Columns(0, end-c), s.factor(f.tape, to-from, end-c)
		if f.hiddenMap.buf != nil {
			hidden = f.hiddenMap.place(hidden, from, c)
		}
		f.tape.kernels.GemmBlockFactor(hidden, 1, normed, f.w1.Packed, 0, c, kernels.Matrix{})
		if f.hiddenMap.buf != nil {
			f.hiddenMap.put(hidden, from, c)
		}
		f.watch(HiddenPart, hidden)
		f.tape.kernels.AffineTo(act, hidden.AsFactor(), f.ones[c:end], f.Fc1Bias.Data()[c:end], kernels.GELU)
		f.watch(ActivatedPart, act.Full)
		f.tape.kernels.GemmBlockFactor(v, 1, act, f.w2.Packed, c, 0, sum)
		sum = v
	})
	f.shape.addScaled(f.tape.kernels, f.y.Slice(from, to), x, v, from, f.keep)
}

func (f *mlpBlock) watch(part BlockPart, rows kernels.Matrix) {
	if f.Watch != nil {
		f.Watch(part, rows)
	}
}

// again fills the memory that the backward pass needs.
func (f *mlpBlock) again(in [][]float32, out []float32) error {
	if out == nil {
		return nil
	}
	return f.forward(in, out)
}

// mlpGrad is the backward pass: a sweep over the rows, and a sweep over the outputs of the layers
// for the gradients of the weights.
type mlpGrad struct {
	*mlpBlock
	v1, v2         *layerWeight
	act, normed    *packedRows // inputs of fc2 and of fc1
	hiddenGrad     padded
	grad1, grad2   *layerGrad
	zeros          []float32
	tasks          int
	sweep, weights func(worker, i int)

	// In the current run.
	dy, dx, dh kernels.Matrix
}

func (f *mlpBlock) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t, rows := f.tape, f.shape.rows
	g := &mlpGrad{
		mlpBlock:   f,
		act:        t.newPackedRows(rows, f.hidden),
		normed:     t.newPackedRows(rows, f.channels),
		hiddenGrad: t.newPadded(rows, f.hidden),
	}
	g.v1, g.v2 = t.newLayerWeight(f.Fc1, PackInput), t.newLayerWeight(f.Fc2, PackInput)
	wide := f.shape
	wide.channels = f.hidden
	g.grad1, g.grad2 = t.newLayerGrad(f.Fc1, f.Fc1Bias, wide), t.newLayerGrad(f.Fc2, f.Fc2Bias, f.shape)
	g.zeros = make([]float32, f.hidden)
	g.sweep = g.sweepRows
	g.tasks, g.weights = g.norm.finishAfter(layerGradTask(g.grad1, g.grad2))
	widest := f.chunk + f.tape.kernels.PanelWidth()
	factor := t.factorLen(longest(f.cut), f.channels)
	t.NeedScratch(scratchSize(
		[]int{f.hidden, f.hidden, factor}, longest(f.cut), f.channels, f.channels, widest, widest, widest,
	))
	uses := append(append(used(g.v1, g.v2), g.act.buf, g.normed.buf, g.hiddenGrad.buf), f.norm.gradUses(t)...)
	if f.recompute {
		uses = append(uses, used(f.w1)...)
		halves := kernels.HalvesLen(longest(f.cut), widest)
		t.NeedScratch(scratchSize(
			[]int{f.hidden, f.hidden, halves, factor, factor}, longest(f.cut), f.channels,
			f.channels, f.channels, widest, widest, widest,
		))
	} else {
		uses = append(uses, f.hiddenMap.buf)
	}
	return t.recordGrad(Spec{
		Kind: KindMLPBlock + GradSuffix,
		Name: f.Name,
		Run:  g.backward,
		Uses: uses,
	}, dy, f.input, f.params(), f.Keep)
}

func (g *mlpGrad) backward(in [][]float32, out []float32) error {
	pool := g.tape.Pool()
	g.dy, g.x, g.dx, g.keep = g.shape.matrix(in[0]), g.shape.matrix(in[1]), g.shape.matrix(out), nil
	if g.Keep != nil {
		g.keep = in[len(in)-1]
	}
	g.dh = g.hiddenGrad.matrix()
	g.act.bind()
	g.normed.bind()
	if g.recompute {
		readyWeights(pool, g.v1, g.v2, g.w1)
	} else {
		readyWeights(pool, g.v1, g.v2)
	}
	pool.Run(len(g.cut), g.sweep)
	g.grad1.dy, g.grad1.x = g.dh, g.normed
	g.grad2.dy, g.grad2.x, g.grad2.keep = g.dy, g.act, g.keep
	pool.Run(g.tasks, g.weights)
	return nil
}

func (g *mlpGrad) sweepRows(worker, i int) {
	from, to := g.cut[i][0], g.cut[i][1]
	s := scratch{g.tape.Scratch(worker)}
	wide := g.chunk + g.tape.kernels.PanelWidth()
	// not used: the gradient of the bias is computed with the weight's
	sum, dot := s.vector(g.hidden), s.vector(g.hidden)
	dv, dn := s.matrix(to-from, g.channels), s.matrix(to-from, g.channels)
	a, da, h := s.matrix(to-from, wide), s.matrix(to-from, wide), s.matrix(to-from, wide)
	x := g.x.Slice(from, to)
	var normed kernels.Factor
	var halves []float32
	if g.recompute {
		n := s.matrix(to-from, g.channels)
		halves = s.vector(kernels.HalvesLen(to-from, wide))
		g.norm.forward(n, x, from)
		normed = s.rounded(g.tape, n)
	}
	outGrad := s.rounded(g.tape, g.shape.scaledFactor(g.tape, dv, g.dy.Slice(from, to), from, g.keep))
	var before kernels.Matrix
	g.columns(func(c, end int) {
		act, dact, dh := a.Columns(0, end-c), da.Columns(0, end-c), g.dh.Slice(from, to).Columns(c, end)
		g.tape.kernels.GemmBlockFactor(dact, 1, outGrad, g.v2.Packed, 0, c, kernels.Matrix{})
		g.tape.kernels.AffineGrad(act, dh, g.hiddenPart(h.Columns(0, end-c), normed, halves, from, c), dact,
			g.ones[c:end], g.Fc1Bias.Data()[c:end], g.zeros[c:end], sum[c:end], dot[c:end], kernels.GELU)
		g.act.PutBlock(from, c, act)
		g.tape.kernels.GemmBlock(dn, 1, dh, g.v1.Packed, c, 0, before)
		before = dn
	})
	g.norm.backward(g.dx.Slice(from, to), dn, x, g.dy.Slice(from, to), from)
	g.norm.forward(dv, x, from)
	g.normed.PutRows(from, dv)
}

// hiddenPart returns the hidden layer before GELU, from a row and a column on, of the size of
// scratch: kept values, or values computed again from the normalised rows n.
func (g *mlpGrad) hiddenPart(scratch kernels.Matrix, n kernels.Factor, halves []float32, row, col int) kernels.Matrix {
	if !g.recompute {
		return g.hiddenMap.get(scratch, row, col)
	}
	g.tape.kernels.GemmBlockFactor(scratch, 1, n, g.w1.Packed, 0, col, kernels.Matrix{})
	return g.tape.rounded(scratch, halves)
}
