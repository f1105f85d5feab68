package kernels

import "math"

// SoftmaxCrossEntropy writes the softmax of every row of logits [B, K] to probs. It returns the sum
// over the rows of -Σ_k t_k·log softmax_k for the targets t, which may be soft and need not sum to
// one. probs must not share memory with logits.
func (k *Set) SoftmaxCrossEntropy(probs, logits, targets Matrix) float64 {
	same("SoftmaxCrossEntropy", probs, logits, targets)
	if logits.empty() {
		return 0
	}
	logits.ptr()
	probs.ptr()
	l := k.Begin()
	defer l.End(Work{Kind: Softmax}, 4*4*logits.Rows*logits.Cols)
	k = k.Unmetered()
	var loss float64
	for r := 0; r < logits.Rows; r++ {
		x, p, t := logits.Row(r), probs.Row(r), targets.Row(r)
		shift := k.vectorMax(len(x), &x[0])
		sum := k.expSum(len(x), &p[0], &x[0], shift)
		logZ := math.Log(float64(sum))
		for i, v := range x {
			if t[i] != 0 {
				loss += float64(t[i]) * (logZ - float64(v-shift))
			}
		}
		row := Matrix{Data: p, Rows: 1, Cols: len(p), Stride: len(p)}
		k.Combine(row, row, row, 1/sum, 0)
	}
	return loss
}

// SoftmaxCrossEntropyGrad computes the gradient of scale times that sum by the logits:
// scale·(Σ_k t_k·probs - t). dst may be probs.
func (k *Set) SoftmaxCrossEntropyGrad(dst, probs, targets Matrix, scale float32) {
	same("SoftmaxCrossEntropyGrad", dst, probs, targets)
	for r := 0; r < dst.Rows; r++ {
		var total float32
		for _, v := range targets.Row(r) {
			total += v
		}
		k.Combine(dst.Slice(r, r+1), probs.Slice(r, r+1), targets.Slice(r, r+1), scale*total, -scale)
	}
}

// SoftmaxRows replaces every row of x by its softmax.
func (k *Set) SoftmaxRows(x Matrix) {
	if !x.empty() {
		k.softmaxRows(x.Rows, x.Cols, x.ptr(), x.Stride)
	}
}

// SoftmaxRowsGrad replaces the gradient d of the softmax p by the gradient of its input:
// p·(d - Σ p·d), row by row.
func (k *Set) SoftmaxRowsGrad(p, d Matrix) {
	same("SoftmaxRowsGrad", p, d)
	if !p.empty() {
		k.softmaxRowsGrad(p.Rows, p.Cols, p.ptr(), p.Stride, d.ptr(), d.Stride)
	}
}
