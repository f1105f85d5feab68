package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

// Sum describes [Add].
type Sum struct{}

// Add adds x + y, two values of the same shape: a residual connection. [Branch] splits off the
// value that goes around what is between:
//
//	x, side, err := ops.Branch(t, "block", x)
//	y, err := f(x)
//	y, err = ops.Add(t, "block", y, side)
func Add(t *Tape, name string, x, y *gorgonia.Node) (*gorgonia.Node, error) {
	if x == nil || y == nil || !x.Shape().Eq(y.Shape()) || x.Shape().Dims() == 0 {
		return nil, fmt.Errorf("ops: sum %q of %v and %v: want two values of the same shape", name, shapeOrNil(x), shapeOrNil(y))
	}
	const values = 1 << 14 // of a task
	total := x.Shape().TotalSize()
	var a, b, out []float32
	part := func(_, i int) {
		from, to := i*values, min((i+1)*values, total)
		row := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v[from:to], 1, to-from) }
		t.kernels.Combine(row(out), row(a), row(b), 1, 1)
	}
	run := func(in [][]float32, o []float32) error {
		a, b, out = in[0], in[1], o
		t.Pool().Run((total+values-1)/values, part)
		return nil
	}
	return t.Record(Spec{
		Kind: KindAdd, Name: name, About: Sum{}, Inputs: gorgonia.Nodes{x, y}, WRT: []bool{true, true}, Shape: x.Shape().Clone(),
		Run: run, Again: Repeat(run),
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) { return gorgonia.Nodes{grad, grad}, nil },
	})
}

func shapeOrNil(n *gorgonia.Node) any {
	if n == nil {
		return "nothing"
	}
	return n.Shape()
}
