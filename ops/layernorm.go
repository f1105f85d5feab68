package ops

import (
	"fmt"

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

// rowNorm is a layer norm in one graph. For the backward pass it keeps mean and
// reciprocal deviation of every row; what it computed is computed anew.
type rowNorm struct {
	*LayerNorm
	kernels  *kernels.Set
	statsBuf *Buffer     // kept
	partial  [][]float32 // gradients of weight and bias, of each block of rows
}

func (t *Tape) newRowNorm(n *LayerNorm, rows, blocks int) *rowNorm {
	r := &rowNorm{LayerNorm: n, kernels: t.kernels, statsBuf: t.NewBuffer(2 * rows)}
	if t.Train {
		for range blocks {
			r.partial = append(r.partial, make([]float32, 2*n.Weight.Size()))
		}
	}
	return r
}

func (n *rowNorm) stats(from, to int) []float32 { return n.statsBuf.data[2*from : 2*to] }

// forward normalises rows from, from+1, ….
func (n *rowNorm) forward(y, x kernels.Matrix, from int) {
	n.kernels.LayerNorm(y, x, n.Weight.Data(), n.Bias.Data(), n.stats(from, from+x.Rows), n.Eps)
}

// backward computes the gradient of rows from, from+1, …, which are part of a
// block.
func (n *rowNorm) backward(dx, dy, x, add kernels.Matrix, from, block int) {
	c := x.Cols
	p := n.partial[block]
	n.kernels.LayerNormGrad(dx, dy, x, add, n.Weight.Data(), n.stats(from, from+x.Rows), p[:c], p[c:])
}

// start clears the sums of a block.
func (n *rowNorm) start(block int) { clear(n.partial[block]) }

// finish adds the sums of all blocks, in their order, to the gradients.
func (n *rowNorm) finish() {
	c := n.Weight.Size()
	total := n.partial[0]
	for _, p := range n.partial[1:] {
		n.kernels.Add(total, p)
	}
	n.kernels.Add(n.Weight.GradData(), total[:c])
	n.kernels.Add(n.Bias.GradData(), total[c:])
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
	cut := blocks(shape.rows)
	n := t.newRowNorm(norm, shape.rows, len(cut))
	var mx, my, dx, dy kernels.Matrix
	forward := func(_, i int) {
		from, to := cut[i][0], cut[i][1]
		n.forward(my.Slice(from, to), mx.Slice(from, to), from)
	}
	backward := func(_, i int) {
		from, to := cut[i][0], cut[i][1]
		n.start(i)
		n.backward(dx.Slice(from, to), dy.Slice(from, to), mx.Slice(from, to), kernels.Matrix{}, from, i)
	}
	params := []*Param{norm.Weight, norm.Bias}
	return t.recordLayer(Spec{
		Kind: KindLayerNorm, About: Normalisation{norm}, Name: name, Shape: shape.shape, Uses: []*Buffer{n.statsBuf},
		Run: func(in [][]float32, out []float32) error {
			mx, my = shape.matrix(in[0]), shape.matrix(out)
			t.Pool().Run(len(cut), forward)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			return t.recordGrad(Spec{
				Kind: KindLayerNorm + GradSuffix, Name: name, Reuse: 1, Uses: []*Buffer{n.statsBuf},
				Run: func(in [][]float32, out []float32) error {
					dy, mx, dx = shape.matrix(in[0]), shape.matrix(in[1]), shape.matrix(out)
					t.Pool().Run(len(cut), backward)
					n.finish()
					return nil
				},
			}, grad, x, params, nil)
		},
	}, x, params, nil)
}
