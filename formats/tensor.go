// Package formats has what all files of tensors share: the tensor, its element types, and a tensor
// whose values are still in the file. Each package below it knows one format.
package formats

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Tensor is a tensor of float32 or int64 values in row-major order. Values of type Int8 may be kept
// as float32, see [Tensor.Packed].
type Tensor struct {
	Name  string
	DType DType // in the file that it was read from; 0 if it was not read
	Shape []int
	// F32 or I64 is set. Values of any other type have become one of the two.
	F32 []float32
	I64 []int64
}

// Size returns the number of values of the shape.
func (t Tensor) Size() int { return sizeOf(t.Shape) }

// sizeOf returns the number of values of a shape.
func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Type returns the element type in the file that the tensor was read from, or else of its values.
func (t Tensor) Type() DType {
	switch {
	case t.DType != 0:
		return t.DType
	case t.I64 != nil:
		return Int64
	}
	return Float32
}

// Packed says whether the values are of type Int8 but kept as float32. This is for weights of 8
// bits, which as int64 would take eight times the memory of the file.
func (t Tensor) Packed() bool { return t.DType == Int8 && t.F32 != nil }

// Integer says whether the values were integers in the file.
func (t Tensor) Integer() bool { return t.Type().Integer() }

// little says whether this machine stores the lowest byte first, as files do.
var little = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Bytes returns the values as files have them: float32 or int64, the lowest byte first. If memory
// has the same order, it returns this memory, not a copy.
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

// memory returns the memory of the values.
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
