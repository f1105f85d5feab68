package kernels

// Copy copies src, of the same size, into dst. They may be the same memory, but must not
// partly overlap.
func (k *Set) Copy(dst, src Matrix) {
	same("Copy", dst, src)
	if !dst.empty() {
		k.copyRows(dst.Rows, dst.Cols, dst.ptr(), dst.Stride, src.ptr(), src.Stride)
	}
}

// Affine computes dst = act(a·src + b), with one a and b per column: a batch norm and its
// activation. dst may be src.
func (k *Set) Affine(dst, src Matrix, a, b []float32, act Activation) {
	same("Affine", dst, src)
	if dst.empty() {
		return
	}
	k.affine[act](dst.Rows, dst.Cols, dst.ptr(), dst.Stride, src.ptr(), src.Stride,
		columnsOf("Affine", a, dst.Cols), columnsOf("Affine", b, dst.Cols))
}

// AffineGrad is the backward pass of y = act(z), z = a·x + b. It computes y again,
// turns dy into dz = dy·act'(z), and adds Σ dz to sum and Σ dz·(x - mean) to dot, per
// column. dz may be dy.
func (k *Set) AffineGrad(y, dz, x, dy Matrix, a, b, mean, sum, dot []float32, act Activation) {
	same("AffineGrad", y, dz, x, dy)
	if y.empty() {
		return
	}
	const name = "AffineGrad"
	c := y.Cols
	k.affineGrad[act](
		y.Rows, c, y.ptr(), y.Stride, dz.ptr(), dz.Stride, x.ptr(), x.Stride, dy.ptr(), dy.Stride,
		columnsOf(name, a, c), columnsOf(name, b, c), columnsOf(name, mean, c),
		columnsOf(name, sum, c), columnsOf(name, dot, c),
	)
}

// CombineColumns computes dst = a·x + p·y + q, with one a, p and q per column. dst may be x or y.
func (k *Set) CombineColumns(dst, x, y Matrix, a, p, q []float32) {
	same("CombineColumns", dst, x, y)
	if dst.empty() {
		return
	}
	const name = "CombineColumns"
	k.combineColumns(dst.Rows, dst.Cols, dst.ptr(), dst.Stride, x.ptr(), x.Stride, y.ptr(), y.Stride,
		columnsOf(name, a, dst.Cols), columnsOf(name, p, dst.Cols), columnsOf(name, q, dst.Cols))
}

// Combine computes dst = alpha·x + beta·y. dst may be x or y.
func (k *Set) Combine(dst, x, y Matrix, alpha, beta float32) {
	same("Combine", dst, x, y)
	if dst.empty() {
		return
	}
	k.combine(dst.Rows, dst.Cols, dst.ptr(), dst.Stride, x.ptr(), x.Stride, y.ptr(), y.Stride, alpha, beta)
}

// Add computes dst += x over slices.
func (k *Set) Add(dst, x []float32) {
	m := NewMatrix(dst, 1, len(dst))
	k.Combine(m, m, NewMatrix(x, 1, len(x)), 1, 1)
}

// Clear fills x with zeros.
func (k *Set) Clear(x []float32) {
	l := k.Begin()
	clear(x)
	l.End(Work{Kind: Clearing}, 4*len(x))
}

// Scale computes x *= alpha over a slice.
func Scale(x []float32, alpha float32) {
	for i := range x {
		x[i] *= alpha
	}
}

// ScaleColumns computes dst = src·a, with one a per column. dst may be src.
func ScaleColumns(dst, src Matrix, a []float32) {
	same("ScaleColumns", dst, src)
	for r := range dst.Rows {
		out := dst.Row(r)
		for c, v := range src.Row(r) {
			out[c] = v * a[c]
		}
	}
}
