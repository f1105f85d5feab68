// Package opstest checks ops: their gradients, by central differences, and everything else that a tape
// expects of an op. Use it to test the ops that your program adds.
package opstest

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Graph is the small graph that a check builds: a tape with inputs and parameters of random values. The
// values depend only on the name.
type Graph struct {
	*ops.Tape
	inputs []*input
	params []*ops.Param
	sketch bool
}

type input struct {
	name string
	node *gorgonia.Node
	data []float32
	wrt  bool
	grad *gorgonia.Node
}

// Input adds an input with normally distributed values. Its gradient is checked.
func (g *Graph) Input(name string, shape ...int) *gorgonia.Node {
	data := make([]float32, tensor.Shape(shape).TotalSize())
	draw(name, data)
	return g.add(&input{name: name, data: data, wrt: true}, shape)
}

// Constant adds an input with the given values, which is not differentiated.
func (g *Graph) Constant(name string, values []float32, shape ...int) *gorgonia.Node {
	return g.add(&input{name: name, data: values}, shape)
}

func (g *Graph) add(in *input, shape []int) *gorgonia.Node {
	in.node = g.Tape.Input(name(in.name), shape...)
	g.inputs = append(g.inputs, in)
	return in.node
}

func name(s string) string { return "opstest." + s }

// Parameter adds a parameter with normally distributed values. Its gradient is checked.
func (g *Graph) Parameter(name string, shape ...int) *ops.Param {
	if g.sketch {
		return ops.NewShapeParam(name, shape...)
	}
	p := ops.NewParam(name, shape...)
	draw(name, p.Data())
	p.Changed()
	g.params = append(g.params, p)
	return p
}

func draw(name string, data []float32) {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(1, h.Sum64()))
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
}

// Check says how gradients are checked. The zero value suits smooth functions of values around 1.
type Check struct {
	// Step is the step of the central differences: by default 1/64. An op with a kink needs a
	// smaller one.
	Step float64
	// Tolerance of a gradient, relative to the largest value of the same tensor: by default 1/100.
	Tolerance float64
	// Recompute also checks that the op works in [ops.Tape.Recompute], followed by another op.
	Recompute bool
}

// Gradients checks the ops that build adds to a graph; build is called several times.
// It reports an error of t
//
//   - if a gradient, of an [Graph.Input] or a [Graph.Parameter], differs from the central difference of
//     Σ result·random weights, is zero everywhere, or is not a number;
//   - if a second run does not add the same gradients again;
//   - if results or gradients have different bits with another number of workers, or when they are
//     recomputed;
//   - if the ops cannot be added to a graph for evaluation, or to a sketch, which has no values.
func (c Check) Gradients(t testing.TB, build func(g *Graph) (*gorgonia.Node, error)) {
	t.Helper()
	if c.Step == 0 {
		c.Step = 1.0 / 64
	}
	if c.Tolerance == 0 {
		c.Tolerance = 0.01
	}
	if err := sketch(build); err != nil {
		t.Fatalf("in a sketch: %v", err)
	}
	eval := compile(t, 2, false, build)
	eval.run(t)
	first := compile(t, 1, true, build)
	first.differences(t, c)
	want := first.gradients(t)
	sameBits := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
	compare := func(what string, g *graph) {
		t.Helper()
		for i, got := range g.gradients(t) {
			if !slices.EqualFunc(got.values, want[i].values, sameBits) {
				t.Errorf("%s: the gradient of %s has different bits", what, got.name)
			}
		}
		if g.loss != first.loss {
			t.Errorf("%s: the result has different bits", what)
		}
	}
	compare("3 workers", compile(t, 3, true, build))
	if c.Recompute {
		compare("recomputed", compile(t, 2, true, func(g *Graph) (*gorgonia.Node, error) {
			return g.Recompute("opstest", func() (*gorgonia.Node, error) {
				n, err := build(g)
				if err != nil {
					return nil, err
				}
				return g.pass(n) // so that the result of the ops is recomputed too
			})
		}))
	}
	first.accumulates(t)
}

// sketch builds a graph without values.
func sketch(build func(g *Graph) (*gorgonia.Node, error)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v: in a sketch parameters have shapes but no values: read values in Run", v)
		}
	}()
	_, err = build(&Graph{Tape: ops.NewSketch(), sketch: true})
	return err
}

// CheckGradients is [Check.Gradients] of the zero Check.
func CheckGradients(t testing.TB, build func(g *Graph) (*gorgonia.Node, error)) {
	t.Helper()
	Check{}.Gradients(t, build)
}

// graph is a compiled Graph with a loss.
type graph struct {
	*Graph
	machine gorgonia.VM
	loss    float64 // in float64, for differences of it
}

func compile(t testing.TB, workers int, train bool, build func(g *Graph) (*gorgonia.Node, error)) *graph {
	t.Helper()
	pool := kernels.NewPool(workers)
	t.Cleanup(pool.Close)
	g := &graph{Graph: &Graph{Tape: ops.NewTape(ops.NewWorkspace(pool), train)}}
	n, err := build(g.Graph)
	if err != nil {
		t.Fatal(err)
	}
	if n, err = g.weightedSum(n); err != nil {
		t.Fatal(err)
	}
	if train {
		g.differentiate(t, n)
	}
	for _, in := range g.inputs {
		if err := gorgonia.Let(
			in.node, tensor.New(tensor.WithShape(in.node.Shape()...), tensor.WithBacking(in.data)),
		); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Plan(); err != nil {
		t.Fatal(err)
	}
	g.machine = g.NewMachine()
	return g
}

func (g *graph) differentiate(t testing.TB, loss *gorgonia.Node) {
	t.Helper()
	var wrt gorgonia.Nodes
	for _, p := range g.params {
		wrt = append(wrt, g.Param(p))
	}
	for _, in := range g.inputs {
		if in.wrt {
			wrt = append(wrt, in.node)
		}
	}
	if len(wrt) == 0 {
		t.Fatal("the graph has no input and no parameter to differentiate by")
	}
	grads, err := gorgonia.Grad(loss, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	i := len(g.params)
	for _, in := range g.inputs {
		if in.wrt {
			in.grad = grads[i]
			g.Keep(in.grad)
			i++
		}
	}
}

func (g *graph) run(t testing.TB) {
	t.Helper()
	if err := g.Run(g.machine); err != nil {
		t.Fatal(err)
	}
}

// weightedSum is Σ n·weights, as an op of its own.
func (g *graph) weightedSum(n *gorgonia.Node) (*gorgonia.Node, error) {
	weights := make([]float32, max(n.Shape().TotalSize(), 1))
	draw("opstest.weights", weights)
	return g.Record(ops.Spec{
		Kind: "WeightedSum", Name: "opstest", Inputs: gorgonia.Nodes{n}, WRT: []bool{true}, Shape: tensor.ScalarShape(),
		Run: func(in [][]float32, out []float32) error {
			g.loss = 0
			for i, v := range in[0] {
				g.loss += float64(v) * float64(weights[i])
			}
			out[0] = float32(g.loss)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := g.Record(ops.Spec{
				Kind: "WeightedSumGrad", Name: "opstest", Inputs: gorgonia.Nodes{grad}, Shape: n.Shape().Clone(),
				Run: func(in [][]float32, out []float32) error {
					for i, w := range weights {
						out[i] = in[0][0] * w
					}
					return nil
				},
			})
			return gorgonia.Nodes{dx}, err
		},
	})
}

// pass is the identity.
func (g *Graph) pass(n *gorgonia.Node) (*gorgonia.Node, error) {
	run := func(in [][]float32, out []float32) error {
		copy(out, in[0])
		return nil
	}
	return g.Record(ops.Spec{
		Kind:   "Pass",
		Name:   "opstest",
		Inputs: gorgonia.Nodes{n},
		WRT:    []bool{true},
		Shape:  n.Shape().Clone(),
		Run:    run,
		Again:  ops.Repeat(run),
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := g.Record(ops.Spec{
				Kind:   "PassGrad",
				Name:   "opstest",
				Inputs: gorgonia.Nodes{grad},
				Shape:  n.Shape().Clone(),
				Run:    run,
			})
			return gorgonia.Nodes{dx}, err
		},
	})
}
