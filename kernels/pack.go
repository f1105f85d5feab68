package kernels

import "fmt"

// Packed holds the right-hand side B [K, N] of products in the order in which the kernels of one
// set read it. It has panels of a few vectors of columns, stored row after row; the last one is
// padded with zeros. Kernels of another set refuse it.
type Packed struct {
	Kernels   *Set // set Kernels and Precision before the matrix has a size
	Precision Precision
	K, N      int
	lanes     int
	depth     int // rows of the panels: K, or pairs of rows
	panels    []panel
	data      []float32
}

// panelShape is the width of a panel in vectors. A paired panel has columns only in the lower half
// of its last vector, and holds them twice: two rows of A share that vector.
type panelShape struct {
	vectors int
	paired  bool
}

// kernel returns the index of its kernel in the tables.
func (p panelShape) kernel() int {
	if p.paired {
		return p.vectors + 2
	}
	return p.vectors
}

// nextPanel returns the width of the next panel if n columns are left: two vectors, which keeps the
// most accumulators busy, or at the end three if the number of vectors is odd.
func nextPanel(n, lanes int, in Precision) panelShape {
	left := (n + lanes - 1) / lanes
	w := 2
	if left == 1 || left == 3 {
		w = left
	}
	rest := n - (w-1)*lanes
	return panelShape{vectors: w, paired: in == FP32 && left == w && w > 1 && rest <= lanes/2}
}

// panel is a group of columns that a kernel multiplies in one go.
type panel struct {
	panelShape
	from, cols int // first column; columns in use
	offset     int // of its data
}

// appendPanels cuts n columns into panels.
func appendPanels(out []panel, n, lanes int, in Precision) []panel {
	for from := 0; from < n; {
		s := nextPanel(n-from, lanes, in)
		out = append(out, panel{panelShape: s, from: from, cols: min(s.vectors*lanes, n-from)})
		from += s.vectors * lanes
	}
	return out
}

// repeatTail copies the last columns of the rows of a paired panel to their second place.
func (p *Packed) repeatTail(t panel, from, rows int) {
	if !t.paired || rows == 0 {
		return
	}
	width, n := t.vectors*p.lanes, p.lanes/2
	m := p.data[t.offset+from*width+width-2*n:]
	p.Kernels.Unmetered().copyRows(rows, n, &m[n], width, &m[0], width)
}

// NewPacked makes room for a matrix of the given size.
func (k *Set) NewPacked(rows, cols int, in Precision) *Packed {
	p := &Packed{Kernels: k, Precision: in}
	p.Resize(rows, cols, Aligned(k.PackedLen(rows, cols, in)))
	return p
}

// of panics unless the matrix is packed for these kernels.
func (p *Packed) of(kernel string, k *Set) {
	if p.Kernels != k {
		panic(fmt.Sprintf("kernels: %s: packed for %v, and not for %v", kernel, p.Kernels, k))
	}
}

// Panels returns the number of parts that can be packed independently of each other.
func (p *Packed) Panels() int { return len(p.panels) }

// Pack packs b [K, N].
func (p *Packed) Pack(b Matrix) {
	for i := range p.panels {
		p.PackPanel(i, b)
	}
}

// PackTransposed packs the transpose of b [N, K].
func (p *Packed) PackTransposed(b Matrix) {
	for i := range p.panels {
		p.PackPanelTransposed(i, b)
	}
}

// PackPanel packs panel i of b [K, N].
func (p *Packed) PackPanel(i int, b Matrix) {
	p.check(b.Rows, b.Cols)
	t, l := p.panels[i], p.Kernels.Begin()
	defer l.End(Work{Kind: Packing}, packedBytes(p.Precision, p.K*t.cols))
	if p.Precision == BF16 {
		p.packHalf(t, b)
		return
	}
	width := t.vectors * p.lanes
	for r := 0; r < p.K; r++ {
		out := p.data[t.offset+r*width:][:width]
		copy(out, b.Row(r)[t.from:t.from+t.cols])
	}
	p.repeatTail(t, 0, p.K)
}

// PackPanelTransposed packs panel i of the transpose of b [N, K].
func (p *Packed) PackPanelTransposed(i int, b Matrix) {
	p.check(b.Cols, b.Rows)
	t, l := p.panels[i], p.Kernels.Begin()
	defer l.End(Work{Kind: Packing}, packedBytes(p.Precision, p.K*t.cols))
	if p.Precision == BF16 {
		p.packHalfTransposed(t, b)
		return
	}
	width := t.vectors * p.lanes
	p.Kernels.Unmetered().Transpose(Matrix{
		Data:   p.data[t.offset:],
		Rows:   p.K,
		Cols:   t.cols,
		Stride: width,
	}, b.Slice(t.from, t.from+t.cols))
	p.repeatTail(t, 0, p.K)
}

// packedBytes returns the bytes that packing this many values reads and writes.
func packedBytes(in Precision, values int) int {
	if in == BF16 {
		return (4 + 2) * values
	}
	return (4 + 4) * values
}

func (p *Packed) check(rows, cols int) {
	if rows != p.K || cols != p.N {
		panic(fmt.Sprintf("kernels: pack: a %d×%d matrix into room for %d×%d", rows, cols, p.K, p.N))
	}
}

// Transpose computes dst = srcᵀ.
func (k *Set) Transpose(dst, src Matrix) {
	if dst.Rows != src.Cols || dst.Cols != src.Rows {
		panic(fmt.Sprintf("kernels: Transpose: %d×%d into %d×%d", src.Rows, src.Cols, dst.Rows, dst.Cols))
	}
	if dst.empty() {
		return
	}
	dst.ptr()
	src.ptr()
	l := k.Begin()
	defer l.End(Work{Kind: Copying}, 8*src.Rows*src.Cols)
	const side = 8 // of the blocks of transpose8
	rows, cols := src.Rows/side*side, src.Cols/side*side
	if cols > 0 {
		for r := 0; r < rows; r += side {
			k.transpose8(cols/side, &dst.Data[r], dst.Stride, &src.Data[r*src.Stride], src.Stride)
		}
	}
	for r := 0; r < src.Rows; r++ {
		c := cols
		if r >= rows {
			c = 0
		}
		for in := src.Row(r); c < src.Cols; c++ {
			dst.Data[c*dst.Stride+r] = in[c]
		}
	}
}
