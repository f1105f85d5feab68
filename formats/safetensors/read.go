package safetensors

import (
	"fmt"
	"io"

	"fasternet/formats"
)

// Read reads a complete file of this size. The tensors are in the order of their values.
func Read(r io.ReaderAt, size int64) (meta map[string]string, ts []formats.Tensor, err error) {
	l, err := ReadLayout(r, size)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range l.Tensors {
		t, err := ReadTensor(r, s)
		if err != nil {
			return nil, nil, err
		}
		ts = append(ts, t)
	}
	return l.Meta, ts, nil
}

// CheckType returns an error if the values of a tensor have a type that is not supported.
func CheckType(s formats.Stored) error {
	if s.DType == 0 {
		return &TensorError{s.Name, fmt.Errorf("it is of type %s, which is not supported", formats.Short(s.Type))}
	}
	return nil
}

// ReadTensor reads the values of a tensor.
func ReadTensor(r io.ReaderAt, s formats.Stored) (formats.Tensor, error) {
	if err := CheckType(s); err != nil {
		return formats.Tensor{}, err
	}
	t, err := s.Read(r)
	if err != nil {
		return formats.Tensor{}, &TensorError{s.Name, err}
	}
	return t, nil
}

// ReadPacked is ReadTensor, but keeps values of type I8 as float32: see [formats.Tensor.Packed].
func ReadPacked(r io.ReaderAt, s formats.Stored) (formats.Tensor, error) {
	if s.DType != formats.Int8 {
		return ReadTensor(r, s)
	}
	t, err := s.ReadPacked(r)
	if err != nil {
		return formats.Tensor{}, &TensorError{s.Name, err}
	}
	return t, nil
}
