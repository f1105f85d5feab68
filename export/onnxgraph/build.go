package onnxgraph

import (
	"encoding/binary"
	"fmt"

	"fasternet/formats"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/ops"

	"gorgonia.org/tensor"
)

// Producer is the name of the program in the files that it writes.
const Producer = "fasternet-train"

// The names of the input, the output and the dimensions that are chosen at run time.
const (
	Input  = "input"
	Output = "logits"
	// FeaturesOutput is the output of an encoder, [batch, channels].
	FeaturesOutput = "features"

	// FeaturesMeta is the key in the metadata for the name of the features: see [Options.Features].
	FeaturesMeta = "features"

	Batch  = "batch"
	Height = "height"
	Width  = "width"
)

// Options describe a graph, besides the model.
type Options struct {
	Opset         int // 13 to [onnx.LastOpset]
	Height, Width int // size of the images
	// Dynamic says that height and width are chosen at run time. It is an error if the model has
	// only one size.
	Dynamic bool
	// Features ends the graph at a value within the model, as [graph.Program.Feature] names it: the graph
	// of an encoder. Only the parameters before it are in the file. "" is for a classifier.
	Features string
	// Half computes in float16; input and output are float32.
	Half bool
	// Pixels is set if images are bytes [batch, height, width, channels], which the graph
	// normalises; nil for normalised images of float32 [batch, channels, height, width].
	Pixels *Pixels
}

// Pixels say how the graph normalises pixels, as a part of 255: (pixel - mean) / std, with a value for
// each channel.
type Pixels struct{ Mean, Std []float32 }

// Build makes the graph of a model in folded form. The tensors share memory with the model.
func Build(m graph.Model, o Options) (*onnx.Model, error) {
	ir, err := onnx.IRVersion(o.Opset)
	if err != nil {
		return nil, err
	}
	if f, ok := m.(graph.Foldable); ok && !f.Folded() {
		return nil, fmt.Errorf("onnx: the model is not in folded form")
	}
	if o.Half && graph.IsInt8(m) {
		return nil, fmt.Errorf("onnx: a model in 8 bits cannot be written in float16")
	}
	if o.Dynamic {
		if err := graph.AnySize(m); err != nil {
			return nil, fmt.Errorf("onnx: %w", err)
		}
	}
	recorded, err := recordedUntil(m, o)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	b := newBuilder(m, o, recorded)
	graphName, output := "classifier", onnx.Value{
		Name: Output, Type: onnx.Float32, Shape: []onnx.Dim{{Name: Batch}, {Size: int64(m.Classes())}},
	}
	if o.Features != "" {
		shape := recorded[len(recorded)-1].Shape
		graphName, output.Name = "encoder", FeaturesOutput
		output.Shape[1].Size = int64(shape.TotalSize() / shape[0])
	}
	images, err := b.images(m.Channels(), o)
	if err != nil {
		return nil, err
	}
	result, err := b.walk(recorded, Value{images, MapLayout, tensor.Shape{1, o.Height, o.Width, m.Channels()}})
	if err != nil {
		return nil, err
	}
	if o.Features != "" {
		if result, err = b.As(result, FeatureLayout); err != nil {
			return nil, fmt.Errorf("onnx: %w", err)
		}
	}
	if o.Half && result.Layout == FeatureLayout {
		result.Name = b.cast("float32", result.Name, onnx.Float32)
	}
	if err := b.finish(result, output.Name); err != nil {
		return nil, err
	}
	if o.Half {
		if err := halve(b.initializers); err != nil {
			return nil, err
		}
	}
	return &onnx.Model{
		IRVersion: ir, Opset: int64(o.Opset), Producer: Producer,
		Graph: onnx.Graph{
			Name: graphName, Nodes: b.nodes, Initializers: b.initializers,
			Inputs:  []onnx.Value{o.input(m.Channels())},
			Outputs: []onnx.Value{output},
		},
	}, nil
}

// recordedUntil lists the ops of a model up to its features, or all.
func recordedUntil(m graph.Model, o Options) ([]ops.Recorded, error) {
	if o.Features == "" {
		return graph.Record(m, o.Height, o.Width)
	}
	recorded, err := graph.RecordUntil(m, o.Height, o.Width, o.Features)
	if err == nil && len(recorded) == 0 {
		err = fmt.Errorf("no op computes the features %q", o.Features)
	}
	return recorded, err
}

// input returns the input of the graph.
func (o Options) input(channels int) onnx.Value {
	h, w := onnx.Dim{Size: int64(o.Height)}, onnx.Dim{Size: int64(o.Width)}
	if o.Dynamic {
		h, w = onnx.Dim{Name: Height}, onnx.Dim{Name: Width}
	}
	c := onnx.Dim{Size: int64(channels)}
	if o.Pixels != nil {
		return onnx.Value{Name: Input, Type: onnx.Uint8, Shape: []onnx.Dim{{Name: Batch}, h, w, c}}
	}
	return onnx.Value{Name: Input, Type: onnx.Float32, Shape: []onnx.Dim{{Name: Batch}, c, h, w}}
}

// images adds the preparation of the input before the first layer, and returns the name of the result.
func (b *Builder) images(channels int, o Options) (string, error) {
	x := Input
	if p := o.Pixels; p != nil {
		if len(p.Mean) != channels || len(p.Std) != channels {
			return "", fmt.Errorf("onnx: pixels with %d channels need as many means and deviations, got %d and %d",
				channels, len(p.Mean), len(p.Std))
		}
		factor := onnx.Tensor{Name: "pixels.factor", Shape: []int{channels}}
		term := onnx.Tensor{Name: "pixels.term", Shape: []int{channels}}
		for c, std := range p.Std {
			factor.F32 = append(factor.F32, float32(1/(255*float64(std))))
			term.F32 = append(term.F32, float32(-float64(p.Mean[c])/float64(std)))
		}
		to := onnx.Float32
		if o.Half {
			to = onnx.Float16
		}
		x = b.cast("pixels.floats", x, to)
		x = b.Node("Mul", "pixels.scaled", []string{x, b.Constant(factor)})
		x = b.Node("Add", "pixels.normalised", []string{x, b.Constant(term)})
		return b.Transpose("pixels.channels", x, 0, 3, 1, 2), nil
	}
	if o.Half {
		x = b.cast("float16", x, onnx.Float16)
	}
	return x, nil
}

// cast adds a conversion.
func (b *Builder) cast(name, x string, to onnx.ElemType) string {
	return b.Node("Cast", b.Name(name), []string{x}, onnx.Int("to", int(to)))
}

// halve converts all values from float32 to float16.
func halve(all []onnx.Tensor) error {
	for i := range all {
		t := &all[i]
		if t.F32 == nil {
			continue
		}
		raw := make([]byte, 0, 2*len(t.F32))
		for _, v := range t.F32 {
			h, err := formats.ToHalf(v)
			if err != nil {
				return fmt.Errorf("onnx: %s: %w", t.Name, err)
			}
			raw = binary.LittleEndian.AppendUint16(raw, h)
		}
		t.F32, t.Type, t.Raw = nil, onnx.Float16, raw
	}
	return nil
}
