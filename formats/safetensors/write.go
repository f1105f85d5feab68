package safetensors

import (
	"fmt"
	"io"

	"fasternet/formats"

	"github.com/nlpodyssey/safetensors"
)

// Write writes metadata and tensors of float32, int64 or packed int8 values. In the file they are
// sorted by name, integers first. If a tensor does not have the values of its shape, or has the
// name of another, Write returns an error and writes nothing.
func Write(w io.Writer, meta map[string]string, ts []formats.Tensor) error {
	views := make(map[string]view, len(ts))
	for _, t := range ts {
		if n := len(t.F32) + len(t.I64); t.Size() != n {
			return fmt.Errorf("tensor %s has shape %v and %d values", t.Name, t.Shape, n)
		}
		if _, ok := views[t.Name]; ok {
			return fmt.Errorf("two tensors are called %s", t.Name)
		}
		if t.Name == metaKey {
			return fmt.Errorf("a tensor cannot be called %s", t.Name)
		}
		views[t.Name] = view{t}
	}
	return safetensors.SerializeToWriter(views, meta, w)
}

// TypeOf returns the type that Write gives the values of a tensor: F32, I64 or I8.
func TypeOf(t formats.Tensor) string { return view{t}.DType().String() }

// view is a tensor in the form that the library writes.
type view struct{ t formats.Tensor }

func (v view) DType() safetensors.DType {
	switch {
	case v.t.Packed():
		return safetensors.I8
	case v.t.I64 != nil:
		return safetensors.I64
	}
	return safetensors.F32
}

func (v view) Shape() []uint64 {
	s := make([]uint64, len(v.t.Shape))
	for i, d := range v.t.Shape {
		s[i] = uint64(d)
	}
	return s
}

func (v view) DataLen() uint64 {
	if v.t.Packed() {
		return uint64(len(v.t.F32))
	}
	return uint64(4*len(v.t.F32) + 8*len(v.t.I64))
}

func (v view) Data() []byte { return v.t.Bytes() }
