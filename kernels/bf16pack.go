package kernels

// packHalf packs panel t of b [K, N] in pairs of rows.
func (p *Packed) packHalf(t panel, b Matrix) {
	if p.K > 0 {
		p.Kernels.Unmetered().half.interleave(p.depth, p.K, t.cols, &p.data[t.offset], t.vectors*p.lanes, b.Columns(t.from, t.from+t.cols).ptr(), b.Stride)
	}
}

// packHalfTransposed packs panel t of the transpose of b [N, K]: a pair is two
// neighbours in a row of b, and pairs are transposed as float32 are.
func (p *Packed) packHalfTransposed(t panel, b Matrix) {
	if p.K == 0 {
		return
	}
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	stride := halfStride(2 * p.depth)
	rows := grow(&s.a, t.cols*stride/2)
	p.Kernels.Unmetered().half.toHalf(t.cols, p.K, 2*p.depth, &asHalves(rows)[0], stride, b.Slice(t.from, t.from+t.cols).ptr(), b.Stride)
	p.Kernels.Unmetered().Transpose(Matrix{Data: p.data[t.offset:], Rows: p.depth, Cols: t.cols, Stride: t.vectors * p.lanes},
		Matrix{Data: rows, Rows: t.cols, Cols: p.depth, Stride: stride / 2})
}

// putHalf packs the rows of m, which are those from, from+1, … of panel t, from
// column n0 of p on. Who packs the last row fills the panel up. Other rows may be
// packed at the same time: the first or last row may have half a pair to itself.
func (p *Packed) putHalf(from, n0 int, t panel, m Matrix) {
	width := t.vectors * p.lanes
	m = m.Columns(t.from-n0, t.from-n0+t.cols)
	end := from + m.Rows
	half := func(row int) {
		out := asHalves(p.data[t.offset+row/2*width:][:width])[row%2:]
		for i, v := range m.Row(row - from) {
			out[2*i] = toBF16(v)
		}
	}
	first, last := from, end
	if first%2 == 1 {
		half(first)
		first++
	}
	if last%2 == 1 && last < p.K && last > first {
		last--
		half(last)
	}
	pairs := (last - first + 1) / 2
	if end == p.K {
		pairs = p.depth - first/2
	}
	if pairs > 0 {
		rows := last - first
		src := m.Data[min(max(first-from, 0)*m.Stride, len(m.Data)-1):]
		p.Kernels.Unmetered().half.interleave(pairs, rows, t.cols, &p.data[t.offset+first/2*width], width, &src[0], m.Stride)
	}
}
