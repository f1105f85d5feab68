package kernels

import "unsafe"

// packHalf packs panel t of b [K, N] in pairs of rows, or in quads.
func (p *Packed) packHalf(t panel, b Matrix) {
	if p.K > 0 {
		p.Kernels.Unmetered().half.packRows(
			p.depth, p.K, t.cols, &p.data[t.offset], t.vectors*p.lanes,
			b.Columns(t.from, t.from+t.cols).ptr(), b.Stride,
		)
	}
}

// packHalfTransposed packs panel t of the transpose of b [N, K]. Two neighbours in a row of b
// are a pair, so pairs are transposed as if they were float32.
func (p *Packed) packHalfTransposed(t panel, b Matrix) {
	if p.K == 0 {
		return
	}
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	stride := halfStride(2 * p.depth)
	rows := grow(&s.a, t.cols*stride/2)
	p.Kernels.Unmetered().half.toHalf(
		t.cols, p.K, 2*p.depth, &asHalves(rows)[0], stride, b.Slice(t.from, t.from+t.cols).ptr(), b.Stride,
	)
	if p.Kernels.half.quads != nil {
		p.transposeQuads(t, rows, stride)
		return
	}
	p.Kernels.Unmetered().Transpose(Matrix{
		Data:   p.data[t.offset:],
		Rows:   p.depth,
		Cols:   t.cols,
		Stride: t.vectors * p.lanes,
	},
		Matrix{Data: rows, Rows: t.cols, Cols: p.depth, Stride: stride / 2})
}

// transposeQuads fills a panel with the columns of rows of bfloat16, stride values apart. It
// moves four neighbours, 64 bits, at a time.
func (p *Packed) transposeQuads(t panel, rows []float32, stride int) {
	width, quads := t.vectors*p.lanes, p.depth/2
	from := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(rows))), t.cols*stride/4)
	to := unsafe.Slice((*uint64)(unsafe.Pointer(&p.data[t.offset])), quads*width)
	for c := range t.cols {
		for q, v := range from[c*stride/4:][:quads] {
			to[q*width+c] = v
		}
	}
}

// putHalf packs the rows of m as rows from, from+1, … of panel t; their first column is n0 of p.
// The caller that packs the last row also pads the panel. Other rows may be packed at the same
// time: the first and the last group may then belong to several callers, each of which writes
// its own part.
func (p *Packed) putHalf(from, n0 int, t panel, m Matrix) {
	h := p.Kernels.Unmetered().half
	width, group := t.vectors*p.lanes, h.group()
	m = m.Columns(t.from-n0, t.from-n0+t.cols)
	end := from + m.Rows
	place := func(row int) []uint16 { // of the first column; the next one is group values further
		size := group / 2 * width
		return asHalves(p.data[t.offset+row/group*size:][:size])[row%group:]
	}
	put := func(row int) {
		out := place(row)
		for i, v := range m.Row(row - from) {
			out[group*i] = toBF16(v)
		}
	}
	first, last := from, end
	for ; first%group != 0 && first < end; first++ {
		put(first)
	}
	if first == p.K { // pads the last group, which others may have begun
		for ; first%group != 0; first++ {
			for out, i := place(first), 0; i < t.cols; i++ {
				out[group*i] = 0
			}
		}
	}
	for ; last%group != 0 && last < p.K && last > first; last-- {
		put(last - 1)
	}
	pairs := (max(last-first, 0) + group - 1) / group * group / 2
	if end == p.K {
		pairs = p.depth - first/2
	}
	if pairs > 0 {
		src := m.Data[min(max(first-from, 0)*m.Stride, len(m.Data)-1):]
		h.packRows(pairs, max(last-first, 0), t.cols, &p.data[t.offset+first/2*width], width, &src[0], m.Stride)
	}
}
