package model

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/export/onnxgraph"
	"fasternet/formats"
	"fasternet/graph"
	"fasternet/ops"
)

// A file of a model in 8 bits has each weight of 8 bits as int8, and next to it what its values
// are multiplied with and what is added to its outputs; the grid of the values that a layer puts
// out is a scale and a zero point.
const (
	weightScale = onnxgraph.WeightScale // [out]
	weightBias  = onnxgraph.WeightBias  // [out]
	gridScale   = onnxgraph.GridScale
	gridZero    = onnxgraph.GridZero
)

// PrecisionKey is the key of an exported model's metadata that says in which format weights and
// maps are, if that is not float32.
const PrecisionKey = "precision"

// The values of PrecisionKey.
const (
	int8Precision = "int8"
	// HalfPrecision is float16, of ONNX files.
	HalfPrecision = "float16"
)

// ExportTensors is the state of a model for an exported file: in 8 bits where it computes in them.
func ExportTensors(m graph.Model) []formats.Tensor {
	all := Tensors(m.Store())
	q, ok := m.(graph.Int8Model)
	if !ok || q.Int8() == nil {
		return all
	}
	s := q.Int8()
	for i := range all {
		t := &all[i]
		f, ok := s.Factors[t.Name]
		if !ok {
			continue
		}
		e, _ := m.Store().Lookup(t.Name)
		values := make([]float32, len(t.F32))
		for i, v := range s.Weight(e.Param).Integers() {
			values[i] = float32(v)
		}
		t.DType, t.F32 = formats.Int8, values
		all = append(all,
			formats.Tensor{Name: e.Name + weightScale, Shape: []int{len(f.Scale)}, F32: f.Scale},
			formats.Tensor{Name: e.Name + weightBias, Shape: []int{len(f.Bias)}, F32: f.Bias})
	}
	for name, g := range s.Grids {
		all = append(all,
			formats.Tensor{Name: name + gridScale, Shape: []int{1}, F32: []float32{g.Scale}},
			formats.Tensor{Name: name + gridZero, Shape: []int{1}, I64: []int64{int64(g.Zero)}})
	}
	return all
}

// int8Weights says whether a file has weights of 8 bits.
func int8Weights(f *checkpoints.File) bool {
	return slices.ContainsFunc(f.Tensors, func(t formats.Tensor) bool { return t.DType == formats.Int8 })
}

// unpackInt8 takes the tensors of a file apart: those of the model in float32, and what it
// computes with in 8 bits; nil for a file without. The error names the tensor that is no use.
func unpackInt8(f *checkpoints.File) (*checkpoints.File, *graph.Int8State, error) {
	if !int8Weights(f) {
		if f.Meta[PrecisionKey] == int8Precision {
			return nil, nil, fmt.Errorf("its metadata says int8, but no tensor is int8")
		}
		return f, nil, nil
	}
	if f.Meta[PrecisionKey] != int8Precision {
		return nil, nil, fmt.Errorf("it has weights of 8 bits, and is no model in 8 bits by its metadata")
	}
	s := &graph.Int8State{Factors: map[string]graph.Int8Factors{}, Grids: map[string]ops.Grid{}}
	all := map[string]formats.Tensor{}
	for _, t := range f.Tensors {
		all[t.Name] = t
	}
	taken := map[string]bool{}
	vector := func(name string, n int) ([]float32, error) {
		t, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("the tensor %s is missing", formats.Short(name))
		}
		taken[name] = true
		if t.F32 == nil || t.DType == formats.Int8 || !slices.Equal(t.Shape, []int{n}) {
			return nil, fmt.Errorf("tensor %s has shape %v: want %d values of float32", formats.Short(name), t.Shape, n)
		}
		return t.F32, nil
	}
	out := &checkpoints.File{Meta: f.Meta}
	for _, t := range f.Tensors {
		if t.DType == formats.Int8 {
			if len(t.Shape) < 2 || t.Shape[0] < 1 {
				return nil, nil, fmt.Errorf("tensor %s of 8 bits has shape %v: it is no weight",
					formats.Short(t.Name), t.Shape)
			}
			n := t.Shape[0]
			scale, err := vector(t.Name+weightScale, n)
			if err != nil {
				return nil, nil, err
			}
			bias, err := vector(t.Name+weightBias, n)
			if err != nil {
				return nil, nil, err
			}
			for o, v := range scale {
				if err := (ops.Grid{Scale: v}).Check(); err != nil {
					return nil, nil, fmt.Errorf("tensor %s: output %d: %w", formats.Short(t.Name), o, err)
				}
				if c := float64(bias[o]); math.IsNaN(c) || math.IsInf(c, 0) {
					return nil, nil, fmt.Errorf("tensor %s: output %d: its bias is %v", formats.Short(t.Name), o, c)
				}
			}
			row := len(t.F32) / n
			values := make([]float32, len(t.F32))
			for i, v := range t.F32 {
				if v < -ops.MostInt8 {
					return nil, nil, fmt.Errorf("tensor %s: value %d is %g: want -%d to %[4]d",
						formats.Short(t.Name), i, v, ops.MostInt8)
				}
				values[i] = float32(float64(v) * float64(scale[i/row]))
			}
			t.DType, t.F32 = 0, values
			s.Factors[t.Name] = graph.Int8Factors{Scale: scale, Bias: bias}
			all[t.Name] = t
		}
	}
	for _, t := range f.Tensors {
		name, ok := strings.CutSuffix(t.Name, gridScale)
		if !ok {
			continue
		}
		scale, err := vector(t.Name, 1)
		if err != nil {
			return nil, nil, err
		}
		z, ok := all[name+gridZero]
		if !ok || len(z.I64) != 1 || z.I64[0] < 0 || z.I64[0] > 255 {
			return nil, nil, fmt.Errorf("tensor %s: want one integer from 0 to 255", formats.Short(name+gridZero))
		}
		taken[z.Name] = true
		g := ops.Grid{Scale: scale[0], Zero: uint8(z.I64[0])}
		if err := g.Check(); err != nil {
			return nil, nil, fmt.Errorf("the 8-bit values of %s: %w", formats.Short(name), err)
		}
		s.Grids[name] = g
	}
	for _, t := range f.Tensors {
		if !taken[t.Name] {
			out.Tensors = append(out.Tensors, all[t.Name])
		}
	}
	return out, s, nil
}

// NotInt8 says that a model computes in 8 bits, for what only files of float32 can hold; nil if
// it does not.
func NotInt8(m graph.Model) error {
	if graph.IsInt8(m) {
		return fmt.Errorf("the model computes in 8 bits, which only exports hold: " +
			"take the one in float32 that it was made of")
	}
	return nil
}

// setInt8 has a model compute in 8 bits, if a file says so.
func setInt8(m graph.Model, s *graph.Int8State) error {
	if s == nil {
		return nil
	}
	q, ok := m.(graph.Int8Model)
	if !ok {
		return fmt.Errorf("it is of 8 bits, and a %T has no form of 8 bits", m)
	}
	return q.SetInt8(s)
}

// checkInt8 says whether the file is of a model that computes in 8 bits with a state.
func (l *Loaded) checkInt8(s *graph.Int8State) error {
	m, err := l.empty()
	if err != nil {
		return err
	}
	if err := Restore(m.Store(), l.File); err != nil {
		return err
	}
	return setInt8(m, s)
}
