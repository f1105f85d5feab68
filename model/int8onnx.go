package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"fasternet/formats"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/ops"
)

// biasOf returns the bias that stands for the one of a layer of 8 bits, if the layer has one in float32 too. What
// the model does not have is left out later.
func biasOf(name string, shape []int, values []float32) []formats.Tensor {
	layer, ok := strings.CutSuffix(strings.TrimSuffix(name, weightBias), ".weight")
	if !ok {
		return nil
	}
	return []formats.Tensor{{Name: layer + ".bias", Shape: shape, F32: values}}
}

// onnxTensors returns the initializers of a graph as tensors of a safetensors file: float16 becomes
// float32, and 8-bit weights and grids have the form that they have in such a file.
func onnxTensors(g *onnx.Graph) ([]formats.Tensor, error) {
	var all []formats.Tensor
	for _, t := range g.Initializers {
		out := formats.Tensor{Name: t.Name, Shape: t.Shape, F32: t.F32, I64: t.I64}
		switch {
		case t.Raw == nil && strings.HasSuffix(t.Name, weightBias):
			all = append(all, biasOf(t.Name, t.Shape, t.F32)...)
		case t.Raw == nil:
			if strings.HasSuffix(t.Name, gridScale) && len(t.Shape) == 0 {
				out.Shape = []int{1}
			}
		case t.Type == onnx.Float16:
			out.F32 = make([]float32, len(t.Raw)/2)
			for i := range out.F32 {
				out.F32[i] = formats.Half(binary.LittleEndian.Uint16(t.Raw[2*i:]))
			}
		case t.Type == onnx.Int8 && len(t.Shape) > 1:
			out.DType, out.F32 = formats.Int8, make([]float32, len(t.Raw))
			for i, v := range t.Raw {
				out.F32[i] = float32(int8(v))
			}
		case t.Type == onnx.Int8:
			continue // the zero points of weights, which the graph must have as they are
		case t.Type == onnx.Uint8 && len(t.Raw) == 1:
			out.Shape, out.I64 = []int{1}, []int64{int64(t.Raw[0])}
		case t.Type == onnx.Int32 && strings.HasSuffix(t.Name, weightBias):
			step, ok := g.Lookup(t.Name + "_scale")
			if !ok || len(step.F32) != len(t.Raw)/4 || len(t.Shape) != 1 {
				return nil, fmt.Errorf("the bias %s has no scale for each of its values", formats.Short(t.Name))
			}
			out.F32 = make([]float32, len(step.F32))
			for i, v := range step.F32 {
				out.F32[i] = float32(float64(int32(binary.LittleEndian.Uint32(t.Raw[4*i:]))) * float64(v))
			}
			all = append(all, biasOf(t.Name, t.Shape, out.F32)...)
		default:
			return nil, fmt.Errorf("the initializer %s is of type %d, which no export has there",
				formats.Short(t.Name), t.Type)
		}
		all = append(all, out)
	}
	return all, nil
}

// GridsKey is the key of an ONNX file's metadata for some grids, as JSON by name: our kernels round these
// values and the graph does not, because runtimes are faster and more exact without.
const GridsKey = "int8_grids"

type storedGrid struct {
	Scale float32 `json:"scale"`
	Zero  uint8   `json:"zero_point"`
}

// DescribeGrids adds the grids of a model in 8 bits that its graph does not have to the metadata of an
// ONNX file, if there are any.
func DescribeGrids(meta map[string]string, g *onnx.Graph, m graph.Model) error {
	q, ok := m.(graph.Int8Model)
	if !ok || q.Int8() == nil {
		return nil
	}
	rest := map[string]storedGrid{}
	for name, grid := range q.Int8().Grids {
		if _, ok := g.Lookup(name + gridScale); !ok {
			rest[name] = storedGrid{grid.Scale, grid.Zero}
		}
	}
	if len(rest) == 0 {
		return nil
	}
	raw, err := json.Marshal(rest)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	meta[GridsKey] = string(raw)
	return nil
}

// int8OfONNX brings the model of an ONNX file to 8 bits, if it is one.
func (s *source) int8OfONNX(meta map[string]string) error {
	if s.int8 == nil {
		return nil
	}
	if text, ok := meta[GridsKey]; ok {
		rest := map[string]storedGrid{}
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&rest); err != nil {
			return fmt.Errorf("metadata %s: %w", GridsKey, err)
		}
		for name, g := range rest {
			if _, ok := s.int8.Grids[name]; ok {
				return fmt.Errorf("metadata %s: the graph has a grid of %s too", GridsKey, formats.Short(name))
			}
			s.int8.Grids[name] = ops.Grid{Scale: g.Scale, Zero: g.Zero} // setInt8 checks it
		}
	}
	return setInt8(s.model, s.int8)
}
