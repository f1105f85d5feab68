package onnxgraph

import "fasternet/ops"

// add adds two values, in the layout of the first.
func add(b *Builder, r Op, _ ops.Sum) (Value, error) {
	x := r.Inputs[0]
	y, err := b.As(r.Inputs[1], x.Layout)
	if err != nil {
		return Value{}, err
	}
	return Value{Name: b.Node("Add", b.Name(r.Name), []string{x.Name, y.Name}), Layout: x.Layout}, nil
}

// pass returns its input unchanged, for ops such as one of the two sides of a branch.
func pass(b *Builder, r Op, _ any) (Value, error) { return r.Input(b) }
