package kernels

import (
	"fmt"
	"unsafe"
)

// Halves is a row-major matrix of bfloat16: element (r, c) is Data[r·Stride+c]. Its memory is
// float32, with two values in each.
type Halves struct {
	Data               []uint16
	Rows, Cols, Stride int
	zeros              int // after the last column of a row; products may read them
}

// asHalves returns memory of float32 as twice as many 16-bit values.
func asHalves(v []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(v))), 2*len(v))
}

// NewHalves returns a matrix in memory of at least HalvesLen values. Its contents are undefined.
func NewHalves(memory []float32, rows, cols int) Halves {
	return Halves{Data: asHalves(memory), Rows: rows, Cols: cols, Stride: roundUp(cols, 2)}
}

// HalvesLen returns the number of float32 that the memory of a matrix takes.
func HalvesLen(rows, cols int) int { return rows * roundUp(cols, 2) / 2 }

// Slice returns rows [from, to) of m, which share its memory.
func (m Halves) Slice(from, to int) Halves {
	m.Data = m.Data[min(from*m.Stride, len(m.Data)):]
	m.Rows = to - from
	return m
}

// Columns returns columns [from, to) of m, which share its memory.
func (m Halves) Columns(from, to int) Halves {
	m.Data = m.Data[min(from, len(m.Data)):]
	if to != m.Cols {
		m.zeros = 0
	}
	m.Cols = to - from
	return m
}

func (m Halves) empty() bool { return m.Rows <= 0 || m.Cols <= 0 }

// ptr returns the address of the first element, and checks that the last one is inside the
// slice. m must not be empty.
func (m Halves) ptr() *uint16 { return m.reading(m.Rows, m.Cols) }

// reading is ptr for a kernel that reads the given number of rows and columns.
func (m Halves) reading(rows, cols int) *uint16 {
	if need := (rows-1)*m.Stride + cols; need > len(m.Data) || m.Stride < 0 {
		panic(fmt.Sprintf("kernels: %d×%d values of a %d×%d matrix of stride %d need %d elements, the slice has %d",
			rows, cols, m.Rows, m.Cols, m.Stride, need, len(m.Data)))
	}
	return unsafe.SliceData(m.Data)
}

func (m Halves) sameSize(kernel string, rows, cols int) {
	if m.Rows != rows || m.Cols != cols {
		panic(fmt.Sprintf("kernels: %s: matrices of %d×%d and %d×%d", kernel, m.Rows, m.Cols, rows, cols))
	}
}

// Round rounds src, of the same size, into m.
func (k *Set) Round(dst Halves, src Matrix) {
	dst.sameSize("Round", src.Rows, src.Cols)
	if !dst.empty() {
		k.half.toHalf(src.Rows, src.Cols, src.Cols, dst.ptr(), dst.Stride, src.ptr(), src.Stride)
	}
}

// Widen converts m, of the same size, to dst in float32.
func (k *Set) Widen(dst Matrix, src Halves) {
	src.sameSize("Widen", dst.Rows, dst.Cols)
	if !src.empty() {
		k.half.fromHalf(dst.Rows, dst.Cols, dst.ptr(), dst.Stride, src.ptr(), src.Stride)
	}
}

// CopyHalves copies src, of the same size, into dst.
func (k *Set) CopyHalves(dst, src Halves) {
	dst.sameSize("CopyHalves", src.Rows, src.Cols)
	if !dst.empty() {
		k.half.copyHalf(dst.Rows, dst.Cols, dst.ptr(), dst.Stride, src.ptr(), src.Stride)
	}
}
