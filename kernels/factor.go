package kernels

import "fmt"

// Factor is the left-hand side A of products, in the format in which they read it: float32, or
// bfloat16 that is rounded once when it is written. A product has the same bits with a Factor in
// BF16 and with an unrounded [Matrix].
type Factor struct {
	Precision Precision
	Full      Matrix // in FP32
	Half      Halves // in BF16
}

// AsFactor makes a factor of a matrix of float32. Products in BF16 round it.
func (m Matrix) AsFactor() Factor { return Factor{Full: m} }

// rowsRead returns the number of rows of a factor that a product reads; the last ones may hold
// anything.
func (k *Set) rowsRead(rows int) int {
	if k.half.tiles {
		return roundUp(rows, tileRows)
	}
	return rows
}

// factorStride returns the distance of rows of bfloat16, in values. Cache lines hold 32 of them. With
// a multiple of eight cache lines the rows of a tile would share a few of the 64 sets of the
// first-level cache.
func (k *Set) factorStride(cols int) int {
	stride := roundUp(roundUp(cols, k.half.step), 16)
	if stride%256 == 0 {
		stride += 32
	}
	return stride
}

// FactorLen returns the number of float32 that the memory of a factor takes.
func (k *Set) FactorLen(rows, cols int, in Precision) int {
	if in == FP32 {
		return rows * floatStride(cols)
	}
	if k.half.tiles { // a part of the rows may begin anywhere
		rows += tileRows - 1
	}
	return (rows*k.factorStride(cols) + 1) / 2
}

// floatStride returns the distance of rows of float32: an odd number of cache lines of 16 values.
func floatStride(cols int) int { return (cols+15)/16/2*32 + 16 }

// NewFactor returns a factor in memory of at least FactorLen values. Its contents are undefined
// until they are written.
func (k *Set) NewFactor(memory []float32, rows, cols int, in Precision) Factor {
	if in == FP32 {
		return Factor{Full: Matrix{Data: memory, Rows: rows, Cols: cols, Stride: floatStride(cols)}}
	}
	h := Halves{Data: asHalves(memory), Rows: rows, Cols: cols, Stride: k.factorStride(cols)}
	h.zeros = roundUp(cols, k.half.step) - cols
	if h.zeros > 0 {
		for r := range rows {
			clear(h.Data[r*h.Stride+cols:][:h.zeros])
		}
	}
	return Factor{Precision: BF16, Half: h}
}

// Rows returns the number of rows.
func (f Factor) Rows() int {
	if f.Precision == BF16 {
		return f.Half.Rows
	}
	return f.Full.Rows
}

// Cols returns the number of columns.
func (f Factor) Cols() int {
	if f.Precision == BF16 {
		return f.Half.Cols
	}
	return f.Full.Cols
}

// Slice returns rows [from, to), which share memory with f.
func (f Factor) Slice(from, to int) Factor {
	if f.Precision == BF16 {
		f.Half = f.Half.Slice(from, to)
		return f
	}
	f.Full = f.Full.Slice(from, to)
	return f
}

// Columns returns columns [from, to), which share memory with f.
func (f Factor) Columns(from, to int) Factor {
	if f.Precision == BF16 {
		f.Half = f.Half.Columns(from, to)
		return f
	}
	f.Full = f.Full.Columns(from, to)
	return f
}

// CopyTo copies src, of the same size, to a factor.
func (k *Set) CopyTo(dst Factor, src Matrix) {
	if dst.Precision == BF16 {
		k.Round(dst.Half, src)
		return
	}
	k.Copy(dst.Full, src)
}

// AffineTo is Affine from and to a factor: dst = act(a·src + b), with one a and b per column.
func (k *Set) AffineTo(dst, src Factor, a, b []float32, act Activation) {
	const name = "AffineTo"
	rows, cols := src.Rows(), src.Cols()
	switch {
	case dst.Precision == FP32 && src.Precision == FP32:
		k.Affine(dst.Full, src.Full, a, b, act)
		return
	case dst.Precision == FP32:
		panic("kernels: AffineTo: bf16 to fp32")
	}
	dst.Half.sameSize(name, rows, cols)
	if dst.Half.empty() {
		return
	}
	ap, bp := columnsOf(name, a, cols), columnsOf(name, b, cols)
	if src.Precision == FP32 {
		k.half.affineHalf[act](rows, cols, dst.Half.ptr(), dst.Half.Stride, src.Full.ptr(), src.Full.Stride, ap, bp)
		return
	}
	k.half.affineHalves[act](rows, cols, dst.Half.ptr(), dst.Half.Stride, src.Half.ptr(), src.Half.Stride, ap, bp)
}

// GemmFactor is Gemm with a factor that may be rounded already: C = alpha·A·B + D.
func (k *Set) GemmFactor(c Matrix, alpha float32, a Factor, b *Packed, d Matrix) {
	if a.Precision == FP32 {
		k.Gemm(c, alpha, a.Full, b, d)
		return
	}
	if a.Cols() != b.K || c.Cols != b.N {
		panic(fmt.Sprintf("kernels: GemmFactor: %d×%d by %d×%d into %d×%d",
			a.Rows(), a.Cols(), b.K, b.N, c.Rows, c.Cols))
	}
	k.GemmBlockFactor(c, alpha, a, b, 0, 0, d)
}

// GemmBlockFactor is GemmBlock with a factor that may be rounded already.
func (k *Set) GemmBlockFactor(c Matrix, alpha float32, a Factor, b *Packed, k0, n0 int, d Matrix) {
	if a.Precision == FP32 {
		k.GemmBlock(c, alpha, a.Full, b, k0, n0, d)
		return
	}
	h := a.Half
	if k0 < 0 || k0+h.Cols > b.K || n0 < 0 || n0+c.Cols > b.N || h.Rows != c.Rows {
		panic(fmt.Sprintf("kernels: GemmBlockFactor: %d×%d by %d×%d at (%d, %d) into %d×%d",
			h.Rows, h.Cols, b.K, b.N, k0, n0, c.Rows, c.Cols))
	}
	if c.empty() {
		return
	}
	if h.Cols == 0 {
		k.gemmNothing(c, d)
		return
	}
	b.of("GemmBlockFactor", k)
	filled := b.filled(h, k0)
	l := k.Begin()
	b.multiplyConverted(
		b.panelsIn(n0, n0+c.Cols), c, alpha, h.reading(k.rowsRead(h.Rows), filled), h.Stride, 1,
		filled, 0, k0, n0, d,
	)
	l.End(Work{Kind: Product, Inner: h.Cols, Columns: c.Cols, Precision: BF16}, 2*c.Rows*h.Cols*c.Cols)
}

// filled returns the inner index of a product of a, with the zeros at its end, from row k0 of p.
func (p *Packed) filled(a Halves, k0 int) int {
	h := p.Kernels.half
	if h == nil || p.Precision != BF16 {
		panic("kernels: a factor in bf16 by a matrix that is packed in another precision")
	}
	filled := roundUp(a.Cols, h.step)
	if p.depth != p.Kernels.depth(p.K, p.Precision) ||
		k0%h.step != 0 ||
		k0/2+filled/2 > p.depth ||
		filled > a.Cols+a.zeros {
		panic(fmt.Sprintf("kernels: rows %d to %d of %d: "+
			"packed for another path of bf16, or not a multiple of %d and not the end", k0, k0+a.Cols, p.K, h.step))
	}
	return filled
}
