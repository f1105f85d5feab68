package kernels

import "fmt"

// Halves is a matrix of bfloat16, for values that are kept for later. Two of them
// lie in each float32 of Data.
type Halves struct {
	Data       []float32
	Rows, Cols int
}

// HalvesLen is the length of Data.
func HalvesLen(rows, cols int) int { return rows * halvesStride(cols) / 2 }

func halvesStride(cols int) int { return roundUp(cols, 32) }

// Put rounds src to row from and column col, and those behind them.
func (m Halves) Put(k *Set, from, col int, src Matrix) {
	if p := m.at(from, col, src); p != nil {
		k.half.toHalf(src.Rows, src.Cols, src.Cols, p, halvesStride(m.Cols), src.ptr(), src.Stride)
	}
}

// Get is the way back: it fills dst.
func (m Halves) Get(k *Set, dst Matrix, from, col int) {
	if p := m.at(from, col, dst); p != nil {
		k.half.fromHalf(dst.Rows, dst.Cols, dst.ptr(), dst.Stride, p, halvesStride(m.Cols))
	}
}

func (m Halves) at(from, col int, part Matrix) *uint16 {
	if from < 0 || col < 0 || from+part.Rows > m.Rows || col+part.Cols > m.Cols || len(m.Data) < HalvesLen(m.Rows, m.Cols) {
		panic(fmt.Sprintf("kernels: Halves: %d×%d values at (%d, %d) of %d×%d", part.Rows, part.Cols, from, col, m.Rows, m.Cols))
	}
	if part.empty() {
		return nil
	}
	return &asHalves(m.Data)[from*halvesStride(m.Cols)+col]
}
