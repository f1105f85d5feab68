package onnxgraph

import (
	"fmt"
	"slices"

	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/layers"
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
	b := newBuilder(m.Store(), o.Opset)
	recorded, err := graph.Record(m, o.Height, o.Width)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if err := b.walk(recorded); err != nil {
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
	opset        int
	nodes        []onnx.Node
	initializers []onnx.Tensor
}

// newBuilder starts a graph with the parameters and buffers of a model.
func newBuilder(s *layers.Store, opset int) *builder {
	b := &builder{opset: opset}
	for _, e := range s.Entries {
		data := e.Buffer
		if e.Param != nil {
			data = e.Param.Data()
		}
		b.initializers = append(b.initializers, onnx.Tensor{Name: e.Name, Shape: slices.Clone([]int(e.Shape)), F32: data})
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

// ints adds a list of integers, which shapes, axes and the like are given as.
func (b *builder) ints(vs ...int) string {
	t := onnx.Tensor{Name: "ints", Shape: []int{len(vs)}}
	for _, v := range vs {
		t.I64 = append(t.I64, int64(v))
		t.Name += fmt.Sprintf(".%d", v)
	}
	return b.constant(t)
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

// reshape adds another shape; 0 stands for the size that the input has there,
// which keeps the batch.
func (b *builder) reshape(name, x string, shape ...int) string {
	return b.node("Reshape", name, []string{x, b.ints(shape...)})
}

func (b *builder) transpose(name, x string, order ...int) string {
	return b.node("Transpose", name, []string{x}, onnx.Ints("perm", order...))
}

// slice adds places from, …, to-1 of an axis.
func (b *builder) slice(name, x string, axis, from, to int) string {
	return b.node("Slice", name, []string{x, b.ints(from), b.ints(to), b.ints(axis)})
}

// split adds a division of an axis into parts of the given sizes.
func (b *builder) split(name, x string, axis int, sizes ...int) []string {
	t := onnx.Tensor{Name: "split", Shape: []int{len(sizes)}}
	var parts []string
	for i, n := range sizes {
		t.I64 = append(t.I64, int64(n))
		t.Name += fmt.Sprintf(".%d", n)
		parts = append(parts, fmt.Sprintf("%s.%d", name, i))
	}
	b.nodes = append(b.nodes, onnx.Node{
		Name: name, Op: "Split", Inputs: []string{x, b.constant(t)}, Outputs: parts, Attributes: []onnx.Attribute{onnx.Int("axis", axis)},
	})
	return parts
}
