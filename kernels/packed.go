package kernels

import "fmt"

// Resize makes p a packed matrix of another size in data, which must have at least PackedLen
// values. Its contents are undefined until it is packed.
func (p *Packed) Resize(rows, cols int, data []float32) {
	k := p.Kernels
	if need := k.PackedLen(rows, cols, p.Precision); len(data) < need {
		panic(fmt.Sprintf("kernels: %d values for a packed matrix of %d×%d: want %d", len(data), rows, cols, need))
	}
	depth := k.depth(rows, p.Precision)
	if p.K != rows || p.N != cols || p.lanes != k.lanes || p.depth != depth {
		p.K, p.N, p.lanes, p.depth = rows, cols, k.lanes, depth
		p.panels = appendPanels(p.panels[:0], cols, k.lanes, p.Precision)
		size := 0
		for i := range p.panels {
			p.panels[i].offset = size
			size += depth * p.panels[i].vectors * p.lanes
		}
	}
	p.data = data
}

// PanelWidth returns the number of columns of all panels but the last one. A range of columns is
// one of whole panels if it begins and ends at multiples of it, or at the end.
func (k *Set) PanelWidth() int { return 2 * k.lanes }

// PanelStart returns the first column from col on at which a panel begins, or the number of columns.
func (p *Packed) PanelStart(col int) int {
	for _, t := range p.panels {
		if t.from >= col {
			return t.from
		}
	}
	return p.N
}

// panelsIn returns the panels of columns [from, to).
func (p *Packed) panelsIn(from, to int) []panel {
	width := p.Kernels.PanelWidth()
	i, j := from/width, to/width
	if to == p.N {
		j = len(p.panels)
	}
	if from%width != 0 ||
		(to != p.N && to%width != 0) ||
		j > len(p.panels) ||
		(j < len(p.panels) && p.panels[j].from != to) {
		panic(fmt.Sprintf("kernels: columns %d to %d of %d are not whole panels of %d", from, to, p.N, width))
	}
	return p.panels[min(i, j):j]
}

// PutRows packs the rows of m as rows from, from+1, … of p.
func (p *Packed) PutRows(from int, m Matrix) { p.PutBlock(from, 0, m) }

// PutBlock packs m as rows from, from+1, … and columns col, col+1, …, which must be whole panels.
func (p *Packed) PutBlock(from, col int, m Matrix) {
	if from < 0 || from+m.Rows > p.K || col+m.Cols > p.N {
		panic(fmt.Sprintf("kernels: pack: %d×%d values at (%d, %d) of %d×%d", m.Rows, m.Cols, from, col, p.K, p.N))
	}
	if m.empty() {
		return
	}
	m.ptr()
	l := p.Kernels.Begin()
	for _, t := range p.panelsIn(col, col+m.Cols) {
		if p.Precision == BF16 {
			p.putHalf(from, col, t, m)
			continue
		}
		width := t.vectors * p.lanes
		p.Kernels.Unmetered().copyRows(
			m.Rows, t.cols, &p.data[t.offset+from*width], width, &m.Data[t.from-col], m.Stride,
		)
		p.repeatTail(t, from, m.Rows)
	}
	l.End(Work{Kind: Packing}, packedBytes(p.Precision, m.Rows*m.Cols))
}

// GemmBlock computes C = alpha·A·B' + D. B' is the part of B with rows k0, k0+1, … (as many as A
// has columns) and columns n0, n0+1, … (as many as C has), which must be whole panels. In BF16 k0
// must be a multiple of RowStep.
func (k *Set) GemmBlock(c Matrix, alpha float32, a Matrix, b *Packed, k0, n0 int, d Matrix) {
	if k0 < 0 || k0+a.Cols > b.K || n0 < 0 || n0+c.Cols > b.N || a.Rows != c.Rows {
		panic(fmt.Sprintf("kernels: GemmBlock: %d×%d by %d×%d at (%d, %d) into %d×%d",
			a.Rows, a.Cols, b.K, b.N, k0, n0, c.Rows, c.Cols))
	}
	if c.empty() {
		return
	}
	if a.Cols == 0 {
		k.gemmNothing(c, d)
		return
	}
	b.of("GemmBlock", k)
	if b.Precision == BF16 {
		b.multiplyHalf(b.panelsIn(n0, n0+c.Cols), c, alpha, a.ptr(), a.Stride, 1, a.Cols, 0, k0, n0, d)
		return
	}
	var dp *float32
	if d.Data != nil {
		same("GemmBlock", c, d)
		dp = d.ptr()
	}
	l := k.Begin()
	cp, ap := c.ptr(), a.ptr()
	panels := b.panelsIn(n0, n0+c.Cols)
	for i, t := range panels {
		var dt *float32
		if dp != nil {
			dt = offset(dp, t.from-n0)
		}
		next, step := b.following(panels[i:], c.Rows, k0)
		k.gemmNN[t.kernel()](c.Rows, ap, a.Stride, 1, a.Cols, 0, &b.data[t.offset+k0*t.vectors*b.lanes],
			offset(cp, t.from-n0), c.Stride, dt, d.Stride, alpha, t.cols, next, step)
	}
	l.End(productWork(Product, a.Cols, c.Cols), 2*c.Rows*a.Cols*c.Cols)
}

// GemmTNPacked computes C += Aᵀ·B' with A [R, M], C [M, N] and B' the rows from, from+1, … of B:
// the gradient of weights, with packed inputs. The data of a panel of B lies close together, unlike
// the rows of a wide matrix. In BF16 from must be a multiple of RowStep.
func (k *Set) GemmTNPacked(c, a Matrix, b *Packed, from int) {
	if c.Cols != b.N {
		panic(fmt.Sprintf("kernels: GemmTNPacked: %d columns of B into %d", b.N, c.Cols))
	}
	k.GemmTNPackedBlock(c, a, b, from, 0)
}

// GemmTNPackedBlock is GemmTNPacked with the columns col, col+1, … of B (as many as C has), which
// must be whole panels.
func (k *Set) GemmTNPackedBlock(c, a Matrix, b *Packed, from, col int) {
	if from < 0 || from+a.Rows > b.K || c.Rows != a.Cols || col < 0 || col+c.Cols > b.N {
		panic(fmt.Sprintf("kernels: GemmTNPacked: %d×%d transposed by rows %d, … and columns %d, … of %d×%d "+
			"into %d×%d",
			a.Rows, a.Cols, from, col, b.K, b.N, c.Rows, c.Cols))
	}
	if c.empty() || a.Rows == 0 {
		return
	}
	b.of("GemmTNPacked", k)
	panels := b.panelsIn(col, col+c.Cols)
	if b.Precision == BF16 {
		k.gemmTNPackedHalf(c, a, b, panels, from, col)
		return
	}
	l := k.Begin()
	cp, ap := c.ptr(), a.ptr()
	for _, t := range panels {
		width := t.vectors * b.lanes
		k.gemmTN[t.vectors](c.Rows, ap, a.Stride, 0, &b.data[t.offset+from*width], width, 0, 1, a.Rows,
			offset(cp, t.from-col), c.Stride, t.cols)
	}
	l.End(transposedWork(false, c, FP32), 2*c.Rows*c.Cols*a.Rows)
}
