package onnxgraph_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Gate is an op of another package: x·sigmoid(scale·x), with a scale for each channel.
type Gate struct{ Scale *ops.Param }

const kindGate = "test.Gate"

func gateForm(b *onnxgraph.Builder, op onnxgraph.Op, g Gate) (onnxgraph.Value, error) {
	x, err := op.Input(b, onnxgraph.TokenLayout, onnxgraph.FeatureLayout)
	if err != nil {
		return onnxgraph.Value{}, err
	}
	v := b.Node("Mul", op.Name+".scaled", []string{x.Name, b.Param(g.Scale)})
	v = b.Node("Sigmoid", op.Name+".gate", []string{v})
	v = b.Node("Mul", b.Name(op.Name), []string{x.Name, v})
	return onnxgraph.Value{Name: v, Layout: x.Layout}, nil
}

// Each of these kinds is wrong in its own way.
var badForms = map[string]func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error){
	"test.Missing": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) {
		return b.Node("Relu", op.Name, []string{"elsewhere"}), nil
	},
	"test.Twice": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) {
		b.Node("Relu", op.Name, []string{op.Inputs[0].Name})
		return b.Node("Relu", op.Name, []string{op.Inputs[0].Name}), nil
	},
	"test.Param": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) {
		return b.Param(ops.NewShapeParam("strange", 3)), nil
	},
	"test.NilParam": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) { return b.Param(nil), nil },
	"test.Nothing":  func(*onnxgraph.Builder, onnxgraph.Op) (string, error) { return "nothing", nil },
	"test.Constant": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) {
		b.Constant(onnx.Tensor{Name: "c", Shape: []int{1}, F32: []float32{1}})
		return b.Constant(onnx.Tensor{Name: "c", Shape: []int{2}, F32: []float32{1, 2}}), nil
	},
	"test.Panic": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) { return op.Inputs[7].Name, nil },
	"test.Error": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) { return "", errors.New("no luck") },
	"test.Map": func(b *onnxgraph.Builder, op onnxgraph.Op) (string, error) {
		return b.Node("Relu", op.Name, []string{op.Inputs[0].Name}), nil
	},
}

func init() {
	onnxgraph.Register(kindGate, gateForm)
	for kind, form := range badForms {
		onnxgraph.Register(kind, func(b *onnxgraph.Builder, op onnxgraph.Op, _ any) (onnxgraph.Value, error) {
			name, err := form(b, op)
			return onnxgraph.Value{Name: name, Layout: onnxgraph.MapLayout}, err
		})
	}
}

// gate records the op, without computing it.
func gate(t *ops.Tape, name string, x *gorgonia.Node, about Gate, kind string) (*gorgonia.Node, error) {
	return t.Record(ops.Spec{
		Kind: kind, Name: name, Inputs: gorgonia.Nodes{x, t.Param(about.Scale)}, Shape: x.Shape().Clone(), About: about,
		Run: func([][]float32, []float32) error { return nil },
	})
}

// foreign is a model of another package, with its own op.
type foreign struct {
	store   *layers.Store
	forward func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error)
	scale   *ops.Param
	norm    *ops.LayerNorm
	head    *ops.Param
}

func newForeign(forward func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error)) *foreign {
	m := &foreign{store: layers.NewStore(1, 0.02), forward: forward}
	m.scale = m.store.Weight("gate.scale", 3)
	m.norm = &ops.LayerNorm{Weight: m.store.Weight("norm.weight", 3), Bias: m.store.Weight("norm.bias", 3), Eps: 1e-6}
	m.head = m.store.Weight("head.weight", 5, 3)
	m.store.Counter("steps")
	return m
}

func (m *foreign) Store() *layers.Store { return m.store }
func (m *foreign) Channels() int        { return 3 }
func (m *foreign) Classes() int         { return 5 }
func (m *foreign) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	return m.forward(m, p, x)
}

// classify builds gate, norm, pool and a linear layer.
func classify(kind string) func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	return func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
		defer p.Within("part")()
		x, err := gate(p.Tape, "gate", x, Gate{m.scale}, kind)
		if err == nil {
			x, err = ops.Normalise(p.Tape, "norm", x, m.norm)
		}
		if err == nil {
			x, err = ops.GlobalAvgPool(p.Tape, "pool", x)
		}
		if err != nil {
			return nil, err
		}
		return ops.Linear(p.Tape, "head", x, m.head, nil)
	}
}

// A program with its own op says how it is computed in ONNX, in an init function:
//
//	func init() { onnxgraph.Register("test.Gate", gateForm) }
func ExampleRegister() {
	m := newForeign(classify(kindGate))
	g, err := onnxgraph.Build(m, onnxgraph.Options{Opset: 17, Height: 8, Width: 6})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range g.Graph.Nodes {
		fmt.Println(n.Op, n.Name, n.Inputs)
	}
	// Output:
	// Reshape input.flat [input ints.0.3.48]
	// Transpose input.tokens [input.flat]
	// Mul gate.scaled [input.tokens gate.scale]
	// Sigmoid gate.gate [gate.scaled]
	// Mul gate [input.tokens gate.gate]
	// LayerNormalization norm [gate norm.weight norm.bias]
	// ReduceMean pool [norm]
	// Gemm head [pool head.weight]
}

// A file with the op of another package is read back like one of ours, and a change is found.
func TestCheckForeign(t *testing.T) {
	m := newForeign(classify(kindGate))
	for opset := 13; opset <= 17; opset++ {
		read := func() *onnx.Model {
			raw, err := onnx.Marshal(build(t, m, opset))
			if err != nil {
				t.Fatal(err)
			}
			g, err := onnx.Unmarshal(raw)
			if err != nil {
				t.Fatal(err)
			}
			return g
		}
		if err := onnxgraph.Check(read(), m); err != nil {
			t.Errorf("opset %d: %v", opset, err)
		}
		g := read()
		g.Graph.Nodes[3].Op = "Tanh"
		if err := onnxgraph.Check(g, m); err == nil || !strings.Contains(err.Error(), "Tanh") {
			t.Errorf("opset %d, a changed node: %v", opset, err)
		}
	}
	g := build(t, m, 17)
	steps, ok := g.Graph.Lookup("steps")
	if !ok || len(steps.I64) != 1 {
		t.Errorf("the counter is %v", steps)
	}
}

func TestFormErrors(t *testing.T) {
	type forward = func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error)
	for _, c := range []struct {
		name    string
		forward forward
		want    string
	}{
		{"no form", classify("test.Unknown"),
			`onnx: test.Unknown "gate" (in part) has no ONNX form: ` +
				`the program that adds the op adds one with onnxgraph.Register`},
		{"our kind", classify(ops.KindGlobalAvgPool),
			`GlobalAvgPool "gate": the op is described by a onnxgraph_test.Gate, ` +
				`but the ONNX form of its kind is for a ops.Pool: give the op its own kind`},
		{"an unknown value", classify("test.Missing"),
			`test.Missing "gate": the node Relu "gate" reads "elsewhere", which does not exist`},
		{"a name that is taken", classify("test.Twice"), `the name "gate" of a node Relu is empty or taken`},
		{"a foreign parameter", classify("test.Param"), `the parameter "strange" does not belong to the model`},
		{"no parameter", classify("test.NilParam"), "a parameter is nil"},
		{"no result", classify("test.Nothing"), `its ONNX form returns the value "nothing", which no node computes`},
		{"two constants", classify("test.Constant"), `there is already another value "c"`},
		{"a panic", classify("test.Panic"), `test.Panic "gate": its ONNX form panicked: `},
		{"an error", classify("test.Error"), `test.Error "gate": no luck`},
		{"no logits", func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
			return gate(p.Tape, "gate", x, Gate{m.scale}, "test.Map")
		}, "the last op returns a map [batch, channels, height, width], want features"},
		{"no ops", func(m *foreign, p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
			return x, nil
		}, "onnx: the last op returns a map"},
		{"another input", func(_ *foreign, p *layers.Pass, _ *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.MeanTokens(p.Tape, "mean", p.Input("tokens", 1, 4, 3), 0, 2)
		}, `MeanTokens "mean" reads the input "tokens", which the ONNX graph does not have`},
	} {
		_, err := onnxgraph.Build(newForeign(c.forward), onnxgraph.Options{Opset: 17, Height: 8, Width: 6})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	_, err := onnxgraph.Build(newForeign(classify("test.Unknown")), onnxgraph.Options{Opset: 17, Height: 8, Width: 6})
	if e := new(onnxgraph.NoFormError); !errors.As(err, &e) || e.Kind != "test.Unknown" {
		t.Errorf("got %v", err)
	}
}

// A second form for a kind would depend on the order of init functions.
func TestRegisterTwice(t *testing.T) {
	for _, c := range []struct {
		name     string
		register func()
	}{
		{"ours", func() { onnxgraph.Register(ops.KindLinear, gateForm) }},
		{"theirs", func() { onnxgraph.Register(kindGate, gateForm) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				s := fmt.Sprint(recover())
				if !strings.Contains(s, "already have an ONNX form: give the new op its own kind") {
					t.Errorf("got %v", s)
				}
			}()
			c.register()
		})
	}
}

var (
	_ graph.Model = (*foreign)(nil)
)
