package ops

import "fasternet/kernels"

// kept is a map [rows, cols] in planned memory that the backward pass needs again. In a graph of bf16 it
// is rounded to bf16, on its way through scratch. That halves its memory and the traffic.
type kept struct {
	kernels            *kernels.Set
	in                 kernels.Precision
	rows, cols, stride int // the stride in float32
	buf                *Buffer
}

func (t *Tape) newKept(rows, cols, stride int) kept {
	size := rows * stride
	if t.Precision == kernels.BF16 {
		size = kernels.HalvesLen(rows, cols)
	}
	return kept{kernels: t.kernels, in: t.Precision, rows: rows, cols: cols, stride: stride, buf: t.NewBuffer(size)}
}

func (k kept) halves(part kernels.Matrix, row, col int) kernels.Halves {
	return kernels.NewHalves(k.buf.data, k.rows, k.cols).Slice(row, row+part.Rows).Columns(col, col+part.Cols)
}

// place returns where to compute the part from row and column on, of the size of scratch: in scratch, or
// in the memory of the map itself.
func (k kept) place(scratch kernels.Matrix, row, col int) kernels.Matrix {
	if k.in == kernels.BF16 {
		return scratch
	}
	all := kernels.Matrix{Data: k.buf.data, Rows: k.rows, Cols: k.cols, Stride: k.stride}
	return all.Slice(row, row+scratch.Rows).Columns(col, col+scratch.Cols)
}

// rounded returns the same values as put and then get, for a map that is not kept. memory is for its
// halves.
func (t *Tape) rounded(part kernels.Matrix, memory []float32) kernels.Matrix {
	if t.Precision == kernels.BF16 {
		h := kernels.NewHalves(memory, part.Rows, part.Cols)
		t.kernels.Round(h, part)
		t.kernels.Widen(part, h)
	}
	return part
}

// put keeps what was computed in the result of place.
func (k kept) put(part kernels.Matrix, row, col int) {
	if k.in == kernels.BF16 {
		k.kernels.Round(k.halves(part, row, col), part)
	}
}

// get returns a part of the map, possibly in scratch.
func (k kept) get(scratch kernels.Matrix, row, col int) kernels.Matrix {
	if k.in == kernels.BF16 {
		k.kernels.Widen(scratch, k.halves(scratch, row, col))
	}
	return k.place(scratch, row, col)
}

// part returns a part of the map as it is kept.
func (k kept) part(rows, cols, row, col int) kernels.Factor {
	size := kernels.Matrix{Rows: rows, Cols: cols}
	if k.in == kernels.BF16 {
		return kernels.Factor{Precision: kernels.BF16, Half: k.halves(size, row, col)}
	}
	return k.place(size, row, col).AsFactor()
}
