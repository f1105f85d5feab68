package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// GlobalAvgPool adds the mean over the pixels of x [batch, height, width, C]; the result is [batch, C].
func GlobalAvgPool(t *Tape, name string, x *gorgonia.Node) (*gorgonia.Node, error) {
	shape, err := shapeOfMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: pool %q: %w", name, err)
	}
	pixels := shape.height * shape.width
	var src, dst, dy, dx kernels.Matrix
	columns := newColumnParts(shape.batch, shape.channels)
	pool := func(_, task int) {
		i, a, b := columns.task(task)
		out := dst.Row(i)[a:b]
		clear(out)
		t.kernels.ColumnSums(src.Slice(i*pixels, (i+1)*pixels).Columns(a, b), out)
		kernels.Scale(out, 1/float32(pixels))
	}
	spread := func(_, task int) {
		i, a, b := columns.task(task)
		first := dx.Row(i * pixels)[a:b]
		copy(first, dy.Row(i)[a:b])
		kernels.Scale(first, 1/float32(pixels))
		for r := i*pixels + 1; r < (i+1)*pixels; r++ {
			copy(dx.Row(r)[a:b], first)
		}
	}
	node, err := t.Record(Spec{
		Kind:   KindGlobalAvgPool,
		About:  Pool{},
		Name:   name,
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  tensor.Shape{shape.batch, shape.channels},
		Cost:   Cost{PoolElements: shape.rows() * shape.channels},
		Run: func(in [][]float32, out []float32) error {
			src, dst = shape.matrix(in[0]), kernels.NewMatrix(out, shape.batch, shape.channels)
			t.Pool().Run(shape.batch*columns.parts, pool)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(Spec{
				Kind:   KindGlobalAvgPool + GradSuffix,
				Name:   name,
				Inputs: gorgonia.Nodes{grad},
				Shape:  x.Shape().Clone(),
				Run: func(in [][]float32, out []float32) error {
					dy, dx = kernels.NewMatrix(in[0], shape.batch, shape.channels), shape.matrix(out)
					t.Pool().Run(shape.batch*columns.parts, spread)
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
	if err := act.Check(); err != nil {
		return nil, fmt.Errorf("ops: activation %q: %w", name, err)
	}
	rows, c := s[0], s[1]
	ones, zeros, sums := make([]float32, c), make([]float32, c), make([]float32, 2*c)
	for i := range ones {
		ones[i] = 1
	}
	recomputed := t.NewBuffer(rows * c)
	node, err := t.Record(Spec{
		Kind:   KindActivate,
		About:  Activated{act},
		Name:   name,
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  s.Clone(),
		Uses:   []*Buffer{recomputed},
		Run: func(in [][]float32, out []float32) error {
			t.kernels.Affine(kernels.NewMatrix(out, rows, c), kernels.NewMatrix(in[0], rows, c), ones, zeros, act)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(Spec{
				Kind:   KindActivate + GradSuffix,
				Name:   name,
				Inputs: gorgonia.Nodes{grad, x},
				Shape:  s.Clone(),
				Reuse:  1,
				Uses:   []*Buffer{recomputed},
				Run: func(in [][]float32, out []float32) error {
					m := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v, rows, c) }
					t.kernels.AffineGrad(
						m(recomputed.data), m(out), m(in[1]), m(in[0]), ones, zeros, zeros,
						sums[:c], sums[c:], act,
					)
					return nil
				},
			})
			return gorgonia.Nodes{n}, err
		},
	})
	return node, err
}

// SoftmaxCrossEntropy adds the mean over the batch of the cross entropy between softmax(logits) and
// targets, both [batch, classes]. Targets may be soft.
func SoftmaxCrossEntropy(t *Tape, logits, targets *gorgonia.Node) (*gorgonia.Node, error) {
	s := logits.Shape()
	if s.Dims() != 2 || !s.Eq(targets.Shape()) {
		return nil, fmt.Errorf("ops: cross entropy of logits %v and targets %v: want two matrices [batch, classes]",
			s, targets.Shape())
	}
	m := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v, s[0], s[1]) }
	probs := t.NewBuffer(s.TotalSize())
	node, err := t.Record(Spec{
		Kind:   KindSoftmaxCrossEntropy,
		Name:   "loss",
		Inputs: gorgonia.Nodes{logits, targets},
		WRT:    []bool{true, false},
		Shape:  tensor.ScalarShape(),
		Uses:   []*Buffer{probs},
		Run: func(in [][]float32, out []float32) error {
			out[0] = float32(t.kernels.SoftmaxCrossEntropy(
				m(probs.data), m(in[0]), m(in[1]),
			) / float64(t.Parallel.batch(s[0])))
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(Spec{
				Kind:   KindSoftmaxCrossEntropy + GradSuffix,
				Name:   "loss",
				Inputs: gorgonia.Nodes{grad, targets},
				Shape:  s.Clone(),
				Uses:   []*Buffer{probs},
				Run: func(in [][]float32, out []float32) error {
					t.kernels.SoftmaxCrossEntropyGrad(
						m(out), m(probs.data), m(in[1]), in[0][0]/float32(t.Parallel.batch(s[0])),
					)
					return nil
				},
			})
			return gorgonia.Nodes{n, nil}, err
		},
	})
	return node, err
}
