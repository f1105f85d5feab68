package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// GlobalAvgPool adds the mean over the pixels of x [batch, height, width, C];
// the result is [batch, C].
func GlobalAvgPool(t *Tape, name string, x *gorgonia.Node) (*gorgonia.Node, error) {
	shape, err := shapeOfMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: pool %q: %w", name, err)
	}
	pixels := shape.height * shape.width
	var src, dst, dy, dx kernels.Matrix
	pool := func(_, i int) {
		out := dst.Row(i)
		clear(out)
		kernels.ColumnSums(src.Slice(i*pixels, (i+1)*pixels), out)
		kernels.Scale(out, 1/float32(pixels))
	}
	spread := func(_, i int) {
		first := dx.Row(i * pixels)
		copy(first, dy.Row(i))
		kernels.Scale(first, 1/float32(pixels))
		for r := i*pixels + 1; r < (i+1)*pixels; r++ {
			copy(dx.Row(r), first)
		}
	}
	node, err := t.record(spec{
		kind: "GlobalAvgPool", about: Pool{}, name: name, inputs: gorgonia.Nodes{x}, wrt: []bool{true}, shape: tensor.Shape{shape.batch, shape.channels},
		cost: Cost{PoolElements: shape.rows() * shape.channels},
		run: func(in [][]float32, out []float32) error {
			src, dst = shape.matrix(in[0]), kernels.NewMatrix(out, shape.batch, shape.channels)
			t.Pool().Run(shape.batch, pool)
			return nil
		},
		grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.record(spec{
				kind: "GlobalAvgPoolGrad", name: name, inputs: gorgonia.Nodes{grad}, shape: x.Shape().Clone(),
				run: func(in [][]float32, out []float32) error {
					dy, dx = kernels.NewMatrix(in[0], shape.batch, shape.channels), shape.matrix(out)
					t.Pool().Run(shape.batch, spread)
					return nil
				},
			})
			return gorgonia.Nodes{n}, err
		},
	})
	return node, err
}

// Activate adds an activation on x [rows, C].
func Activate(t *Tape, name string, x *gorgonia.Node, act kernels.Activation) (*gorgonia.Node, error) {
	s := x.Shape()
	if s.Dims() != 2 {
		return nil, fmt.Errorf("ops: activation %q: input has shape %v, want [rows, channels]", name, s)
	}
	rows, c := s[0], s[1]
	ones, zeros, sums := make([]float32, c), make([]float32, c), make([]float32, 2*c)
	for i := range ones {
		ones[i] = 1
	}
	recomputed := t.newBuffer(rows * c)
	node, err := t.record(spec{
		kind: "Activate", about: Activated{act}, name: name, inputs: gorgonia.Nodes{x}, wrt: []bool{true}, shape: s.Clone(), uses: []*buffer{recomputed},
		run: func(in [][]float32, out []float32) error {
			kernels.Affine(kernels.NewMatrix(out, rows, c), kernels.NewMatrix(in[0], rows, c), ones, zeros, act)
			return nil
		},
		grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.record(spec{
				kind: "ActivateGrad", name: name, inputs: gorgonia.Nodes{grad, x}, shape: s.Clone(), reuse: 1, uses: []*buffer{recomputed},
				run: func(in [][]float32, out []float32) error {
					m := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v, rows, c) }
					kernels.AffineGrad(m(recomputed.data), m(out), m(in[1]), m(in[0]), ones, zeros, zeros, sums[:c], sums[c:], act)
					return nil
				},
			})
			return gorgonia.Nodes{n}, err
		},
	})
	return node, err
}

// SoftmaxCrossEntropy adds the mean over the batch of the cross entropy between
// softmax(logits) and targets, both [batch, classes]; targets may be soft.
func SoftmaxCrossEntropy(t *Tape, logits, targets *gorgonia.Node) (*gorgonia.Node, error) {
	s := logits.Shape()
	if s.Dims() != 2 || !s.Eq(targets.Shape()) {
		return nil, fmt.Errorf("ops: cross entropy of logits %v and targets %v: want two matrices [batch, classes]", s, targets.Shape())
	}
	m := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v, s[0], s[1]) }
	probs := t.newBuffer(s.TotalSize())
	node, err := t.record(spec{
		kind: "SoftmaxCrossEntropy", name: "loss", inputs: gorgonia.Nodes{logits, targets}, wrt: []bool{true, false}, uses: []*buffer{probs},
		run: func(in [][]float32, out []float32) error {
			out[0] = float32(kernels.SoftmaxCrossEntropy(m(probs.data), m(in[0]), m(in[1])) / float64(t.Parallel.batch(s[0])))
			return nil
		},
		grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.record(spec{
				kind: "SoftmaxCrossEntropyGrad", name: "loss", inputs: gorgonia.Nodes{grad, targets}, shape: s.Clone(), uses: []*buffer{probs},
				run: func(in [][]float32, out []float32) error {
					kernels.SoftmaxCrossEntropyGrad(m(out), m(probs.data), m(in[1]), in[0][0]/float32(t.Parallel.batch(s[0])))
					return nil
				},
			})
			return gorgonia.Nodes{n, nil}, err
		},
	})
	return node, err
}
