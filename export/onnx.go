package export

import (
	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/model"
)

// ONNX is the model, which must be in folded form, as an ONNX file: a graph for
// images of the size that the configuration evaluates at, and the metadata of
// an export. The tensors share memory with the model.
func ONNX(l *model.Loaded, opset int, version string) (*onnx.Model, error) {
	size := l.Config.Data.ImageSize
	m, err := onnxgraph.Build(l.Model, onnxgraph.Options{Opset: opset, Height: size, Width: size})
	if err != nil {
		return nil, err
	}
	if m.Meta, err = l.Exported(); err != nil {
		return nil, err
	}
	m.ProducerVersion = version
	m.Meta[model.WeightsKey] = onnxgraph.Checksum(&m.Graph)
	return m, nil
}
