package model

import (
	"encoding/binary"
	"fmt"
	"strings"

	"fasternet/formats"
	"fasternet/formats/onnx"
	"fasternet/graph"
)

// onnxTensors are the initializers of a graph as the tensors of a file of safetensors: those of
// float16 in float32, and what belongs to weights and values of 8 bits as that file has it.
func onnxTensors(g *onnx.Graph) ([]formats.Tensor, error) {
	var all []formats.Tensor
	for _, t := range g.Initializers {
		out := formats.Tensor{Name: t.Name, Shape: t.Shape, F32: t.F32, I64: t.I64}
		switch {
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
				return nil, fmt.Errorf("the biases %s have no steps", formats.Short(t.Name))
			}
			out.F32 = make([]float32, len(step.F32))
			for i, v := range step.F32 {
				out.F32[i] = float32(float64(int32(binary.LittleEndian.Uint32(t.Raw[4*i:]))) * float64(v))
			}
			// In float32 the layer may have a bias too, for which this one stands.
			weight := strings.TrimSuffix(t.Name, weightBias)
			if layer, ok := strings.CutSuffix(weight, ".weight"); ok {
				all = append(all, formats.Tensor{Name: layer + ".bias", Shape: t.Shape, F32: out.F32})
			}
		default:
			return nil, fmt.Errorf("the initializer %s is of type %d, which no export has there",
				formats.Short(t.Name), t.Type)
		}
		all = append(all, out)
	}
	return all, nil
}

// int8OfONNX brings the model of an ONNX file to 8 bits, if it is one.
func (s *source) int8OfONNX() error {
	if s.int8 == nil {
		return nil
	}
	m, ok := s.model.(graph.Int8Model)
	if !ok {
		return setInt8(s.model, s.int8)
	}
	for _, u := range m.Int8Units() {
		if u.Block == nil || !s.int8.Has(u) {
			continue
		}
		before, after := u.Grids[1], u.Grids[2]
		if g, ok := s.int8.Grids[after]; ok {
			if _, ok := s.int8.Grids[before]; !ok { // one rounding does for both
				s.int8.Grids[before] = g
			}
		}
	}
	return m.SetInt8(s.int8)
}
