package kernels

import (
	"fmt"
	"unsafe"
)

// Matrix is a row-major matrix inside a slice: element (r, c) is Data[r·Stride+c]. With a stride
// of 0 all rows are the same.
type Matrix struct {
	Data               []float32
	Rows, Cols, Stride int
}

// NewMatrix returns the contiguous rows × cols matrix over data.
func NewMatrix(data []float32, rows, cols int) Matrix {
	return Matrix{Data: data, Rows: rows, Cols: cols, Stride: cols}
}

// Broadcast returns a matrix whose rows are all v.
func Broadcast(v []float32, rows int) Matrix {
	return Matrix{Data: v, Rows: rows, Cols: len(v)}
}

// Slice returns rows [from, to) of m, which share its memory.
func (m Matrix) Slice(from, to int) Matrix {
	m.Data = m.Data[min(from*m.Stride, len(m.Data)):]
	m.Rows = to - from
	return m
}

// Columns returns columns [from, to) of m, which share its memory.
func (m Matrix) Columns(from, to int) Matrix {
	m.Data = m.Data[min(from, len(m.Data)):]
	m.Cols = to - from
	return m
}

// Row returns row r of m.
func (m Matrix) Row(r int) []float32 { return m.Data[r*m.Stride:][:m.Cols] }

func (m Matrix) empty() bool { return m.Rows <= 0 || m.Cols <= 0 }

// ptr returns the address of the first element, and checks that the last one is inside the slice,
// because assembly does not. m must not be empty.
func (m Matrix) ptr() *float32 {
	if need := (m.Rows-1)*m.Stride + m.Cols; need > len(m.Data) || m.Stride < 0 {
		panic(fmt.Sprintf("kernels: a %d×%d matrix of stride %d needs %d elements, the slice has %d",
			m.Rows, m.Cols, m.Stride, need, len(m.Data)))
	}
	return unsafe.SliceData(m.Data)
}

// same panics unless all matrices have the size of the first one.
func same(kernel string, m Matrix, others ...Matrix) {
	for _, o := range others {
		if o.Rows != m.Rows || o.Cols != m.Cols {
			panic(fmt.Sprintf("kernels: %s: matrices of %d×%d and %d×%d", kernel, m.Rows, m.Cols, o.Rows, o.Cols))
		}
	}
}

// columnsOf returns the address of a vector with one value per column.
func columnsOf(kernel string, v []float32, cols int) *float32 {
	if len(v) < cols {
		panic(fmt.Sprintf("kernels: %s: %d values for %d columns", kernel, len(v), cols))
	}
	return unsafe.SliceData(v)
}

// Aligned returns a slice of n zeros that starts at a cache line. A vector that straddles two
// lines would cost two accesses.
func Aligned(n int) []float32 {
	const line = 64
	s := make([]float32, n+line/4)
	skip := (line - int(uintptr(unsafe.Pointer(unsafe.SliceData(s)))%line)) % line / 4
	s = s[skip : skip+n : skip+n]
	preferHugePages(s)
	return s
}
