package ops

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Reshape gives the values of x another shape, in the same memory. x is the result of another op.
func Reshape(t *Tape, name string, x *gorgonia.Node, shape ...int) (*gorgonia.Node, error) {
	nothing := func([][]float32, []float32) error { return nil }
	before := x.Shape().Clone()
	return t.Record(Spec{
		Kind:   KindReshape,
		Name:   name,
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  tensor.Shape(shape).Clone(),
		Alias:  1,
		Run:    nothing,
		Again:  nothing,
		Grad: func(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := t.Record(Spec{
				Kind:   KindReshape + GradSuffix,
				Name:   name,
				Inputs: gorgonia.Nodes{dy},
				Shape:  before,
				Alias:  1,
				Run:    nothing,
			})
			return gorgonia.Nodes{dx}, err
		},
	})
}
