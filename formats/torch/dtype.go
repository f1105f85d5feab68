package torch

import (
	"fmt"
	"math"
	"math/bits"

	"fasternet/formats"
)

// strided is a view of a storage, as in PyTorch.
type strided struct {
	offset        int
	shape, stride []int
}

// elements checks a shape: no negative size, not too many dimensions, and at most budget elements,
// which it subtracts from the budget.
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

// last returns the index in the storage of the view's last element. The view must have elements.
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

// take copies n values of a view from the bytes of its storage. The bounds were checked before.
func (v strided) take(d formats.DType, name string, n int, data []byte) formats.Tensor {
	t := d.Make(name, v.shape, n)
	index := make([]int, len(v.shape))
	at := v.offset
	for i := range n {
		d.Set(t, i, data[at*d.Size():(at+1)*d.Size()])
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
