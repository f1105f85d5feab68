package opstest_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"fasternet/ops"
	"fasternet/ops/opstest"

	"gorgonia.org/gorgonia"
)

// scale is y = w·x by channels, with a fault.
func scale(fault string) func(g *opstest.Graph) (*gorgonia.Node, error) {
	return func(g *opstest.Graph) (*gorgonia.Node, error) {
		x, w := g.Input("x", 3, 4), g.Parameter("w", 4)
		if fault == "reads when built" && w.Data()[0] > 0 {
			return nil, nil
		}
		run := func(in [][]float32, out []float32) error {
			for i, v := range in[0] {
				out[i] = v * w.Data()[i%4]
			}
			if fault == "workers" {
				out[0] += float32(g.Pool().Workers()) / 1000
			}
			return nil
		}
		s := ops.Spec{
			Kind:   "Scale",
			Name:   "scale",
			Inputs: gorgonia.Nodes{x, g.Param(w)},
			WRT:    []bool{true, true},
			Shape:  x.Shape().Clone(),
			Run:    run,
			Again:  ops.Repeat(run),
			Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
				dx, err := g.Record(ops.Spec{
					Kind: "ScaleGrad", Name: "scale", Inputs: gorgonia.Nodes{grad, x}, Shape: x.Shape().Clone(),
					Run: func(in [][]float32, out []float32) error { return scaleGrad(fault, w, in[0], in[1], out) },
				})
				if err != nil {
					return nil, err
				}
				return g.Gradients(dx, w)
			},
		}
		switch fault {
		case "again":
			s.Again = func(in [][]float32, out []float32) error { clear(out); return nil }
		case "no again":
			s.Again = nil
		case "error":
			return nil, fmt.Errorf("no luck")
		}
		n, err := g.Record(s)
		if err != nil || fault != "again" {
			return n, err
		}
		return square(g, n)
	}
}

// square is x²; its backward pass needs x.
func square(g *opstest.Graph, x *gorgonia.Node) (*gorgonia.Node, error) {
	run := func(in [][]float32, out []float32) error {
		for i, v := range in[0] {
			out[i] = v * v
		}
		return nil
	}
	return g.Record(ops.Spec{
		Kind:   "Square",
		Name:   "square",
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  x.Shape().Clone(),
		Run:    run,
		Again:  ops.Repeat(run),
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := g.Record(ops.Spec{
				Kind: "SquareGrad", Name: "square", Inputs: gorgonia.Nodes{grad, x}, Shape: x.Shape().Clone(),
				Run: func(in [][]float32, out []float32) error {
					for i, v := range in[1] {
						out[i] = 2 * v * in[0][i]
					}
					return nil
				},
			})
			return gorgonia.Nodes{dx}, err
		},
	})
}

func scaleGrad(fault string, w *ops.Param, dy, x, dx []float32) error {
	if fault == "assigns" {
		clear(w.GradData())
	}
	for i := range dy {
		dx[i] = dy[i] * w.Data()[i%4]
		w.GradData()[i%4] += dy[i] * x[i]
	}
	switch fault {
	case "wrong":
		dx[5] *= 1.1
	case "zero":
		clear(w.GradData())
	case "NaN":
		w.GradData()[1] = float32(math.NaN())
	}
	return nil
}

// recorder is a test that records errors and does not fail.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Errorf(f string, a ...any) { r.said = append(r.said, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...); runtime.Goexit() }
func (r *recorder) Fatal(a ...any)            { r.Errorf("%s", fmt.Sprint(a...)); runtime.Goexit() }

// Every fault of an op is found, and an op without faults passes.
func TestFaultsAreFound(t *testing.T) {
	for _, c := range []struct{ fault, want string }{
		{"", ""},
		{"wrong", "x[5]: gradient"},
		{"zero", "w: the largest value of the gradient is 0"},
		{"NaN", "w: the largest value of the gradient is NaN"},
		{"assigns", "a backward op adds to the gradient of a parameter"},
		{"workers", "3 workers: the result has different bits"},
		{"again", "recomputed: the gradient of"},
		{"no again", `Scale "scale" cannot be`},
		{"reads when built", "in a sketch"},
		{"error", "no luck"},
	} {
		r := &recorder{TB: t}
		done := make(chan bool)
		go func() {
			defer close(done)
			opstest.Check{Recompute: true}.Gradients(r, scale(c.fault))
		}()
		<-done
		said := strings.Join(r.said, "\n")
		if (c.want == "") != (said == "") || !strings.Contains(said, c.want) {
			t.Errorf("%q: got %q, want %q", c.fault, said, c.want)
		}
	}
	opstest.CheckGradients(t, scale(""))
}
