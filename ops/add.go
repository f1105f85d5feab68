package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

// Sum describes [Add].
type Sum struct{}

// Add adds x + y, two values of the same shape: a residual connection. [Branch] splits off the
// value that bypasses the ops between:
//
//	x, side, err := ops.Branch(t, "block", x)
//	y, err := f(x)
//	y, err = ops.Add(t, "block", y, side)
func Add(t *Tape, name string, x, y *gorgonia.Node) (*gorgonia.Node, error) {
	if x == nil || y == nil || !x.Shape().Eq(y.Shape()) || x.Shape().Dims() == 0 {
		return nil, fmt.Errorf("ops: sum %q of %v and %v: want two values of the same shape",
			name, shapeOrNil(x), shapeOrNil(y))
	}
	sum := t.newElementwise(x.Shape().TotalSize())
	run := func(in [][]float32, out []float32) error {
		sum.add(out, in[0], in[1])
		return nil
	}
	return t.Record(Spec{
		Kind:   KindAdd,
		Name:   name,
		About:  Sum{},
		Inputs: gorgonia.Nodes{x, y},
		WRT:    []bool{true, true},
		Shape:  x.Shape().Clone(),
		Run:    run,
		Again:  Repeat(run),
		Grad:   func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) { return gorgonia.Nodes{grad, grad}, nil },
	})
}

func shapeOrNil(n *gorgonia.Node) any {
	if n == nil {
		return "nothing"
	}
	return n.Shape()
}

// elementwise adds maps of some number of values, a part of them in each task.
type elementwise struct {
	tape  *Tape
	total int
	part  func(worker, i int)

	// In the current run.
	out, x, y []float32
}

func (t *Tape) newElementwise(total int) *elementwise {
	e := &elementwise{tape: t, total: total}
	e.part = e.addPart
	return e
}

// elementsOfPart is the number of values of a task: 64 KiB, a multiple of a page of memory.
const elementsOfPart = 1 << 14

// add computes out = x + y.
func (e *elementwise) add(out, x, y []float32) {
	e.out, e.x, e.y = out, x, y
	e.tape.Pool().Run((e.total+elementsOfPart-1)/elementsOfPart, e.part)
}

func (e *elementwise) addPart(_, i int) {
	from, to := i*elementsOfPart, min((i+1)*elementsOfPart, e.total)
	row := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v[from:to], 1, to-from) }
	e.tape.kernels.Combine(row(e.out), row(e.x), row(e.y), 1, 1)
}
