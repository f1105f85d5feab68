package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// MergeOrder is the order in which a patch merging joins the four neighbours: their (row, column).
type MergeOrder [4][2]int

// SwinOrder is the order of Swin.
var SwinOrder = MergeOrder{{0, 0}, {1, 0}, {0, 1}, {1, 1}}

// RasterOrder is the order of LocalMIM's published pre-training.
var RasterOrder = MergeOrder{{0, 0}, {0, 1}, {1, 0}, {1, 1}}

// Merging describes the transition between two stages of Swin:
//
//	y = reduction(norm(the four neighbours of 2×2 tokens, joined))
type Merging struct {
	Name      string
	Norm      *LayerNorm // over 4·C channels
	Reduction *Param     // [out, 4·C]
	Order     MergeOrder
	Int8      *Int8Linear // the reduction in 8 bits, for evaluation; nil for float32
	// Watch is told, in an evaluation in float32, of what the reduction gets, NormedPart, some rows at
	// a time and on many goroutines; nil for nobody.
	Watch func(part BlockPart, rows kernels.Matrix)
}

// PatchMerge adds the layer on the map x [batch, height, width, C] of even height and width. The
// result is [batch, height/2, width/2, out].
func PatchMerge(t *Tape, x *gorgonia.Node, m Merging) (*gorgonia.Node, error) {
	f, err := newPatchMerge(t, x, m)
	if err != nil {
		return nil, fmt.Errorf("ops: patch merging %q: %w", m.Name, err)
	}
	return t.recordLayer(Spec{
		Kind:  KindPatchMerge,
		About: m,
		Name:  m.Name,
		Cost:  product(f.out.rows(), f.out.channels, m.Reduction),
		Shape: tensor.Shape{f.out.batch, f.out.height, f.out.width, f.out.channels},
		Uses:  append(used(f.w), f.norm.uses()...),
		Run:   f.forward,
		Again: within(f.forward),
		Grad:  f.differentiate,
	}, x, f.params(), nil)
}

type patchMerge struct {
	Merging
	tape    *Tape
	input   *gorgonia.Node
	in, out mapShape
	cut     [][2]int // rows of the merged map: whole lines
	grid    grid     // for evaluation of few rows, else without tasks
	norm    *rowNorm
	w, v    *layerWeight // w is nil in 8 bits
	reduce  *int8Layer   // nil in float32
	normed  *packedRows  // input of the reduction
	grad    *layerGrad

	// In the current run.
	x, dx           []float32
	y, dy           kernels.Matrix
	merges, tasks   int // how often merge and weights run
	merge, backward func(worker, i int)
	weights         func(worker, i int)
}

func newPatchMerge(t *Tape, x *gorgonia.Node, m Merging) (*patchMerge, error) {
	in, err := shapeOfMap(x)
	if err != nil {
		return nil, err
	}
	if in.height%2 != 0 || in.width%2 != 0 {
		return nil, fmt.Errorf("a map of %d×%d tokens: want an even number on both sides", in.height, in.width)
	}
	w := m.Reduction.Shape()
	if w.Dims() != 2 || w[1] != 4*in.channels {
		return nil, fmt.Errorf("%s has shape %v, want [out, %d]", m.Reduction.Name, w, 4*in.channels)
	}
	if err := m.Norm.check(4 * in.channels); err != nil {
		return nil, err
	}
	f := &patchMerge{Merging: m, tape: t, input: x, in: in, out: mapShape{in.batch, in.height / 2, in.width / 2, w[0]}}
	f.cut = t.lineBlocks(f.out)
	f.norm = t.newRowNorm(m.Norm, f.out.rows(), f.out.sumLines())
	if f.reduce, err = t.newInt8Layer(m.Int8, m.Reduction); err != nil {
		return nil, err
	}
	if f.reduce == nil {
		f.w = t.newLayerWeight(m.Reduction, PackForward)
	}
	f.merge, f.merges, f.backward = f.mergeRows, len(f.cut), f.backwardRows
	t.NeedScratch(scratchSize(nil, longest(f.cut), 4*in.channels, 4*in.channels))
	if f.reduce != nil {
		f.merge = f.mergeInt8
		rows, values := longest(f.cut), 4*in.channels*longest(f.cut)
		t.NeedScratch(scratchSize([]int{2 * rows, values}, 0) + byteScratch(values))
		if g, ok := t.int8Grid(f.cut, w[0]); ok {
			g.rows = f.cut // whole lines
			f.grid, f.merges = g, g.tasks()
		}
		return f, nil
	}
	if g, ok := t.byGrid(f.cut, w[0]); ok {
		g.rows = f.cut // whole lines
		f.grid, f.merge, f.merges = g, f.mergePart, g.tasks()
		t.NeedScratch(scratchSize([]int{2 * longest(g.rows)}, longest(g.rows), 4*in.channels))
	}
	return f, nil
}

func (f *patchMerge) params() []*Param {
	return []*Param{f.Norm.Weight, f.Norm.Bias, f.Reduction}
}

func (f *patchMerge) forward(in [][]float32, out []float32) error {
	f.x, f.y = in[0], f.out.matrix(out)
	if err := f.reduce.ready(nil); err != nil {
		return err
	}
	readyWeights(f.tape.Pool(), f.w)
	f.tape.Pool().Run(f.merges, f.merge)
	return nil
}

// neighbours calls each for every line of merged tokens in rows [from, to) and every neighbour:
// with the rows since from, and the tokens of the map that are neighbour number i of them.
func (f *patchMerge) neighbours(from, to int, data []float32, each func(row, i int, tokens kernels.Matrix)) {
	c := f.in.channels
	for line := from / f.out.width; line < to/f.out.width; line++ {
		// Two lines of the map for each merged line: its height is even.
		for i, o := range f.Order {
			at := (2*line+o[0])*f.in.width + o[1]
			each(line*f.out.width-from, i, kernels.Matrix{Data: data[at*c:], Rows: f.out.width, Cols: c, Stride: 2 * c})
		}
	}
}

func (f *patchMerge) gather(dst kernels.Matrix, from, to int) {
	c := f.in.channels
	f.neighbours(from, to, f.x, func(row, i int, tokens kernels.Matrix) {
		f.tape.kernels.Copy(dst.Slice(row, row+tokens.Rows).Columns(i*c, (i+1)*c), tokens)
	})
}

func (f *patchMerge) mergeRows(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	merged := s.matrix(to-from, 4*f.in.channels)
	f.gather(merged, from, to)
	f.norm.forward(merged, merged, from)
	if f.Watch != nil {
		f.Watch(NormedPart, merged)
	}
	f.tape.kernels.Gemm(f.y.Slice(from, to), 1, merged, f.w.Packed, kernels.Matrix{})
}

// mergePart computes some rows and columns: see [grid].
func (f *patchMerge) mergePart(worker, i int) {
	from, to, c, end := f.grid.task(i)
	s := scratch{f.tape.Scratch(worker)}
	merged := s.matrix(to-from, 4*f.in.channels)
	f.gather(merged, from, to)
	f.norm.normalise(merged, merged, s.vector(2*(to-from)))
	f.tape.kernels.GemmBlock(f.y.Slice(from, to).Columns(c, end), 1, merged, f.w.Packed, 0, c, kernels.Matrix{})
}

// mergeInt8 is mergeRows or mergePart in 8 bits.
func (f *patchMerge) mergeInt8(worker, i int) {
	c, end := 0, f.out.channels
	var from, to int
	if f.grid.tasks() > 0 {
		from, to, c, end = f.grid.task(i)
	} else {
		from, to = f.cut[i][0], f.cut[i][1]
	}
	s := scratch{f.tape.Scratch(worker)}
	in := 4 * f.in.channels
	merged := kernels.NewMatrix(s.vector((to-from)*in), to-from, in)
	f.gather(merged, from, to)
	f.norm.normalise(merged, merged, s.vector(2*(to-from)))
	n := s.bytes(to-from, in)
	f.reduce.quantise(n, merged)
	f.reduce.float(f.y.Slice(from, to).Columns(c, end), c, n, kernels.Matrix{})
}

func (f *patchMerge) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	f.v = t.newLayerWeight(f.Reduction, PackInput)
	f.normed = t.newPackedRows(f.out.rows(), 4*f.in.channels)
	f.grad = t.newLayerGrad(f.Reduction, nil, tokenShape{
		images:   f.out.batch,
		rows:     f.out.rows(),
		channels: f.out.channels,
	})
	f.tasks, f.weights = f.norm.finishAfter(layerGradTask(f.grad))
	return t.recordGrad(Spec{
		Kind: KindPatchMerge + GradSuffix, Name: f.Name, Run: f.runBackward,
		Uses: append(append(used(f.v), f.norm.gradUses(t)...), f.normed.buf),
	}, dy, f.input, f.params(), nil)
}

func (f *patchMerge) runBackward(in [][]float32, out []float32) error {
	pool := f.tape.Pool()
	f.dy, f.x, f.dx = f.out.matrix(in[0]), in[1], out
	f.normed.bind()
	f.v.ready(pool)
	pool.Run(len(f.cut), f.backward)
	f.grad.dy, f.grad.x = f.dy, f.normed
	pool.Run(f.tasks, f.weights)
	return nil
}

func (f *patchMerge) backwardRows(worker, i int) {
	c := f.in.channels
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	d, merged := s.matrix(to-from, 4*c), s.matrix(to-from, 4*c)
	f.gather(merged, from, to)
	f.tape.kernels.Gemm(d, 1, f.dy.Slice(from, to), f.v.Packed, kernels.Matrix{})
	f.norm.backward(d, d, merged, kernels.Matrix{}, from)
	f.neighbours(from, to, f.dx, func(row, i int, tokens kernels.Matrix) {
		f.tape.kernels.Copy(tokens, d.Slice(row, row+tokens.Rows).Columns(i*c, (i+1)*c))
	})
	f.norm.forward(merged, merged, from)
	f.normed.PutRows(from, merged)
}
