package kernels

import (
	"fmt"
	"unsafe"
)

// Gemm computes C = alpha·A·B + D, with A [M, K], B packed [K, N], and C and D [M, N]. A D
// without data is left out. D may be C itself, to accumulate, or a [Broadcast] bias. The inner
// index is summed in order, so an element does not depend on the rows computed with it.
func (k *Set) Gemm(c Matrix, alpha float32, a Matrix, b *Packed, d Matrix) {
	if a.Cols != b.K || c.Cols != b.N || a.Rows != c.Rows {
		panic(fmt.Sprintf("kernels: Gemm: %d×%d by %d×%d into %d×%d", a.Rows, a.Cols, b.K, b.N, c.Rows, c.Cols))
	}
	if c.empty() {
		return
	}
	if a.Cols == 0 {
		k.gemmNothing(c, d)
		return
	}
	l := b.begin()
	k.gemm(c, alpha, a.ptr(), a.Stride, 1, a.Cols, 0, b, d)
	l.End(productWork(Product, a.Cols, c.Cols), 2*c.Rows*a.Cols*c.Cols)
}

// productWork returns the work of a product in FP32.
func productWork(k Kind, inner, columns int) Work {
	return Work{Kind: k, Inner: inner, Columns: columns}
}

// gemmNothing is a product with an empty inner index: C = D.
func (k *Set) gemmNothing(c, d Matrix) {
	if d.Data != nil {
		k.Copy(c, d)
		return
	}
	for r := 0; r < c.Rows; r++ {
		clear(c.Row(r))
	}
}

// GemmPanel computes the columns of panel i of B of such a product. K must not be 0.
func (k *Set) GemmPanel(c Matrix, alpha float32, a Matrix, b *Packed, i int, d Matrix) {
	if a.Cols != b.K || c.Cols != b.N || a.Rows != c.Rows || a.empty() {
		panic(fmt.Sprintf("kernels: GemmPanel: %d×%d by %d×%d into %d×%d", a.Rows, a.Cols, b.K, b.N, c.Rows, c.Cols))
	}
	b.of("GemmPanel", k)
	l, t := b.begin(), b.panels[i]
	b.multiply(b.panels[i:i+1], c, alpha, a.ptr(), a.Stride, 1, a.Cols, 0, d)
	l.End(productWork(Product, a.Cols, c.Cols), 2*c.Rows*a.Cols*t.cols)
}

// gemm is Gemm whose inner index has segs segments of segLen values, segStride apart in A.
func (k *Set) gemm(c Matrix, alpha float32, a *float32, lda, segs, segLen, segStride int, b *Packed, d Matrix) {
	b.of("Gemm", k)
	b.multiply(b.panels, c, alpha, a, lda, segs, segLen, segStride, d)
}

// multiply computes the columns of some panels.
func (p *Packed) multiply(
	panels []panel, c Matrix, alpha float32, a *float32, lda, segs, segLen, segStride int, d Matrix,
) {
	if p.Precision == BF16 {
		p.multiplyHalf(panels, c, alpha, a, lda, segs, segLen, segStride, 0, 0, d)
		return
	}
	var dp *float32
	if d.Data != nil {
		same("Gemm", c, d)
		dp = d.ptr()
	}
	k, cp := p.Kernels, c.ptr()
	for i, t := range panels {
		var dt *float32
		if dp != nil {
			dt = offset(dp, t.from)
		}
		next, step := p.following(panels[i:], c.Rows, 0)
		k.gemmNN[t.kernel()](c.Rows, a, lda, segs, segLen, segStride, &p.data[t.offset],
			offset(cp, t.from), c.Stride, dt, d.Stride, alpha, t.cols, next, step)
	}
}

// lines is the left-hand side of a product of several lines with the same number of rows each.
// The inner index has segs segments of segLen values, segStride apart in A. Rows of a line are lda
// apart, and lines step.
type lines struct {
	data             []float32
	count, step, lda int
	segs, segLen     int
	segStride        int
}

// multiplyLines computes c = the product of the lines + d. If the packed matrix is larger than
// what the lines read, a panel of it is multiplied by all lines before the next panel.
func (p *Packed) multiplyLines(c Matrix, l lines, d Matrix) {
	rows := c.Rows / l.count
	if p.Precision == BF16 || len(p.data) <= len(l.data) {
		for y := range l.count {
			var dy Matrix
			if d.Data != nil {
				dy = d.Slice(y*rows, (y+1)*rows)
			}
			p.multiply(
				p.panels, c.Slice(y*rows, (y+1)*rows), 1, &l.data[y*l.step], l.lda, l.segs,
				l.segLen, l.segStride, dy,
			)
		}
		return
	}
	var dp *float32
	if d.Data != nil {
		same("Convolve", c, d)
		dp = d.ptr()
	}
	k, cp := p.Kernels, c.ptr()
	for i, t := range p.panels {
		tiles := p.tiles(t, rows)
		next, step := p.ahead(p.panels[i:], l.count*tiles, 0)
		for y := range l.count {
			from := next
			if step > 0 { // step is rounded up, so the steps may fetch more than the panel
				from = offset(next, min(y*tiles*p.K*step/4, p.K*p.panels[i+1].vectors*p.lanes-1))
			}
			var dt *float32
			if dp != nil {
				dt = offset(dp, y*rows*d.Stride+t.from)
			}
			k.gemmNN[t.kernel()](rows, &l.data[y*l.step], l.lda, l.segs, l.segLen, l.segStride, &p.data[t.offset],
				offset(cp, y*rows*c.Stride+t.from), c.Stride, dt, d.Stride, 1, t.cols, from, step)
		}
	}
}

// following returns what a kernel fetches into the second-level cache while it multiplies some
// rows by the first of these panels: the address of the next panel, from row k0 on, and the number
// of its bytes that each step of a tile fetches. The tiles together fetch the whole panel. Without
// this, the first tile of a panel waits for weights from memory: products of 49 rows then run at
// 228 instead of 248 GFLOPS (Zen 5, one thread, BenchmarkGemmCold).
func (p *Packed) following(panels []panel, rows, k0 int) (next *float32, step int) {
	return p.ahead(panels, p.tiles(panels[0], rows), k0)
}

// tiles returns the number of tiles of registers for the rows of a panel.
func (p *Packed) tiles(t panel, rows int) int {
	tile := p.Kernels.tile
	if t.vectors == 3 {
		tile = tile * 2 / 3
	}
	return (rows + tile - 1) / tile
}

// ahead is following for a number of tiles. A product of one tile needs nothing besides what the
// kernel fetches anyway.
func (p *Packed) ahead(panels []panel, tiles, k0 int) (next *float32, step int) {
	if tiles == 1 || len(panels) == 1 {
		return &p.data[panels[0].offset], 0
	}
	t := panels[1]
	width := t.vectors * p.lanes
	return &p.data[t.offset+k0*width], (4*width + tiles - 1) / tiles
}

func offset(p *float32, n int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n))
}

// TileRows returns the number of rows of a product that are computed together. Other numbers of
// rows end with a smaller tile, which is less efficient if it has few rows. In GemmTN the columns
// of A count.
func (k *Set) TileRows() int { return k.tile }

// GemmTN computes C += Aᵀ·B with A [R, M], B [R, N] and C [M, N]: the accumulated gradient of the
// weights of a linear layer.
func (k *Set) GemmTN(c, a, b Matrix, in Precision) {
	if a.Rows != b.Rows || c.Rows != a.Cols || c.Cols != b.Cols {
		panic(fmt.Sprintf("kernels: GemmTN: %d×%d transposed by %d×%d into %d×%d",
			a.Rows, a.Cols, b.Rows, b.Cols, c.Rows, c.Cols))
	}
	if c.empty() || a.Rows == 0 {
		return
	}
	k.addTN(c, a.ptr(), a.Stride, 0, b.ptr(), b.Stride, 0, 1, a.Rows, in)
}

// addTN is GemmTN over outer·inner rows: outer steps of outerA and outerB elements, inner steps
// of lda and ldb.
func (k *Set) addTN(c Matrix, a *float32, lda, outerA int, b *float32, ldb, outerB, outer, inner int, in Precision) {
	if in == BF16 {
		k.addTNHalf(c, a, lda, outerA, b, ldb, outerB, outer, inner)
		return
	}
	l := k.Begin()
	cp := c.ptr()
	for from := 0; from < c.Cols; {
		s := nextPanel(c.Cols-from, k.lanes, FP32)
		width := s.vectors * k.lanes
		k.gemmTN[s.kernel()](c.Rows, a, lda, outerA, offset(b, from), ldb, outerB, outer, inner,
			offset(cp, from), c.Stride, min(width, c.Cols-from))
		from += width
	}
	l.End(transposedWork(outerB != 0, c, FP32), 2*c.Rows*c.Cols*outer*inner)
}

// transposedWork returns the work of a product Aᵀ·B into c. For the gradient of the weights of a
// convolution, the rows are the pixels of several lines.
func transposedWork(convolution bool, c Matrix, in Precision) Work {
	w := Work{Kind: Product, Transposed: true, Inner: c.Rows, Columns: c.Cols, Precision: in}
	if convolution {
		w.Kind = Convolution
	}
	return w
}
