package ops_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"
	"fasternet/ops"
	"fasternet/ops/opstest"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// DepthwiseConv describes the op below: a convolution with stride 1 and zero padding, where
// each channel has one filter.
type DepthwiseConv struct {
	Name   string
	Weight *ops.Param // [C, 1, size, size], with an odd size
	Bias   *ops.Param // [C]
}

// Add adds the op on the map x [batch, height, width, C].
func (d DepthwiseConv) Add(t *ops.Tape, x *gorgonia.Node) (*gorgonia.Node, error) {
	s, w := x.Shape(), d.Weight.Shape()
	if s.Dims() != 4 ||
		w.Dims() != 4 ||
		w[0] != s[3] ||
		w[1] != 1 ||
		w[2] != w[3] ||
		w[2]%2 == 0 ||
		d.Bias.Size() != s[3] {
		return nil, fmt.Errorf("depthwise convolution %q: weight %v and bias %v on a map %v",
			d.Name, w, d.Bias.Shape(), s)
	}
	height, width, channels, size := s[1], s[2], s[3], w[2]
	// taps calls f for every pixel of a line of the map and every pixel under its filter.
	taps := func(line int, f func(pixel, under, tap int)) {
		image, y := line/height, line%height
		for x := range width {
			for tap := range size * size {
				v, u := y+tap/size-size/2, x+tap%size-size/2
				if v >= 0 && v < height && u >= 0 && u < width {
					f(line*width+x, (image*height+v)*width+u, tap)
				}
			}
		}
	}
	lines, taken := s[0]*height, size*size
	var in, out, dy, dx []float32 // in the current run
	forward := func(_, line int) {
		for x := range width {
			copy(out[(line*width+x)*channels:], d.Bias.Data())
		}
		taps(line, func(pixel, under, tap int) {
			for c := range channels {
				out[pixel*channels+c] += d.Weight.Data()[c*taken+tap] * in[under*channels+c]
			}
		})
	}
	inputGrad := func(_, line int) { // the same with the filter turned around
		clear(dx[line*width*channels : (line+1)*width*channels])
		taps(line, func(pixel, under, tap int) {
			for c := range channels {
				dx[pixel*channels+c] += d.Weight.Data()[c*taken+taken-1-tap] * dy[under*channels+c]
			}
		})
	}
	weightGrad := func(_, c int) { // workers share the channels: no two add to the same value
		dw := d.Weight.GradData()[c*taken : (c+1)*taken]
		for line := range lines {
			taps(line, func(pixel, under, tap int) { dw[tap] += dy[pixel*channels+c] * in[under*channels+c] })
		}
		for i := c; i < len(dy); i += channels {
			d.Bias.GradData()[c] += dy[i]
		}
	}
	run := func(i [][]float32, o []float32) error {
		in, out = i[0], o
		t.Pool().Run(lines, forward)
		return nil
	}
	return t.Record(ops.Spec{
		Kind: "DepthwiseConv", Name: d.Name, About: d, Shape: s.Clone(),
		Inputs: gorgonia.Nodes{x, t.Param(d.Weight), t.Param(d.Bias)}, WRT: []bool{true, true, true},
		Cost: ops.Cost{MACs: s.TotalSize() * taken, Activations: s.TotalSize()},
		Run:  run, Again: ops.Repeat(run),
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(ops.Spec{
				Kind: "DepthwiseConvGrad", Name: d.Name, Inputs: gorgonia.Nodes{grad, x}, Shape: s.Clone(),
				Run: func(i [][]float32, o []float32) error {
					dy, in, dx = i[0], i[1], o
					t.Pool().Run(lines, inputGrad)
					t.Pool().Run(channels, weightGrad)
					return nil
				},
			})
			if err != nil {
				return nil, err
			}
			return t.Gradients(n, d.Weight, d.Bias)
		},
	})
}

func buildDepthwise(g *opstest.Graph) (*gorgonia.Node, error) {
	x := g.Input("x", 2, 4, 5, 6)
	return DepthwiseConv{"conv", g.Parameter("conv.weight", 6, 1, 3, 3), g.Parameter("conv.bias", 6)}.Add(g.Tape, x)
}

// An op that is defined outside of this package, with parameters and a backward pass: a depthwise
// convolution in plain Go.
func ExampleSpec() {
	tape := ops.NewSketch()
	x := tape.Input("x", 1, 8, 8, 16)
	conv := DepthwiseConv{"conv", ops.NewShapeParam("conv.weight", 16, 1, 7, 7), ops.NewShapeParam("conv.bias", 16)}
	if _, err := conv.Add(tape, x); err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range tape.Recorded() {
		fmt.Println(r.Kind, r.Name, r.Shape, r.MACs, "MACs", len(r.Params), "parameters")
	}
	// Output: DepthwiseConv conv (1, 8, 8, 16) 50176 MACs 2 parameters
}

func TestNewOpGradients(t *testing.T) {
	opstest.Check{Recompute: true}.Gradients(t, buildDepthwise)
}

// silu is x·sigmoid(x) by rows: an op that keeps the sigmoid for its backward pass, and works on a
// copy of a row in scratch.
func silu(t *ops.Tape, name string, x *gorgonia.Node) (*gorgonia.Node, error) {
	s := x.Shape()
	rows, c := s.TotalSize()/s[s.Dims()-1], s[s.Dims()-1]
	spec := ops.Spec{Kind: "SiLU", Name: name, Inputs: gorgonia.Nodes{x}, WRT: []bool{true}, Shape: s.Clone()}
	var kept *ops.Buffer
	if t.Train {
		kept = t.NewBuffer(s.TotalSize())
		spec.Uses = []*ops.Buffer{kept}
	}
	t.NeedScratch(c)
	var in, out []float32
	row := func(worker, i int) {
		gate := t.Scratch(worker)[:c]
		for k, v := range in[i*c : (i+1)*c] {
			gate[k] = float32(1 / (1 + math.Exp(-float64(v))))
			if out != nil {
				out[i*c+k] = v * gate[k]
			}
		}
		if kept != nil {
			copy(kept.Data()[i*c:], gate)
		}
	}
	spec.Run = func(i [][]float32, o []float32) error {
		in, out = i[0], o
		t.Pool().Run(rows, row)
		return nil
	}
	spec.Again = spec.Run
	spec.Grad = func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
		n, err := t.Record(ops.Spec{
			Kind:   "SiLUGrad",
			Name:   name,
			Inputs: gorgonia.Nodes{grad, x},
			Shape:  s.Clone(),
			Uses:   []*ops.Buffer{kept},
			Reuse:  1,
			Run: func(i [][]float32, o []float32) error {
				for k, g := range kept.Data() {
					o[k] = i[0][k] * g * (1 + i[1][k]*(1-g))
				}
				return nil
			},
		})
		return gorgonia.Nodes{n}, err
	}
	return t.Record(spec)
}

func TestNewOpKeepsMemory(t *testing.T) {
	opstest.Check{Recompute: true}.Gradients(t, func(g *opstest.Graph) (*gorgonia.Node, error) {
		n, err := buildDepthwise(g)
		if err != nil {
			return nil, err
		}
		return silu(g.Tape, "act", n)
	})
}

// A residual connection around an op.
func TestAddGradients(t *testing.T) {
	opstest.Check{Recompute: true}.Gradients(t, func(g *opstest.Graph) (*gorgonia.Node, error) {
		n, err := buildDepthwise(g)
		if err != nil {
			return nil, err
		}
		n, side, err := ops.Branch(g.Tape, "block", n)
		if err != nil {
			return nil, err
		}
		if n, err = silu(g.Tape, "act", n); err != nil {
			return nil, err
		}
		return ops.Add(g.Tape, "block", n, side)
	})
	opstest.Check{Recompute: true}.Gradients(t, func(g *opstest.Graph) (*gorgonia.Node, error) {
		return ops.Add(g.Tape, "sum", g.Input("x", 3, 20000), g.Input("y", 3, 20000)) // several tasks
	})
	tape := ops.NewSketch()
	for _, y := range []*gorgonia.Node{nil, tape.Input("y", 3, 2), tape.Input("z", 2, 4)} {
		if _, err := ops.Add(tape, "sum", tape.Input("x", 2, 3), y); err == nil ||
			!strings.Contains(err.Error(), `sum "sum" of (2, 3) and `) {
			t.Errorf("got %v", err)
		}
	}
}

// product is y = x·Wᵀ with the matrix products of package kernels.
func product(t *ops.Tape, x *gorgonia.Node, w *ops.Param) (*gorgonia.Node, error) {
	rows, in, out := x.Shape()[0], x.Shape()[1], w.Shape()[0]
	forward, err := t.PackWeight(w, ops.PackForward, kernels.FP32)
	if err != nil {
		return nil, err
	}
	compute := t.Pool().Kernels()
	run := func(v [][]float32, o []float32) error {
		compute.Gemm(kernels.NewMatrix(o, rows, out), 1, kernels.NewMatrix(v[0], rows, in), forward, kernels.Matrix{})
		return nil
	}
	return t.Record(ops.Spec{
		Kind:   "Product",
		Name:   "product",
		Inputs: gorgonia.Nodes{x, t.Param(w)},
		WRT:    []bool{true, true},
		Shape:  tensor.Shape{rows, out},
		Run:    run,
		Again:  ops.Repeat(run),
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			back, err := t.PackWeight(w, ops.PackInput, kernels.FP32)
			if err != nil {
				return nil, err
			}
			dx, err := t.Record(ops.Spec{
				Kind: "ProductGrad", Name: "product", Inputs: gorgonia.Nodes{grad, x}, Shape: x.Shape().Clone(),
				Run: func(v [][]float32, o []float32) error {
					dy := kernels.NewMatrix(v[0], rows, out)
					compute.Gemm(kernels.NewMatrix(o, rows, in), 1, dy, back, kernels.Matrix{})
					compute.GemmTN(
						kernels.NewMatrix(w.GradData(), out, in), dy,
						kernels.NewMatrix(v[1], rows, in), kernels.FP32,
					)
					return nil
				},
			})
			if err != nil {
				return nil, err
			}
			return t.Gradients(dx, w)
		},
	})
}

func TestPackedWeights(t *testing.T) {
	opstest.Check{Recompute: true}.Gradients(t, func(g *opstest.Graph) (*gorgonia.Node, error) {
		return product(g.Tape, g.Input("x", 5, 7), g.Parameter("w", 9, 7))
	})
	tape, w := ops.NewSketch(), ops.NewShapeParam("w", 9, 7)
	for _, c := range []struct {
		p    *ops.Param
		use  ops.PackUse
		want string
	}{
		{nil, ops.PackForward, "a nil weight"},
		{w, 2, "w: a pack for use 2, want PackForward or PackInput"},
		{ops.NewShapeParam("b", 9), ops.PackForward, "b: a pack of a weight (9)"},
	} {
		if _, err := tape.PackWeight(c.p, c.use, kernels.FP32); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// Bad specs are errors that name the op.
func TestRecordErrors(t *testing.T) {
	run := func([][]float32, []float32) error { return nil }
	tape, other := ops.NewSketch(), ops.NewSketch()
	x, foreign := tape.Input("x", 2, 3), other.Input("y", 2, 3)
	good := ops.Spec{
		Kind:   "Good",
		Name:   "layer",
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  tensor.Shape{2, 3},
		Run:    run,
	}
	for _, c := range []struct {
		name   string
		change func(s *ops.Spec)
		want   string
	}{
		{"no kind", func(s *ops.Spec) { s.Kind = "" }, `ops: an op "layer" without Kind`},
		{"a kind of the tape", func(s *ops.Spec) { s.Kind = ops.KindGradient }, "choose another one"},
		{"no run", func(s *ops.Spec) { s.Run = nil }, `ops: Good "layer": Run is missing`},
		{"no shape", func(s *ops.Spec) { s.Shape = nil }, "Shape is missing"},
		{"empty", func(s *ops.Spec) { s.Shape = tensor.Shape{2, 0} }, "want sizes of 1 or more"},
		{"wrt", func(s *ops.Spec) { s.WRT = []bool{true, false} }, "WRT has 2 values, want one for each of 1 inputs"},
		{"grad without wrt", func(s *ops.Spec) {
			s.WRT, s.Grad = nil, func(_, _ *gorgonia.Node) (gorgonia.Nodes, error) { return nil, nil }
		}, "WRT does not say"},
		{"no input", func(s *ops.Spec) { s.Inputs = gorgonia.Nodes{nil} }, "input 0 is missing"},
		{"no parameter", func(s *ops.Spec) { s.Inputs = gorgonia.Nodes{tape.Param(nil)} }, "input 0 is missing"},
		{"foreign input", func(s *ops.Spec) { s.Inputs = gorgonia.Nodes{foreign} }, "belongs to another tape"},
		{"foreign buffer", func(s *ops.Spec) { s.Uses = []*ops.Buffer{other.NewBuffer(4)} }, "belongs to another tape"},
		{"nil buffer", func(s *ops.Spec) { s.Uses = []*ops.Buffer{nil} }, "is nil"},
		{"reuse", func(s *ops.Spec) { s.Reuse = 2 }, "Reuse is 2, want 1 to 1"},
		{"alias", func(s *ops.Spec) { s.Alias = -1 }, "Alias is -1"},
		{"alias of an input of the graph", func(s *ops.Spec) { s.Alias = 1 }, "the memory of input 0 is not planned"},
		{"alias of another size", func(s *ops.Spec) { s.Shape, s.Alias = tensor.Shape{3}, 1 },
			"input 0 has shape (2, 3), the result (3)"},
		{"reuse by a scalar", func(s *ops.Spec) { s.Shape, s.Reuse = tensor.ScalarShape(), 1 }, "Reuse for a scalar"},
		{"both", func(s *ops.Spec) { s.Alias, s.Reuse = 1, 1 }, "both Reuse and Alias"},
		{"result of another shape", func(s *ops.Spec) { s.Result = ops.NewParam("w", 3) }, "want shape (3) of w"},
		{"result without gradient", func(s *ops.Spec) { s.Result = ops.NewFixedParam("w", 2, 3) }, "w has no gradient"},
	} {
		s := good
		s.Inputs = slices.Clone(s.Inputs)
		c.change(&s)
		if _, err := tape.Record(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := tape.Record(good); err != nil {
		t.Error(err)
	}
	if _, err := tape.ParamGrad(nil, x); err == nil {
		t.Error("the gradient of no parameter is accepted")
	}
}

// Faults of Grad are found when the graph is differentiated.
func TestGradErrors(t *testing.T) {
	run := func([][]float32, []float32) error { return nil }
	for _, c := range []struct {
		name string
		grad func(t *ops.Tape, grad *gorgonia.Node) (gorgonia.Nodes, error)
		want string
	}{
		{"none", nil, `Bad "layer" has no gradient`},
		{"too few", func(*ops.Tape, *gorgonia.Node) (gorgonia.Nodes, error) {
			return nil, nil
		}, `ops: Bad "layer": its Grad returns 0 gradients, want one for each of 1 inputs`},
		{"nil", func(*ops.Tape, *gorgonia.Node) (gorgonia.Nodes, error) {
			return gorgonia.Nodes{nil}, nil
		}, "no gradient of input 0"},
		{"shape", func(_ *ops.Tape, g *gorgonia.Node) (gorgonia.Nodes, error) {
			return gorgonia.Nodes{g}, nil
		}, "the gradient of input 0 has shape (), want (2, 3)"},
		{"foreign", func(*ops.Tape, *gorgonia.Node) (gorgonia.Nodes, error) {
			return gorgonia.Nodes{ops.NewSketch().Input("dx", 2, 3)}, nil
		}, "belongs to another tape"},
	} {
		tape := ops.NewSketch()
		x := tape.Input("x", 2, 3)
		s := ops.Spec{
			Kind:   "Bad",
			Name:   "layer",
			Inputs: gorgonia.Nodes{x},
			WRT:    []bool{true},
			Shape:  tensor.ScalarShape(),
			Run:    run,
		}
		if c.grad != nil {
			s.Grad = func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) { return c.grad(tape, grad) }
		}
		n, err := tape.Record(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gorgonia.Grad(n, x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
