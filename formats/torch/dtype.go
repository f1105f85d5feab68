package torch

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// dtype is an element type of a file and how its bytes become values.
type dtype struct {
	name  string
	size  int // bytes
	float func(b []byte) float32
	int   func(b []byte) int64
}

var (
	float16  = dtype{"float16", 2, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }, nil}
	bfloat16 = dtype{"bfloat16", 2, func(b []byte) float32 {
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
	}, nil}
	float32s = dtype{"float32", 4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }, nil}
	float64s = dtype{"float64", 8, func(b []byte) float32 {
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}, nil}
	int8s  = dtype{"int8", 1, nil, func(b []byte) int64 { return int64(int8(b[0])) }}
	uint8s = dtype{"uint8", 1, nil, func(b []byte) int64 { return int64(b[0]) }}
	bools  = dtype{"bool", 1, nil, func(b []byte) int64 { return int64(b[0]) }}
	int16s = dtype{"int16", 2, nil, func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) }}
	int32s = dtype{"int32", 4, nil, func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) }}
	int64s = dtype{"int64", 8, nil, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }}
)

// half is the value of an IEEE 754 binary16.
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

// strided is a view of a storage.
type strided struct {
	offset        int
	shape, stride []int
}

// elements checks a shape: not negative, not too many dimensions, at most
// budget elements, which it uses up.
func elements(shape []int, budget *int64) (int, error) {
	if len(shape) > maxDims {
		return 0, fmt.Errorf("%d dimensions: more than %d", len(shape), maxDims)
	}
	n := uint64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("a negative dimension in its shape %v", shape)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n = lo
	}
	if int64(n) > *budget {
		return 0, fmt.Errorf("shape %v claims more elements than a file of this size can hold", shape)
	}
	*budget -= int64(n)
	return int(n), nil
}

// last is the index in the storage of the view's last element. The view must
// have elements.
func (v strided) last() (int, error) {
	at := uint64(v.offset)
	if v.offset < 0 || len(v.shape) != len(v.stride) {
		return 0, fmt.Errorf("offset %d, shape %v, strides %v: impossible", v.offset, v.shape, v.stride)
	}
	for i, d := range v.shape {
		if v.stride[i] < 0 {
			return 0, fmt.Errorf("negative stride in %v", v.stride)
		}
		hi, lo := bits.Mul64(uint64(d-1), uint64(v.stride[i]))
		if at += lo; hi != 0 || lo > math.MaxInt64 || at > math.MaxInt64 {
			return 0, fmt.Errorf("strides %v reach beyond any storage", v.stride)
		}
	}
	return int(at), nil
}

// tensor copies n elements of a view out of the bytes of its storage. The
// bounds have been checked.
func (d dtype) tensor(name string, v strided, n int, data []byte) Tensor {
	t := Tensor{Name: name, DType: d.name, Shape: v.shape}
	if d.float != nil {
		t.F32 = make([]float32, n)
	} else {
		t.I64 = make([]int64, n)
	}
	index := make([]int, len(v.shape))
	at := v.offset
	for i := range n {
		b := data[at*d.size : (at+1)*d.size]
		if d.float != nil {
			t.F32[i] = d.float(b)
		} else {
			t.I64[i] = d.int(b)
		}
		for k := len(index) - 1; k >= 0; k-- {
			index[k]++
			at += v.stride[k]
			if index[k] < v.shape[k] {
				break
			}
			at -= v.stride[k] * v.shape[k]
			index[k] = 0
		}
	}
	return t
}

// contiguous are the strides of a tensor in row-major order.
func contiguous(shape []int) []int {
	stride := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= max(shape[i], 1)
	}
	return stride
}
