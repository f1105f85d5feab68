// Package formats has what files of tensors have in common, whatever program wrote them: the
// tensor, its element types, and a tensor whose values are still in the file. The packages below
// it each know one format.
package formats

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Tensor is a tensor of float32 or int64 values in row-major order. Values of type Int8 may be kept
// as float32: [Tensor.Packed].
type Tensor struct {
	Name  string
	DType DType // of the file that it was read from; 0 of one that was not
	Shape []int
	// One of the two is set. Values of another type have become float32 or int64.
	F32 []float32
	I64 []int64
}

// Size is the number of values that the shape asks for.
func (t Tensor) Size() int { return sizeOf(t.Shape) }

// sizeOf is the number of values of a shape.
func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Type is the element type of the file that the tensor was read from, or else of its values.
func (t Tensor) Type() DType {
	switch {
	case t.DType != 0:
		return t.DType
	case t.I64 != nil:
		return Int64
	}
	return Float32
}

// Packed says whether the values are of type Int8 and are kept as float32: weights of 8 bits,
// of which int64 would take eight times the memory.
func (t Tensor) Packed() bool { return t.DType == Int8 && t.F32 != nil }

// Integer says whether the values were integers in the file.
func (t Tensor) Integer() bool { return t.Type().Integer() }

// little says whether this machine has the lowest byte first, as files have.
var little = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Bytes are the values as files have them: float32 or int64, the lowest byte first. Where memory
// has them in the same order they are that memory, and not a copy.
func (t Tensor) Bytes() []byte {
	if t.Packed() {
		b := make([]byte, len(t.F32))
		for i, v := range t.F32 {
			b[i] = byte(int8(v))
		}
		return b
	}
	if little {
		return t.memory()
	}
	return t.encode()
}

// memory is the memory of the values.
func (t Tensor) memory() []byte {
	if len(t.F32) > 0 {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.F32))), 4*len(t.F32))
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.I64))), 8*len(t.I64))
}

func (t Tensor) encode() []byte {
	b := make([]byte, 0, 4*len(t.F32)+8*len(t.I64))
	for _, x := range t.F32 {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	for _, x := range t.I64 {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return b
}
