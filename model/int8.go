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

// A file of an int8 model has each quantised weight as int8, and next to it the factors and the biases of its
// outputs. The values that a layer produces have a grid: a scale and a zero point.
const (
	weightScale = onnxgraph.WeightScale // [out]
	weightBias  = onnxgraph.WeightBias  // [out]
	gridScale   = onnxgraph.GridScale
	gridZero    = onnxgraph.GridZero
)

// PrecisionKey is the key in the metadata of an exported model for the format of weights and maps, if it is not
// float32.
const PrecisionKey = "precision"

// Values of PrecisionKey.
const (
	int8Precision = "int8"
	// HalfPrecision is float16, in ONNX files.
	HalfPrecision = "float16"
)

// ExportTensors returns the state of a model for an exported file, in int8 where the model computes in int8.
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

// int8Weights reports whether a file has int8 weights.
func int8Weights(f *checkpoints.File) bool {
	return slices.ContainsFunc(f.Tensors, func(t formats.Tensor) bool { return t.DType == formats.Int8 })
}

// unpackInt8 splits the tensors of a file: the tensors of the model in float32, and its int8 state, nil if there is
// none. The error names an unusable tensor.
func unpackInt8(f *checkpoints.File) (*checkpoints.File, *graph.Int8State, error) {
	if !int8Weights(f) {
		if f.Meta[PrecisionKey] == int8Precision {
			return nil, nil, fmt.Errorf("its metadata says int8, but no tensor is int8")
		}
		return f, nil, nil
	}
	if f.Meta[PrecisionKey] != int8Precision {
		return nil, nil, fmt.Errorf("it has int8 tensors, but its metadata does not say int8")
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
				return nil, nil, fmt.Errorf("int8 tensor %s has shape %v: it is not a weight",
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
			return nil, nil, fmt.Errorf("the int8 values of %s: %w", formats.Short(name), err)
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

// NotInt8 returns an error if the model computes in int8, for uses that need float32.
func NotInt8(m graph.Model) error {
	if graph.IsInt8(m) {
		return fmt.Errorf("the model is int8, which only exports can hold: " +
			"take the float32 model that it was made from")
	}
	return nil
}

// setInt8 makes a model compute in int8, if a file says so.
func setInt8(m graph.Model, s *graph.Int8State) error {
	if s == nil {
		return nil
	}
	q, ok := m.(graph.Int8Model)
	if !ok {
		return fmt.Errorf("it is int8, but a %T has no int8 form", m)
	}
	return q.SetInt8(s)
}

// checkInt8 returns an error unless the file belongs to a model that computes in int8 with a state.
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
