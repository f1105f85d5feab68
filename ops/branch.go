package ops

import "gorgonia.org/gorgonia"

// Branch gives a value a second consumer: main is for the main path, side for the branch. Both are x
// itself, without a copy. The gradient of x is the sum of their gradients. Without Branch,
// Gorgonia adds up the gradients of a node with two consumers by its own op, which the memory plan
// does not know.
//
// The two values of a branch must not go to the same consumer, and the cost must depend on both.
func Branch(t *Tape, name string, x *gorgonia.Node) (main, side *gorgonia.Node, err error) {
	var sideGrad *gorgonia.Node
	nothing := func([][]float32, []float32) error { return nil }
	shape := x.Shape().Clone()
	sum := t.newElementwise(shape.TotalSize())
	main, err = t.Record(Spec{
		Kind:   KindBranch,
		Name:   name,
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  shape,
		Alias:  1,
		Run:    nothing,
		Again:  nothing,
		Grad: func(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(Spec{
				Kind: KindBranch + GradSuffix, Name: name, Inputs: gorgonia.Nodes{dy, sideGrad}, Shape: shape, Reuse: 1,
				Run: func(in [][]float32, out []float32) error {
					sum.add(out, in[0], in[1])
					return nil
				},
			})
			return gorgonia.Nodes{n}, err
		},
	})
	if err != nil {
		return nil, nil, err
	}
	// Gorgonia asks which inputs of the side have gradients before it differentiates, to find the
	// nodes on the way, and again afterwards, to add up. The second answer is no, because the gradient
	// of main includes the side's.
	wrt := []bool{true}
	side, err = t.Record(Spec{
		Kind:   KindSide,
		Name:   name,
		Inputs: gorgonia.Nodes{main},
		WRT:    wrt,
		Shape:  shape,
		Alias:  1,
		Run:    nothing,
		Again:  nothing,
		Grad: func(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
			sideGrad, wrt[0] = dy, false
			return gorgonia.Nodes{nil}, nil
		},
	})
	return main, side, err
}
