package kernels

import "fmt"

// LayerNorm computes y = (x - mean)·rstd·w + b for each row, with rstd = 1/√(variance + eps) and
// the biased variance (Ba, Kiros and Hinton, 2016). It keeps mean and rstd of row r in
// stats[2r:]. y may be x.
func (k *Set) LayerNorm(y, x Matrix, w, b, stats []float32, eps float64) {
	same("LayerNorm", y, x)
	if y.empty() {
		return
	}
	checkStats("LayerNorm", stats, y.Rows)
	k.layerNorm(
		y.Rows, y.Cols, y.ptr(), y.Stride, x.ptr(), x.Stride,
		columnsOf("LayerNorm", w, y.Cols), columnsOf("LayerNorm", b, y.Cols),
		&stats[0], float32(eps), 1/float32(y.Cols),
	)
}

// LayerNormGrad is the backward pass: dx = the gradient of x for the gradient dy of y, plus add
// if add has data. It adds the gradients of w and b, one value a column, to dw and db. x and
// stats come from the forward pass. dx may be dy or add.
func (k *Set) LayerNormGrad(dx, dy, x, add Matrix, w, stats, dw, db []float32) {
	const name = "LayerNormGrad"
	same(name, dx, dy, x)
	if dx.empty() {
		return
	}
	checkStats(name, stats, dx.Rows)
	var ap *float32
	if add.Data != nil {
		same(name, dx, add)
		ap = add.ptr()
	}
	c := dx.Cols
	k.layerNormGrad(dx.Rows, c, dx.ptr(), dx.Stride, dy.ptr(), dy.Stride, x.ptr(), x.Stride, ap, add.Stride,
		columnsOf(name, w, c), &stats[0], columnsOf(name, dw, c), columnsOf(name, db, c), 1/float32(c))
}

func checkStats(kernel string, stats []float32, rows int) {
	if len(stats) < 2*rows {
		panic(fmt.Sprintf("kernels: %s: %d statistics for %d rows", kernel, len(stats), rows))
	}
}
