package kernels

import (
	"fmt"
	"sync"
)

// halfScratch is memory for converted factors. A product keeps it while it runs, so it stays
// in the thread's cache from one product to the next.
type halfScratch struct{ a, b, c []float32 }

var halfScratches = sync.Pool{New: func() any { return new(halfScratch) }}

// grow returns room for n values in *s.
func grow(s *[]float32, n int) []float32 {
	if len(*s) < n {
		*s = Aligned(roundUp(n, 1<<12))
	}
	return (*s)[:n]
}

// halfStride returns the distance of converted rows of n values: an odd number of cache lines
// (64 bytes, 32 values), so that the rows of a tile spread over all sets of the cache.
func halfStride(n int) int { return (n+31)/32/2*64 + 32 }

// convertedBytes is the size of a block of converted rows: an eighth of a second-level cache of
// 1 MiB (Zen 4 and 5), and half of one of 256 KiB.
const convertedBytes = 128 << 10

// multiplyHalf is multiply with rows k0, k0+1, … of p; the first column of C is n0. It converts
// some rows of A at a time, and puts the segments of the inner index one after the other, so
// only the end of a row needs zeros.
func (p *Packed) multiplyHalf(
	panels []panel,
	c Matrix,
	alpha float32,
	a *float32, lda, segs, segLen, segStride, k0, n0 int,
	d Matrix,
) {
	h, inner := p.Kernels.half, segs*segLen
	filled := roundUp(inner, h.step)
	if p.depth != p.Kernels.depth(p.K, p.Precision) || k0%h.step != 0 || k0/2+filled/2 > p.depth {
		panic(fmt.Sprintf("kernels: Gemm: rows %d to %d of %d, packed for another path of bf16 or not a multiple of %d",
			k0, k0+inner, p.K, h.step))
	}
	stride := halfStride(filled)
	unit := p.Kernels.tile
	if h.tiles {
		unit = 2 * tileRows
	}
	rows := min(c.Rows, max(convertedBytes/(2*stride)/unit, 1)*unit)
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	converted := asHalves(grow(&s.a, roundUp(rows, tileRows)*stride/2))
	work, cols := Work{Kind: Product, Inner: inner, Columns: c.Cols, Precision: BF16}, 0
	if segs > 1 {
		work.Kind = Convolution
	}
	for _, t := range panels {
		cols += t.cols
	}
	for from := 0; from < c.Rows; from += rows {
		n := min(rows, c.Rows-from)
		for seg := range segs {
			fill := segLen
			if seg == segs-1 {
				fill += filled - inner
			}
			h.toHalf(n, segLen, fill, &converted[seg*segLen], stride, offset(a, from*lda+seg*segStride), lda)
		}
		var part Matrix
		if d.Data != nil {
			part = d.Slice(from, from+n)
		}
		l := p.Kernels.Begin()
		p.multiplyConverted(panels, c.Slice(from, from+n), alpha, &converted[0], stride, 1, filled, 0, k0, n0, part)
		l.End(work, 2*n*inner*cols)
	}
}

// multiplyConverted is multiplyHalf with A in bfloat16.
func (p *Packed) multiplyConverted(
	panels []panel,
	c Matrix,
	alpha float32,
	a *uint16, lda, segs, segLen, segStride, k0, n0 int,
	d Matrix,
) {
	h, cp := p.Kernels.half, c.ptr()
	var dp *float32
	if d.Data != nil {
		same("Gemm", c, d)
		dp = d.ptr()
	}
	for i, t := range panels {
		var dt *float32
		if dp != nil {
			dt = offset(dp, t.from-n0)
		}
		next, step := p.following(panels[i:], c.Rows, k0/2)
		h.nn[t.vectors](c.Rows, a, lda, segs, segLen/2, segStride, &p.data[t.offset+k0/2*t.vectors*p.lanes],
			offset(cp, t.from-n0), c.Stride, dt, d.Stride, alpha, t.cols, next, step)
	}
}

// convolveHalf is Convolve in bf16. It converts the strip once, not for every tap. The number of
// channels must be even, or a multiple of four for quads, so that segments have whole groups.
func (p PConv) convolveHalf(dst Matrix, padded []float32, weights *Packed, d Matrix) {
	line := (p.Width + 2) * p.Channels
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	n := (p.Height + 2) * line
	converted := asHalves(grow(&s.a, (n+1)/2))
	weights.Kernels.half.toHalf(1, n, n, &converted[0], 0, &padded[0], 0)
	l := weights.Kernels.Begin()
	for y := range p.Height {
		from, to := y*p.Width, (y+1)*p.Width
		var dy Matrix
		if d.Data != nil {
			dy = d.Slice(from, to)
		}
		weights.multiplyConverted(
			weights.panels, dst.Slice(from, to), 1, &converted[y*line], p.Channels, side,
			side*p.Channels, line, 0, 0, dy,
		)
	}
	l.End(Work{Kind: Convolution, Inner: p.Inner(), Columns: dst.Cols, Precision: BF16}, 2*dst.Rows*p.Inner()*dst.Cols)
}

// addTNHalf is addTN in bf16. Both factors become pairs of rows: of A at once, of B one panel at a
// time.
func (k *Set) addTNHalf(c Matrix, a *float32, lda, outerA int, b *float32, ldb, outerB, outer, inner int) {
	const most = 1024
	if outer == 1 && inner > most { // bounds the memory for the pairs: 2 KiB a column of A
		for from := 0; from < inner; from += most {
			k.addTNHalf(c, offset(a, from*lda), lda, 0, offset(b, from*ldb), ldb, 0, 1, min(most, inner-from))
		}
		return
	}
	h := k.half
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	each := roundUp(inner, h.group()) / 2
	pairs := roundUp(2*outer*each, h.step) / 2
	stack := func(
		convert func(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int),
		dst []float32, ldd int, src *float32, ld, jump, cols int,
	) {
		for o := range outer {
			n := each
			if o == outer-1 {
				n += pairs - outer*each
			}
			convert(n, inner, cols, &dst[o*each*ldd], ldd, offset(src, o*jump), ld)
		}
	}
	t := k.newTransposedHalf(s, transposedWork(outerB != 0, c, BF16), pairs, outer*inner)
	stack(h.interleave, t.pairs, t.stride, a, lda, outerA, c.Rows)
	t.finish()
	width := 3 * k.lanes
	panel := grow(&s.b, pairs*width)
	cp := c.ptr()
	for from, left := 0, (c.Cols+k.lanes-1)/k.lanes; left > 0; {
		w := 2
		if left == 1 || left == 3 {
			w = left
		}
		cols := min(w*k.lanes, c.Cols-from)
		stack(h.packRows, panel, w*k.lanes, offset(b, from), ldb, outerB, cols)
		t.multiply(w, &panel[0], offset(cp, from), c.Stride, cols)
		from += w * k.lanes
		left -= w
	}
}

// transposedHalf holds the factor A of Aᵀ·B as the kernels of its path read it.
type transposedHalf struct {
	kernels             *Set
	work                Work      // of the product, for a meter
	inner               int       // rows of A and B
	rows, count, stride int       // of Aᵀ; number of pairs
	pairs               []float32 // [count, rows]
	tiles               []uint16  // [rows, 2·count], if the path reads tiles
	scratch             *halfScratch
}

func (k *Set) newTransposedHalf(s *halfScratch, work Work, pairs, inner int) *transposedHalf {
	rows := work.Inner
	stride := roundUp(rows, 16)
	return &transposedHalf{
		kernels: k,
		work:    work,
		inner:   inner,
		rows:    rows,
		count:   pairs,
		stride:  stride,
		pairs:   grow(&s.a, pairs*stride),
		scratch: s,
	}
}

// finish must be called after the pairs are written.
func (t *transposedHalf) finish() {
	if t.kernels.half.tn[1] != nil {
		return
	}
	in := NewMatrix(t.pairs, t.count, t.rows)
	in.Stride = t.stride
	t.stride = halfStride(2 * t.count)
	out := grow(&t.scratch.c, roundUp(t.rows, tileRows)*t.stride/2)
	t.tiles = asHalves(out)
	t.kernels.Transpose(Matrix{Data: out, Rows: t.rows, Cols: t.count, Stride: t.stride / 2}, in)
}

// multiply adds the product with a panel.
func (t *transposedHalf) multiply(vectors int, panel, c *float32, ldc, cols int) {
	h, l := t.kernels.half, t.kernels.Begin()
	defer l.End(t.work, 2*t.rows*t.inner*cols)
	if t.tiles != nil {
		h.nn[vectors](t.rows, &t.tiles[0], t.stride, 1, t.count, 0, panel, c, ldc, c, ldc, 1, cols, panel, 0)
		return
	}
	h.tn[vectors](t.rows, &t.pairs[0], t.stride, panel, t.count, c, ldc, cols)
}

// gemmTNPackedHalf is GemmTNPackedBlock in bf16.
func (k *Set) gemmTNPackedHalf(c, a Matrix, b *Packed, panels []panel, from, col int) {
	h := k.half
	pairs := roundUp(a.Rows, h.step) / 2
	if b.depth != k.depth(b.K, b.Precision) || from%h.step != 0 || from/2+pairs > b.depth {
		panic(fmt.Sprintf("kernels: GemmTNPacked: rows %d to %d of %d, packed for another path of "+
			"bf16 or not a multiple of %d", from, from+a.Rows, b.K, h.step))
	}
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	t := k.newTransposedHalf(s, transposedWork(false, c, BF16), pairs, a.Rows)
	h.interleave(pairs, a.Rows, c.Rows, &t.pairs[0], t.stride, a.ptr(), a.Stride)
	t.finish()
	cp := c.ptr()
	for _, p := range panels {
		t.multiply(p.vectors, &b.data[p.offset+from/2*p.vectors*b.lanes], offset(cp, p.from-col), c.Stride, p.cols)
	}
}
