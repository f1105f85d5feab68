package onnxgraph

import (
	"fmt"
	"slices"

	"fasternet/graph"
	"fasternet/layers"
	"fasternet/onnx"
)

// Producer is the name of the program in the files that it writes.
const Producer = "fasternet-train"

// The names of input, output and of the dimension that is chosen at run time.
const (
	Input  = "input"
	Output = "logits"
	Batch  = "batch"
)

// Options describe a graph beside the model.
type Options struct {
	Opset         int // 13 to 17
	Height, Width int // of the images
}

// Build makes the graph of a model in folded form. The tensors share memory
// with the model.
func Build(m graph.Model, o Options) (*onnx.Model, error) {
	ir, err := onnx.IRVersion(o.Opset)
	if err != nil {
		return nil, err
	}
	if f, ok := m.(graph.Foldable); ok && !f.Folded() {
		return nil, fmt.Errorf("onnx: the model is not in folded form")
	}
	b := newBuilder(m.Store())
	switch m := m.(type) {
	case *graph.FasterNet:
		err = b.fasterNet(m, o)
	default:
		err = fmt.Errorf("onnx: a model of type %T has no ONNX form yet", m)
	}
	if err != nil {
		return nil, err
	}
	b.nodes[len(b.nodes)-1].Outputs = []string{Output}
	value := func(name string, dims ...int) []onnx.Value {
		v := onnx.Value{Name: name, Type: onnx.Float32, Shape: []onnx.Dim{{Name: Batch}}}
		for _, d := range dims {
			v.Shape = append(v.Shape, onnx.Dim{Size: int64(d)})
		}
		return []onnx.Value{v}
	}
	return &onnx.Model{
		IRVersion: ir, Opset: int64(o.Opset), Producer: Producer,
		Graph: onnx.Graph{
			Name: "classifier", Nodes: b.nodes, Initializers: b.initializers,
			Inputs: value(Input, m.Channels(), o.Height, o.Width), Outputs: value(Output, m.Classes()),
		},
	}, nil
}

// builder collects the nodes of a graph. A value has the name of the node that
// computes it.
type builder struct {
	nodes        []onnx.Node
	initializers []onnx.Tensor
}

// newBuilder starts a graph with the parameters of a model.
func newBuilder(s *layers.Store) *builder {
	b := &builder{}
	for _, e := range s.Entries {
		if e.Param != nil {
			b.initializers = append(b.initializers, onnx.Tensor{Name: e.Name, Shape: slices.Clone([]int(e.Shape)), F32: e.Param.Data()})
		}
	}
	return b
}

// node adds a node and returns its result.
func (b *builder) node(op, name string, inputs []string, attributes ...onnx.Attribute) string {
	b.nodes = append(b.nodes, onnx.Node{Name: name, Op: op, Inputs: inputs, Outputs: []string{name}, Attributes: attributes})
	return name
}

// constant adds an initializer that is no parameter, once a name.
func (b *builder) constant(t onnx.Tensor) string {
	if !slices.ContainsFunc(b.initializers, func(o onnx.Tensor) bool { return o.Name == t.Name }) {
		b.initializers = append(b.initializers, t)
	}
	return t.Name
}

func (b *builder) scalar(name string, v float32) string {
	return b.constant(onnx.Tensor{Name: name, Shape: []int{}, F32: []float32{v}})
}

// conv adds a convolution with square kernels, and with a bias if there is a
// parameter name.bias.
func (b *builder) conv(name, x string, size, stride, pad int) string {
	inputs := []string{x, name + ".weight"}
	if b.has(name + ".bias") {
		inputs = append(inputs, name+".bias")
	}
	return b.node("Conv", name, inputs, onnx.Ints("dilations", 1, 1), onnx.Int("group", 1), onnx.Ints("kernel_shape", size, size),
		onnx.Ints("pads", pad, pad, pad, pad), onnx.Ints("strides", stride, stride))
}

func (b *builder) has(name string) bool {
	return slices.ContainsFunc(b.initializers, func(t onnx.Tensor) bool { return t.Name == name })
}

// gelu adds the exact GELU x·(1+erf(x/√2))/2. Opset 17 has no operator for it;
// runtimes know this form, in this order, and fuse it.
func (b *builder) gelu(name, x string) string {
	v := b.node("Div", name+".div", []string{x, b.scalar("gelu.sqrt2", 1.41421356237309504880)})
	v = b.node("Erf", name+".erf", []string{v})
	v = b.node("Add", name+".add", []string{v, b.scalar("gelu.one", 1)})
	v = b.node("Mul", name+".mul", []string{x, v})
	return b.node("Mul", name, []string{v, b.scalar("gelu.half", 0.5)})
}

// split adds a division of the channels into parts of the given sizes.
func (b *builder) split(name, x string, sizes ...int) []string {
	t := onnx.Tensor{Name: "split", Shape: []int{len(sizes)}}
	var parts []string
	for i, n := range sizes {
		t.I64 = append(t.I64, int64(n))
		t.Name += fmt.Sprintf(".%d", n)
		parts = append(parts, fmt.Sprintf("%s.%d", name, i))
	}
	b.nodes = append(b.nodes, onnx.Node{
		Name: name, Op: "Split", Inputs: []string{x, b.constant(t)}, Outputs: parts, Attributes: []onnx.Attribute{onnx.Int("axis", 1)},
	})
	return parts
}
