package kernels

// ColumnSums adds to sum the sum over the rows of every column of x.
func (k *Set) ColumnSums(x Matrix, sum []float32) {
	if x.empty() {
		return
	}
	k.columnSums(x.Rows, x.Cols, x.ptr(), x.Stride, columnsOf("ColumnSums", sum, x.Cols))
}

// ColumnDots adds to sum and dot, per column, Σ g and Σ g·(x - mean).
func (k *Set) ColumnDots(g, x Matrix, mean, sum, dot []float32) {
	same("ColumnDots", g, x)
	if x.empty() {
		return
	}
	const name = "ColumnDots"
	k.columnDots(x.Rows, x.Cols, g.ptr(), g.Stride, x.ptr(), x.Stride,
		columnsOf(name, mean, x.Cols), columnsOf(name, sum, x.Cols), columnsOf(name, dot, x.Cols))
}

// SumSquares is Σ x², summed in float64: NaN or +Inf if x has NaN or Inf.
func (k *Set) SumSquares(x []float32) float64 {
	if len(x) == 0 {
		return 0
	}
	return k.sumSquares(len(x), &x[0])
}

// Dot is Σ x·y.
func (k *Set) Dot(x, y []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	return k.dot(len(x), &x[0], columnsOf("Dot", y, len(x)))
}
