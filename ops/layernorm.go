package ops

import (
	"fmt"
	"slices"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// LayerNorm holds the parameters of a layer norm over C channels.
type LayerNorm struct {
	Weight, Bias *Param // [C]
	Eps          float64
}

// check compares the size with the number of channels.
func (n *LayerNorm) check(c int) error {
	return checkShapes(map[*Param]tensor.Shape{n.Weight: {c}, n.Bias: {c}})
}

// rowNorm is a layer norm in one graph. For the backward pass it keeps mean and reciprocal deviation of
// every row; the normalised values are computed again.
type rowNorm struct {
	*LayerNorm
	kernels  *kernels.Set
	statsBuf *Buffer // kept

	// In the backward pass the gradients of weight and bias are summed over blocks of rows, each in its
	// own memory.
	sums    [][2]int // rows of each block
	sumsBuf *Buffer  // of each block the gradient of the weight, then of the bias
}

// newRowNorm returns a norm of a map with this many rows. In training, the blocks that tasks pass to
// backward must consist of whole blocks of sums.
func (t *Tape) newRowNorm(n *LayerNorm, rows int, sums [][2]int) *rowNorm {
	return &rowNorm{LayerNorm: n, kernels: t.kernels, statsBuf: t.NewBuffer(2 * rows), sums: sums}
}

// uses returns the planned memory of the forward pass, and gradUses of the backward pass.
func (n *rowNorm) uses() []*Buffer { return []*Buffer{n.statsBuf} }

func (n *rowNorm) gradUses(t *Tape) []*Buffer {
	n.sumsBuf = t.NewBuffer(len(n.sums) * 2 * n.Weight.Size())
	return []*Buffer{n.statsBuf, n.sumsBuf}
}

func (n *rowNorm) stats(from, to int) []float32 { return n.statsBuf.data[2*from : 2*to] }

// forward normalises rows from, from+1, ….
func (n *rowNorm) forward(y, x kernels.Matrix, from int) {
	n.kernels.LayerNorm(y, x, n.Weight.Data(), n.Bias.Data(), n.stats(from, from+x.Rows), n.Eps)
}

// normalise is forward for rows that another task may compute too. It keeps nothing, and is for
// evaluation. y is memory of the task.
func (n *rowNorm) normalise(y, x kernels.Matrix, stats []float32) {
	n.kernels.LayerNorm(y, x, n.Weight.Data(), n.Bias.Data(), stats, n.Eps)
}

// sum returns the memory of a block.
func (n *rowNorm) sum(block int) []float32 {
	size := 2 * n.Weight.Size()
	return n.sumsBuf.data[block*size : (block+1)*size]
}

// backward computes the gradient of rows from, from+1, …, and sums up the gradients of weight and bias
// over each block of them.
func (n *rowNorm) backward(dx, dy, x, add kernels.Matrix, from int) {
	c, to := x.Cols, from+x.Rows
	first, _ := slices.BinarySearchFunc(n.sums, from, func(b [2]int, row int) int { return b[0] - row })
	for i := first; i < len(n.sums) && n.sums[i][0] < to; i++ {
		a, b := n.sums[i][0]-from, n.sums[i][1]-from
		part := kernels.Matrix{}
		if add.Data != nil {
			part = add.Slice(a, b)
		}
		sum := n.sum(i)
		clear(sum)
		n.kernels.LayerNormGrad(
			dx.Slice(a, b), dy.Slice(a, b), x.Slice(a, b), part, n.Weight.Data(),
			n.stats(from+a, from+b), sum[:c], sum[c:],
		)
	}
}

// normParts is the number of tasks of finish, which are short: each adds some channels of all blocks.
const normParts = 8

// finish adds the sums of all blocks, in their order, to the gradients, for a part of the channels.
func (n *rowNorm) finish(part int) {
	c := n.Weight.Size()
	for half, grad := range [2][]float32{n.Weight.GradData(), n.Bias.GradData()} {
		from, to := part*c/normParts, (part+1)*c/normParts
		if from == to {
			return
		}
		total := n.sum(0)[half*c+from : half*c+to]
		for i := 1; i < len(n.sums); i++ {
			n.kernels.Add(total, n.sum(i)[half*c+from:half*c+to])
		}
		n.kernels.Add(grad[from:to], total)
	}
}

// finishAfter returns tasks that call finish after other tasks of a region. The norm may be nil.
func (n *rowNorm) finishAfter(tasks int, task func(worker, i int)) (all int, run func(worker, i int)) {
	if n == nil {
		return tasks, task
	}
	return tasks + normParts, func(worker, i int) {
		if i < tasks {
			task(worker, i)
			return
		}
		n.finish(i - tasks)
	}
}

// Normalise adds a layer norm over the channels of x [images, …, C].
func Normalise(t *Tape, name string, x *gorgonia.Node, norm *LayerNorm) (*gorgonia.Node, error) {
	shape, err := shapeOfTokens(x)
	if err == nil {
		err = norm.check(shape.channels)
	}
	if err != nil {
		return nil, fmt.Errorf("ops: layer norm %q: %w", name, err)
	}
	cut := t.rowBlocks(shape.rows)
	n := t.newRowNorm(norm, shape.rows, sumBlocks(shape.rows))
	var mx, my, dx, dy kernels.Matrix
	forward := func(_, i int) {
		from, to := cut[i][0], cut[i][1]
		n.forward(my.Slice(from, to), mx.Slice(from, to), from)
	}
	backward := func(_, i int) {
		from, to := cut[i][0], cut[i][1]
		n.backward(dx.Slice(from, to), dy.Slice(from, to), mx.Slice(from, to), kernels.Matrix{}, from)
	}
	finish := func(_, i int) { n.finish(i) }
	params := []*Param{norm.Weight, norm.Bias}
	return t.recordLayer(Spec{
		Kind: KindLayerNorm, About: Normalisation{norm}, Name: name, Shape: shape.shape, Uses: n.uses(),
		Run: func(in [][]float32, out []float32) error {
			mx, my = shape.matrix(in[0]), shape.matrix(out)
			t.Pool().Run(len(cut), forward)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			return t.recordGrad(Spec{
				Kind: KindLayerNorm + GradSuffix, Name: name, Reuse: 1, Uses: n.gradUses(t),
				Run: func(in [][]float32, out []float32) error {
					dy, mx, dx = shape.matrix(in[0]), shape.matrix(in[1]), shape.matrix(out)
					t.Pool().Run(len(cut), backward)
					t.Pool().Run(normParts, finish)
					return nil
				},
			}, grad, x, params, nil)
		},
	}, x, params, nil)
}
