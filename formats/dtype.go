package formats

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is an element type of a file. Its values become float32, or int64 if they are integers.
type DType uint8

// The element types that can be read. 0 is not a type.
const (
	Float16 DType = iota + 1
	BFloat16
	Float32
	Float64
	Bool
	Uint8
	Int8
	Int16
	Int32
	Int64
)

// dtypes has the name of each type, the number of bytes of a value, and the function that reads one.
var dtypes = [...]struct {
	name    string
	size    int
	float   func(b []byte) float32
	integer func(b []byte) int64
}{
	0:        {"unknown", 0, nil, nil},
	Float16:  {"float16", 2, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }, nil},
	BFloat16: {"bfloat16", 2, brain, nil},
	Float32:  {"float32", 4, single, nil},
	Float64:  {"float64", 8, double, nil},
	Bool:     {"bool", 1, nil, func(b []byte) int64 { return int64(b[0]) }},
	Uint8:    {"uint8", 1, nil, func(b []byte) int64 { return int64(b[0]) }},
	Int8:     {"int8", 1, nil, func(b []byte) int64 { return int64(int8(b[0])) }},
	Int16:    {"int16", 2, nil, func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) }},
	Int32:    {"int32", 4, nil, func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) }},
	Int64:    {"int64", 8, nil, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }},
}

// brain reads a bfloat16: the upper half of a float32.
func brain(b []byte) float32 {
	return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
}

func single(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }

func double(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }

// String returns the name of the type in NumPy and PyTorch, e.g. float32.
func (d DType) String() string { return dtypes[d].name }

// Size returns the number of bytes of a value.
func (d DType) Size() int { return dtypes[d].size }

// Integer says whether the values become int64.
func (d DType) Integer() bool { return dtypes[d].integer != nil }

// Make makes a tensor of n zeros of the type.
func (d DType) Make(name string, shape []int, n int) Tensor {
	t := Tensor{Name: name, DType: d, Shape: shape}
	if d.Integer() {
		t.I64 = make([]int64, n)
	} else {
		t.F32 = make([]float32, n)
	}
	return t
}

// Set sets value i of a tensor from Make to the value in the first bytes of b.
func (d DType) Set(t Tensor, i int, b []byte) {
	if d.Integer() {
		t.I64[i] = dtypes[d].integer(b)
	} else {
		t.F32[i] = dtypes[d].float(b)
	}
}

// HalfSize is the largest value of float16.
const HalfSize = 65504

// Half returns the value of a float16.
func Half(h uint16) float32 { return half(h) }

// ToHalf rounds to float16, to the nearest, ties to even. It is an error when the value is too
// large.
func ToHalf(v float32) (uint16, error) {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	a := math.Abs(float64(v))
	switch {
	case a != a:
		return sign | 0x7e00, nil
	case math.IsInf(a, 0):
		return sign | 0x7c00, nil
	case a >= HalfSize+16:
		return 0, fmt.Errorf("the value %g does not fit into float16, whose largest is %d", v, HalfSize)
	case a < 1.0/(1<<14): // subnormal: multiples of 2⁻²⁴
		return sign | uint16(math.RoundToEven(a*(1<<24))), nil
	}
	m := b&0x7fffffff - 112<<23
	return sign | uint16((m+0xfff+m>>13&1)>>13), nil
}

// half returns the value of an IEEE 754 binary16.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&0x3ff)
	switch exponent {
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	case 0: // zero and subnormal numbers: multiples of 2⁻²⁴
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
