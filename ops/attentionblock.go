package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Attention describes the first half of a transformer block:
//
//	y = x + keep · proj(attention(qkv(norm(x))))
type Attention struct {
	Name     string
	Norm     *LayerNorm
	QKV      *Param // [3·C, C]: queries, keys, values; the heads of each follow one another
	QKVBias  *Param // [3·C], or nil
	Proj     *Param // [C, C]
	ProjBias *Param // [C]
	Heads    int
	Windows  *Windows
	Table    *Param         // relative position bias [(2·side-1)², heads], or nil
	Keep     *gorgonia.Node // [images]: factors of drop path, or nil
	// QKVInt8 and ProjInt8 are the layers in 8 bits, for evaluation; nil for float32. What is between
	// them is float32 in any case.
	QKVInt8, ProjInt8 *Int8Linear
	// Watch is told, in an evaluation in float32, of the inputs of the two layers, NormedPart and
	// HeadsPart, some rows at a time and on many goroutines; nil for nobody.
	Watch func(part BlockPart, rows kernels.Matrix)
}

// AttentionBlock adds attention with norm and residual on tokens x [images, …, C]. For the backward
// pass it keeps queries, keys and values, and the result of attention.
func AttentionBlock(t *Tape, x *gorgonia.Node, a Attention) (*gorgonia.Node, error) {
	f, err := newAttentionBlock(t, x, a)
	if err != nil {
		return nil, fmt.Errorf("ops: attention %q: %w", a.Name, err)
	}
	rows, c := f.shape.rows, f.shape.channels
	cost := product(rows, 4*c, a.QKV, a.Proj)
	cost.AttentionMACs = 2 * rows * a.Windows.attended * c
	cost.AttentionActivations = rows * (a.Windows.attended*a.Heads + c)
	return t.recordLayer(Spec{
		Kind:  KindAttentionBlock,
		About: a,
		Name:  a.Name,
		Cost:  cost,
		Shape: f.shape.shape,
		Run:   f.forward,
		Again: f.forward,
		Grad:  f.differentiate,
		Uses:  append(append(used(f.wqkv, f.wproj), f.norm.uses()...), f.qkvMap.buf, f.outMap.buf),
	}, x, f.params(), a.Keep)
}

type attentionBlock struct {
	Attention
	tape           *Tape
	input          *gorgonia.Node
	shape          tokenShape
	cut            [][2]int
	norm           *rowNorm
	wqkv, wproj    *layerWeight // nil of a layer of 8 bits
	qkv8, proj8    *int8Layer   // nil of a layer of float32
	core           *attention
	qkvMap, outMap padded // kept
	before, after  func(worker, i int)
	// Set for evaluation of few rows; otherwise they have no tasks.
	up, down grid // of queries, keys and values; of the result
	// How often before and after run.
	projections, merges int

	// In the current run.
	x, y, qkv, o kernels.Matrix
	keep         []float32
}

func newAttentionBlock(t *Tape, x *gorgonia.Node, a Attention) (*attentionBlock, error) {
	shape, err := shapeOfTokens(x)
	if err != nil {
		return nil, err
	}
	c := shape.channels
	if err := checkShapes(map[*Param]tensor.Shape{
		a.QKV:      {3 * c, c},
		a.QKVBias:  {3 * c},
		a.Proj:     {c, c},
		a.ProjBias: {c},
	}); err != nil {
		return nil, err
	}
	if err := a.Norm.check(c); err != nil {
		return nil, err
	}
	if err := checkKeep(a.Keep, shape.images); err != nil {
		return nil, err
	}
	if a.Windows.total != shape.rows {
		return nil, fmt.Errorf("windows over %d tokens on a map of %d", a.Windows.total, shape.rows)
	}
	f := &attentionBlock{Attention: a, tape: t, input: x, shape: shape, cut: t.rowBlocks(shape.rows)}
	if f.core, err = t.newAttention(a.Windows, c, a.Heads, a.Table); err != nil {
		return nil, err
	}
	f.norm = t.newRowNorm(a.Norm, shape.rows, sumBlocks(shape.rows))
	if f.qkv8, err = t.newInt8Layer(a.QKVInt8, a.QKV); err != nil {
		return nil, err
	}
	if f.proj8, err = t.newInt8Layer(a.ProjInt8, a.Proj); err != nil {
		return nil, err
	}
	f.qkvMap, f.outMap = t.newPadded(shape.rows, 3*c), t.newPadded(shape.rows, c)
	f.before, f.after, f.projections, f.merges = f.project, f.merge, len(f.cut), len(f.cut)
	if f.qkv8 != nil {
		f.before = f.projectInt8
		if g, ok := t.int8Grid(f.cut, 3*c); ok {
			f.up, f.before, f.projections = g, f.projectPartInt8, g.tasks()
		}
		t.NeedScratch(byteScratch(max(longest(f.cut), longest(f.up.rows))*c) + newNormed(c).scratchSize())
	} else {
		f.wqkv = t.newLayerWeight(a.QKV, PackForward)
		if g, ok := t.byGrid(f.cut, 3*c); ok {
			f.up, f.before, f.projections = g, f.projectPart, g.tasks()
			t.NeedScratch(scratchSize([]int{2 * longest(g.rows)}, longest(g.rows), c))
		}
	}
	if f.proj8 != nil {
		f.after = f.mergeInt8
		if g, ok := t.int8Grid(f.cut, c); ok {
			f.down, f.after, f.merges = g, f.mergePartInt8, g.tasks()
		}
		t.NeedScratch(byteScratch(max(longest(f.cut), longest(f.down.rows)) * c))
	} else {
		f.wproj = t.newLayerWeight(a.Proj, PackForward)
		if g, ok := t.byGrid(f.cut, c); ok {
			f.down, f.after, f.merges = g, f.mergePart, g.tasks()
			t.NeedScratch(scratchSize(nil, longest(g.rows), longest(g.cols)))
		}
	}
	t.NeedScratch(scratchSize(nil, longest(f.cut), c))
	return f, nil
}

func (f *attentionBlock) params() []*Param {
	return given(f.Norm.Weight, f.Norm.Bias, f.QKV, f.QKVBias, f.Proj, f.ProjBias, f.Table)
}

// forward computes what is kept, and the result unless out is nil.
func (f *attentionBlock) forward(in [][]float32, out []float32) error {
	pool := f.tape.Pool()
	f.x, f.keep = f.shape.matrix(in[0]), nil
	if f.Keep != nil {
		f.keep = in[len(in)-1]
	}
	f.qkv, f.o = f.qkvMap.matrix(), f.outMap.matrix()
	if f.proj8 != nil { // rows that follow one another are rounded at once
		f.o = kernels.NewMatrix(f.outMap.buf.data, f.shape.rows, f.shape.channels)
	}
	for _, l := range []*int8Layer{f.qkv8, f.proj8} {
		if err := l.ready(nil); err != nil {
			return err
		}
	}
	if out == nil {
		readyWeights(pool, f.wqkv)
	} else {
		readyWeights(pool, f.wqkv, f.wproj)
	}
	pool.Run(f.projections, f.before)
	f.core.runForward(f.qkv, f.o)
	if out == nil {
		return nil
	}
	f.y = f.shape.matrix(out)
	pool.Run(f.merges, f.after)
	return nil
}

// project computes queries, keys and values of a block of rows.
func (f *attentionBlock) project(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	n := s.matrix(to-from, f.shape.channels)
	f.norm.forward(n, f.x.Slice(from, to), from)
	if f.Watch != nil {
		f.Watch(NormedPart, n)
	}
	var bias kernels.Matrix
	if f.QKVBias != nil {
		bias = kernels.Broadcast(f.QKVBias.Data(), to-from)
	}
	f.tape.kernels.Gemm(f.qkv.Slice(from, to), 1, n, f.wqkv.Packed, bias)
}

// projectPart computes some rows and columns of them: see [grid].
func (f *attentionBlock) projectPart(worker, i int) {
	from, to, c, end := f.up.task(i)
	s := scratch{f.tape.Scratch(worker)}
	n := s.matrix(to-from, f.shape.channels)
	f.norm.normalise(n, f.x.Slice(from, to), s.vector(2*(to-from)))
	var bias kernels.Matrix
	if f.QKVBias != nil {
		bias = kernels.Broadcast(f.QKVBias.Data()[c:end], to-from)
	}
	f.tape.kernels.GemmBlock(f.qkv.Slice(from, to).Columns(c, end), 1, n, f.wqkv.Packed, 0, c, bias)
}

// merge joins the heads and adds the residual.
func (f *attentionBlock) merge(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	if f.Watch != nil {
		f.Watch(HeadsPart, f.o.Slice(from, to))
	}
	v := s.matrix(to-from, f.shape.channels)
	f.tape.kernels.Gemm(v, 1, f.o.Slice(from, to), f.wproj.Packed, kernels.Broadcast(f.ProjBias.Data(), to-from))
	f.shape.addScaled(f.tape.kernels, f.y.Slice(from, to), f.x.Slice(from, to), v, from, f.keep)
}

// mergePart computes some rows and columns of the result.
func (f *attentionBlock) mergePart(worker, i int) {
	from, to, c, end := f.down.task(i)
	s := scratch{f.tape.Scratch(worker)}
	v := s.matrix(to-from, end-c)
	f.tape.kernels.GemmBlock(
		v, 1, f.o.Slice(from, to), f.wproj.Packed, 0, c, kernels.Broadcast(f.ProjBias.Data()[c:end], to-from),
	)
	f.shape.addScaled(
		f.tape.kernels, f.y.Slice(from, to).Columns(c, end), f.x.Slice(from, to).Columns(c, end), v,
		from, f.keep,
	)
}

// projectInt8 is project in 8 bits.
func (f *attentionBlock) projectInt8(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	n := s.bytes(to-from, f.shape.channels)
	f.qkv8.normalised(n, f.norm, f.x.Slice(from, to), s)
	f.qkv8.float(f.qkv.Slice(from, to), 0, n, kernels.Matrix{})
}

// projectPartInt8 is projectPart in 8 bits.
func (f *attentionBlock) projectPartInt8(worker, i int) {
	from, to, c, end := f.up.task(i)
	s := scratch{f.tape.Scratch(worker)}
	n := s.bytes(to-from, f.shape.channels)
	f.qkv8.normalised(n, f.norm, f.x.Slice(from, to), s)
	f.qkv8.float(f.qkv.Slice(from, to).Columns(c, end), c, n, kernels.Matrix{})
}

// mergeInt8 is merge in 8 bits.
func (f *attentionBlock) mergeInt8(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	o := s.bytes(to-from, f.shape.channels)
	f.proj8.quantise(o, f.o.Slice(from, to))
	f.proj8.float(f.y.Slice(from, to), 0, o, f.x.Slice(from, to))
}

// mergePartInt8 is mergePart in 8 bits.
func (f *attentionBlock) mergePartInt8(worker, i int) {
	from, to, c, end := f.down.task(i)
	s := scratch{f.tape.Scratch(worker)}
	o := s.bytes(to-from, f.shape.channels)
	f.proj8.quantise(o, f.o.Slice(from, to))
	f.proj8.float(f.y.Slice(from, to).Columns(c, end), c, o, f.x.Slice(from, to).Columns(c, end))
}

// attentionGrad is the backward pass.
type attentionGrad struct {
	*attentionBlock
	vqkv, vproj        *layerWeight
	heads, normed      *packedRows // inputs of proj and of qkv
	outGrad, qkvGrad   padded
	gradQKV, gradProj  *layerGrad
	tasks              int
	unmerge, unproject func(worker, i int)
	weights            func(worker, i int)

	// In the current run.
	dy, dx, do, dqkv kernels.Matrix
}

func (f *attentionBlock) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t, rows, c := f.tape, f.shape.rows, f.shape.channels
	g := &attentionGrad{
		attentionBlock: f, heads: t.newPackedRows(rows, c), normed: t.newPackedRows(rows, c),
		outGrad: t.newPadded(rows, c), qkvGrad: t.newPadded(rows, 3*c),
	}
	g.vqkv, g.vproj = t.newLayerWeight(f.QKV, PackInput), t.newLayerWeight(f.Proj, PackInput)
	wide := f.shape
	wide.channels = 3 * c
	g.gradQKV, g.gradProj = t.newLayerGrad(f.QKV, f.QKVBias, wide), t.newLayerGrad(f.Proj, f.ProjBias, f.shape)
	g.tasks, g.weights = f.core.sumAfter(f.norm.finishAfter(layerGradTask(g.gradQKV, g.gradProj)))
	g.unmerge, g.unproject = g.unmergeRows, g.unprojectRows
	t.NeedScratch(scratchSize(nil, longest(f.cut), c))
	uses := append(used(g.vqkv, g.vproj), f.core.uses()...)
	return t.recordGrad(Spec{
		Kind: KindAttentionBlock + GradSuffix, Name: f.Name, Run: g.backward,
		Uses: append(
			append(uses, f.norm.gradUses(t)...), f.qkvMap.buf, f.outMap.buf, g.heads.buf,
			g.normed.buf, g.outGrad.buf, g.qkvGrad.buf,
		),
	}, dy, f.input, f.params(), f.Keep)
}

func (g *attentionGrad) backward(in [][]float32, out []float32) error {
	pool := g.tape.Pool()
	g.dy, g.x, g.dx, g.keep = g.shape.matrix(in[0]), g.shape.matrix(in[1]), g.shape.matrix(out), nil
	if g.Keep != nil {
		g.keep = in[len(in)-1]
	}
	g.qkv, g.o, g.do, g.dqkv = g.qkvMap.matrix(), g.outMap.matrix(), g.outGrad.matrix(), g.qkvGrad.matrix()
	g.heads.bind()
	g.normed.bind()
	readyWeights(pool, g.vproj, g.vqkv)
	pool.Run(len(g.cut), g.unmerge)
	g.core.runBackward(g.qkv, g.do, g.dqkv)
	pool.Run(len(g.cut), g.unproject)
	g.gradQKV.dy, g.gradQKV.x = g.dqkv, g.normed
	g.gradProj.dy, g.gradProj.x, g.gradProj.keep = g.dy, g.heads, g.keep
	pool.Run(g.tasks, g.weights)
	return nil
}

func (g *attentionGrad) unmergeRows(worker, i int) {
	from, to := g.cut[i][0], g.cut[i][1]
	s := scratch{g.tape.Scratch(worker)}
	dv := s.matrix(to-from, g.shape.channels)
	dv = g.shape.scaledFactor(g.tape, dv, g.dy.Slice(from, to), from, g.keep)
	g.tape.kernels.Gemm(g.do.Slice(from, to), 1, dv, g.vproj.Packed, kernels.Matrix{})
	g.heads.PutRows(from, g.o.Slice(from, to))
}

func (g *attentionGrad) unprojectRows(worker, i int) {
	from, to := g.cut[i][0], g.cut[i][1]
	s := scratch{g.tape.Scratch(worker)}
	dn, x := s.matrix(to-from, g.shape.channels), g.x.Slice(from, to)
	g.tape.kernels.Gemm(dn, 1, g.dqkv.Slice(from, to), g.vqkv.Packed, kernels.Matrix{})
	g.norm.backward(g.dx.Slice(from, to), dn, x, g.dy.Slice(from, to), from)
	g.norm.forward(dn, x, from)
	g.normed.PutRows(from, dn)
}
