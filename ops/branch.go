package ops

import "gorgonia.org/gorgonia"

// Branch gives a value a second consumer: main is for the way ahead, side for
// the branch. Both are x itself, without a copy. The gradient of x is the sum of
// theirs. (Gorgonia adds up the gradients of a node with two consumers with an
// op of its own, which the memory plan does not know.)
//
// Two values of one branch op do not go through the same consumer, and both
// must lead to the cost.
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
	// Gorgonia asks what the side can be differentiated by before it does so, to
	// find the nodes on the way, and again afterwards, to add up. The second time
	// the answer is no: main's gradient takes the side's with it.
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
