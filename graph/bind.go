package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Bind makes a slice the value of an input, without a copy. It keeps only the last slice of an
// input alive.
func Bind(n *gorgonia.Node, data []float32) error {
	if want := n.Shape().TotalSize(); len(data) != want {
		return fmt.Errorf("graph: input %s: want %d values for shape %v, got %d", n.Name(), want, n.Shape(), len(data))
	}
	return gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(data)))
}
