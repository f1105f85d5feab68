package kernels

// ColumnSums adds the sum of every column of x to sum.
func (k *Set) ColumnSums(x Matrix, sum []float32) {
	if x.empty() {
		return
	}
	k.columnSums(x.Rows, x.Cols, x.ptr(), x.Stride, columnsOf("ColumnSums", sum, x.Cols))
}

// ColumnDots adds Σ g to sum and Σ g·(x - mean) to dot, per column.
func (k *Set) ColumnDots(g, x Matrix, mean, sum, dot []float32) {
	same("ColumnDots", g, x)
	if x.empty() {
		return
	}
	const name = "ColumnDots"
	k.columnDots(x.Rows, x.Cols, g.ptr(), g.Stride, x.ptr(), x.Stride,
		columnsOf(name, mean, x.Cols), columnsOf(name, sum, x.Cols), columnsOf(name, dot, x.Cols))
}

// SumSquares returns Σ x², summed in float64: NaN or +Inf if x has NaN or Inf.
func (k *Set) SumSquares(x []float32) float64 {
	if len(x) == 0 {
		return 0
	}
	return k.sumSquares(len(x), &x[0])
}

// Dot returns Σ x·y.
func (k *Set) Dot(x, y []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	return k.dot(len(x), &x[0], columnsOf("Dot", y, len(x)))
}
