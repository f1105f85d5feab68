package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// MergeOrder is the order in which the four neighbours of a patch merging come
// to lie one after the other: their (row, column).
type MergeOrder [4][2]int

// SwinOrder is that of Swin.
var SwinOrder = MergeOrder{{0, 0}, {1, 0}, {0, 1}, {1, 1}}

// RasterOrder is that of the published pre-training of LocalMIM.
var RasterOrder = MergeOrder{{0, 0}, {0, 1}, {1, 0}, {1, 1}}

// Merging describes the transition between two stages of Swin:
//
//	y = reduction(norm(the four neighbours of 2×2 tokens side by side))
type Merging struct {
	Name      string
	Norm      *LayerNorm // over 4·C channels
	Reduction *Param     // [out, 4·C]
	Order     MergeOrder
}

// PatchMerge adds the layer on the map x [batch, height, width, C] of even
// height and width. The result is [batch, height/2, width/2, out].
func PatchMerge(t *Tape, x *gorgonia.Node, m Merging) (*gorgonia.Node, error) {
	f, err := newPatchMerge(t, x, m)
	if err != nil {
		return nil, fmt.Errorf("ops: patch merging %q: %w", m.Name, err)
	}
	return t.recordLayer(Spec{
		Kind: KindPatchMerge, About: m, Name: m.Name, Cost: product(f.out.rows(), f.out.channels, m.Reduction), Shape: tensor.Shape{f.out.batch, f.out.height, f.out.width, f.out.channels},
		Uses: append(used(f.w), f.norm.statsBuf), Run: f.forward, Again: within(f.forward), Grad: f.differentiate,
	}, x, f.params(), nil)
}

type patchMerge struct {
	Merging
	tape    *Tape
	input   *gorgonia.Node
	in, out mapShape
	spans   []span
	maxRows int
	norm    *rowNorm
	w, v    *layerWeight
	normed  *packedRows // input of the reduction
	grad    *layerGrad

	// Of the run in progress.
	x, dx           []float32
	y, dy           kernels.Matrix
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
	const rows = 98
	f.spans = f.out.cut(rows)
	for _, b := range f.spans {
		f.maxRows = max(f.maxRows, f.out.to(b)-f.out.from(b))
	}
	f.norm = t.newRowNorm(m.Norm, f.out.rows(), len(f.spans))
	f.w = t.newLayerWeight(m.Reduction, PackForward)
	f.merge, f.backward = f.mergeSpan, f.backwardSpan
	t.NeedScratch(scratchSize(nil, f.maxRows, 4*in.channels, 4*in.channels))
	return f, nil
}

func (f *patchMerge) params() []*Param {
	return []*Param{f.Norm.Weight, f.Norm.Bias, f.Reduction}
}

func (f *patchMerge) forward(in [][]float32, out []float32) error {
	f.x, f.y = in[0], f.out.matrix(out)
	f.w.ready(f.tape.Pool())
	f.tape.Pool().Run(len(f.spans), f.merge)
	return nil
}

// neighbours calls each for every line of merged tokens in a span and every
// neighbour: the rows of the merged map, and the tokens of the map that are
// neighbour number i of them.
func (f *patchMerge) neighbours(b span, data []float32, each func(row, i int, tokens kernels.Matrix)) {
	row, c := 0, f.in.channels
	for image := range b.images {
		for line := range b.lines {
			for i, o := range f.Order {
				at := ((b.image+image)*f.in.height+2*(b.line+line)+o[0])*f.in.width + o[1]
				each(row, i, kernels.Matrix{Data: data[at*c:], Rows: f.out.width, Cols: c, Stride: 2 * c})
			}
			row += f.out.width
		}
	}
}

func (f *patchMerge) gather(dst kernels.Matrix, b span) {
	c := f.in.channels
	f.neighbours(b, f.x, func(row, i int, tokens kernels.Matrix) {
		f.tape.kernels.Copy(dst.Slice(row, row+tokens.Rows).Columns(i*c, (i+1)*c), tokens)
	})
}

func (f *patchMerge) mergeSpan(worker, i int) {
	b := f.spans[i]
	from, to := f.out.from(b), f.out.to(b)
	s := scratch{f.tape.Scratch(worker)}
	merged := s.matrix(to-from, 4*f.in.channels)
	f.gather(merged, b)
	f.norm.forward(merged, merged, from)
	f.tape.kernels.Gemm(f.y.Slice(from, to), 1, merged, f.w.Packed, kernels.Matrix{})
}

func (f *patchMerge) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	f.v = t.newLayerWeight(f.Reduction, PackInput)
	f.normed = t.newPackedRows(f.out.rows(), 4*f.in.channels)
	f.grad = t.newLayerGrad(f.Reduction, nil, tokenShape{images: f.out.batch, rows: f.out.rows(), channels: f.out.channels})
	_, f.weights = layerGradTask(f.grad)
	return t.recordGrad(Spec{
		Kind: KindPatchMerge + GradSuffix, Name: f.Name, Run: f.runBackward,
		Uses: append(used(f.v), f.norm.statsBuf, f.normed.buf),
	}, dy, f.input, f.params(), nil)
}

func (f *patchMerge) runBackward(in [][]float32, out []float32) error {
	pool := f.tape.Pool()
	f.dy, f.x, f.dx = f.out.matrix(in[0]), in[1], out
	f.normed.bind()
	f.v.ready(pool)
	pool.Run(len(f.spans), f.backward)
	f.norm.finish()
	f.grad.dy, f.grad.x = f.dy, f.normed
	pool.Run(f.grad.parts, f.weights)
	return nil
}

func (f *patchMerge) backwardSpan(worker, i int) {
	b, c := f.spans[i], f.in.channels
	from, to := f.out.from(b), f.out.to(b)
	s := scratch{f.tape.Scratch(worker)}
	d, merged := s.matrix(to-from, 4*c), s.matrix(to-from, 4*c)
	f.gather(merged, b)
	f.tape.kernels.Gemm(d, 1, f.dy.Slice(from, to), f.v.Packed, kernels.Matrix{})
	f.norm.start(i)
	f.norm.backward(d, d, merged, kernels.Matrix{}, from, i)
	f.neighbours(b, f.dx, func(row, i int, tokens kernels.Matrix) {
		f.tape.kernels.Copy(tokens, d.Slice(row, row+tokens.Rows).Columns(i*c, (i+1)*c))
	})
	f.norm.forward(merged, merged, from)
	f.normed.PutRows(from, merged)
}
