package export

import (
	"fmt"

	"fasternet/data/preprocess"
	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/model"
)

// InputKey is the key of an ONNX file's metadata that describes the input, unless it is
// normalised float32 [batch, channels, height, width].
const InputKey = "input"

// ONNX returns the model, which must be in folded form, as an ONNX file: a graph for images of
// the size that the configuration evaluates at, or of any size, and the metadata of an
// export. The tensors share memory with the model.
func ONNX(l *model.Loaded, o Options) (*onnx.Model, error) {
	size := l.Config.Data.ImageSize
	how := onnxgraph.Options{Opset: o.Opset, Height: size, Width: size, Dynamic: o.Dynamic, Half: o.Half}
	if o.Pixels {
		p, err := preprocess.Of(l.Config.Data, l.Model.Channels())
		if err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
		how.Pixels = &onnxgraph.Pixels{Mean: p.Transform.Mean, Std: p.Transform.Std}
	}
	if l.Headless {
		how.Features = l.Features()
	}
	m, err := onnxgraph.Build(l.Model, how)
	if err != nil {
		return nil, err
	}
	if m.Meta, err = l.Exported(); err != nil {
		return nil, err
	}
	if o.Half {
		m.Meta[model.PrecisionKey] = model.HalfPrecision
	}
	if o.Pixels {
		m.Meta[InputKey] = "uint8 [batch, height, width, channels]"
	}
	m.ProducerVersion = o.Version
	if err := model.DescribeGrids(m.Meta, &m.Graph, l.Model); err != nil {
		return nil, err
	}
	m.Meta[model.WeightsKey] = onnxgraph.Checksum(&m.Graph, m.Meta[model.GridsKey])
	return m, nil
}
