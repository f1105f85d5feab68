package formats

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Stored is a tensor whose values are still in its file, one after the other.
type Stored struct {
	Name  string
	Type  string // of the values, as the format calls it: F32, <f4
	DType DType  // 0 for a type that cannot be read
	Shape []int
	// From and To say where its bytes are in the file: To is the first byte after them.
	From, To int64
}

// MaxDims is how many dimensions a tensor of a file may have.
const MaxDims = 32

// Check returns an error unless the tensor has as many bytes as its shape needs; size is the number
// of bytes of a value. After the check Size cannot overflow.
func (s Stored) Check(size int) error {
	if len(s.Shape) > MaxDims {
		return fmt.Errorf("%d dimensions: more than %d", len(s.Shape), MaxDims)
	}
	there := s.To - s.From
	need, empty := int64(size), false
	for _, d := range s.Shape {
		if d < 0 || d > math.MaxInt32 {
			return fmt.Errorf("shape %v: want sizes from 0 to %d", s.Shape, math.MaxInt32)
		}
		empty = empty || d == 0
	}
	for _, d := range s.Shape {
		switch {
		case empty:
			need = 0
		case need > there/int64(d):
			return fmt.Errorf("shape %v: there are only %d values of %s", s.Shape, there/int64(size), s.Type)
		default:
			need *= int64(d)
		}
	}
	if need != there {
		return fmt.Errorf("shape %v: want %d bytes of %s, got %d", s.Shape, need, s.Type, there)
	}
	return nil
}

// Size returns the number of values.
func (s Stored) Size() int { return sizeOf(s.Shape) }

// chunk is how many bytes are read at a time, if they cannot be read directly into their place.
const chunk = 1 << 16

// Read reads the tensor from its file. Check its shape first, and that its type can be read.
func (s Stored) Read(r io.ReaderAt) (Tensor, error) {
	n := s.Size()
	t := s.DType.Make(s.Name, s.Shape, n)
	return t, s.read(r, 0, t)
}

// ReadPacked is Read for a tensor of type Int8, but keeps the values as float32.
func (s Stored) ReadPacked(r io.ReaderAt) (Tensor, error) {
	n := s.Size()
	t := Tensor{Name: s.Name, DType: Int8, Shape: s.Shape, F32: make([]float32, n)}
	raw := make([]byte, min(chunk, n))
	for done := 0; done < n; {
		part := raw[:min(len(raw), n-done)]
		if k, err := r.ReadAt(part, s.From+int64(done)); k < len(part) {
			return t, fmt.Errorf("reading value %d: %w", done+k, err)
		}
		for i, b := range part {
			t.F32[done+i] = float32(int8(b))
		}
		done += len(part)
	}
	return t, nil
}

// Floats reads len(dst) values of float32 from index first on. It panics if there are fewer. It is
// an error when the file has changed.
func (s Stored) Floats(r io.ReaderAt, first int, dst []float32) error {
	if first < 0 || first+len(dst) > s.Size() || s.DType != Float32 {
		panic(fmt.Sprintf("formats: values %d to %d of %d of %s", first, first+len(dst), s.Size(), s.DType))
	}
	return s.read(r, first, Tensor{DType: s.DType, F32: dst})
}

// read reads values from index first on, as many as t has.
func (s Stored) read(r io.ReaderAt, first int, t Tensor) error {
	size := s.DType.Size()
	at := s.From + int64(size)*int64(first)
	if little && (s.DType == Float32 || s.DType == Int64) { // the file has them as memory does
		if n, err := r.ReadAt(t.memory(), at); n < len(t.memory()) {
			return fmt.Errorf("reading value %d: %w", first+n/size, err)
		}
		return nil
	}
	n := len(t.F32) + len(t.I64)
	raw := make([]byte, min(chunk, size*n))
	for done := 0; done < n; {
		part := raw[:min(len(raw), size*(n-done))]
		if k, err := r.ReadAt(part, at+int64(size)*int64(done)); k < len(part) {
			return fmt.Errorf("reading value %d: %w", first+done+k/size, err)
		}
		for ; len(part) > 0; part = part[size:] {
			s.DType.Set(t, done, part)
			done++
		}
	}
	return nil
}

// Short cuts a text that comes from a file, and makes it one line.
func Short(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\n", " "), "?")
}
