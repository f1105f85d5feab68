package onnxgraph

import (
	"fmt"

	"fasternet/formats/onnx"
	"fasternet/graph"

	"gorgonia.org/tensor"
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
	result, err := b.walk(recorded, tensor.Shape{1, o.Height, o.Width, m.Channels()})
	if err != nil {
		return nil, err
	}
	if err := b.finish(result); err != nil {
		return nil, err
	}
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
