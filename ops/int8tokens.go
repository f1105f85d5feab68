package ops

import (
	"fmt"

	"fasternet/kernels"
)

// int8Layer is a linear layer of 8 bits within an op on tokens. Rows are rounded to the grid of its
// input as they are computed.
type int8Layer struct {
	*Int8Linear
	tape    *Tape
	product int8Product
}

// newInt8Layer returns the 8-bit form of a layer with that weight; nil for a layer of float32.
func (t *Tape) newInt8Layer(q *Int8Linear, weight *Param) (*int8Layer, error) {
	if q == nil {
		return nil, nil
	}
	switch {
	case t.Train:
		return nil, fmt.Errorf("%s: layers of 8 bits are for evaluation", weight.Name)
	case q.Weight.Param != weight:
		return nil, fmt.Errorf("%s: its weight of 8 bits belongs to another layer", weight.Name)
	}
	if err := q.In.Check(); err != nil {
		return nil, fmt.Errorf("%s: its input: %w", weight.Name, err)
	}
	if q.Out != nil {
		if err := q.Out.Check(); err != nil {
			return nil, fmt.Errorf("%s: its result: %w", weight.Name, err)
		}
	}
	return &int8Layer{Int8Linear: q, tape: t}, nil
}

// ready must be called in a run before the layer is used. table follows a result on the grid Out; it
// may be nil.
func (l *int8Layer) ready(table func() ([]uint8, error)) (err error) {
	if l == nil || l.product.PackedInt8 != nil && l.product.version == l.Weight.Param.version {
		return nil
	}
	var places []uint8
	if table != nil {
		if places, err = table(); err != nil {
			return err
		}
	}
	l.product, err = l.Weight.product(l.tape.kernels, l.In, l.Out, places, nil)
	return err
}

// quantise rounds x to the grid of the input.
func (l *int8Layer) quantise(dst kernels.Bytes, x kernels.Matrix) {
	k, scale, shift := l.tape.kernels, float32(1/float64(l.In.Scale)), float32(l.In.Zero)
	if x.Stride == x.Cols && dst.Stride == dst.Cols {
		k.Quantise(dst.Data, x.Data[:x.Rows*x.Cols], scale, shift)
		return
	}
	for r := range x.Rows {
		k.Quantise(dst.Row(r), x.Row(r), scale, shift)
	}
}

// normed returns the memory in which rows are normalised: some at a time, which stay in the
// first-level cache.
type normed struct{ rows, cols int }

func newNormed(cols int) normed {
	const values = 6 << 10
	return normed{max(1, values/cols), cols}
}

func (n normed) scratchSize() int {
	return scratchSize([]int{n.rows * n.cols, 2 * n.rows}, 0)
}

// normalised fills dst with the normalised rows of x on the grid of the input. s is scratch.
func (l *int8Layer) normalised(dst kernels.Bytes, norm *rowNorm, x kernels.Matrix, s scratch) {
	n := newNormed(x.Cols)
	memory, stats := s.vector(n.rows*n.cols), s.vector(2*n.rows)
	for from := 0; from < x.Rows; from += n.rows {
		to := min(from+n.rows, x.Rows)
		y := kernels.NewMatrix(memory, to-from, n.cols)
		norm.normalise(y, x.Slice(from, to), stats)
		l.quantise(dst.Slice(from, to), y)
	}
}

// float computes a result in float32, plus d, for columns from n0 on.
func (l *int8Layer) float(y kernels.Matrix, n0 int, x kernels.Bytes, d kernels.Matrix) {
	l.tape.kernels.GemmInt8Float(y, n0, x, l.product.PackedInt8, l.product.rescale, d)
}

// bytes computes a result on the grid Out, for columns from n0 on.
func (l *int8Layer) bytes(y kernels.Bytes, n0 int, x kernels.Bytes) {
	l.tape.kernels.GemmInt8(y, n0, x, l.product.PackedInt8, l.product.rescale, kernels.Bytes{}, 0)
}

// plannedBytes is a matrix of bytes in planned memory.
type plannedBytes struct {
	buf        *Buffer
	rows, cols int
}

func (t *Tape) newPlannedBytes(rows, cols int) plannedBytes {
	return plannedBytes{t.NewBuffer(byteValues(rows * cols)), rows, cols}
}

func (p plannedBytes) matrix() kernels.Bytes {
	return kernels.NewBytes(kernels.BytesOf(p.buf.data), p.rows, p.cols)
}

// byteStride returns the distance of rows of bytes: an odd number of cache lines, see [rowStride].
func byteStride(cols int) int { return ((cols+63)/64 | 1) * 64 }

// int8Grid divides a product of 8 bits by rows and columns if that is useful: see [grid].
func (t *Tape) int8Grid(blocks [][2]int, columns int) (grid, bool) {
	const normColumns = 100 // a task normalises and rounds its rows
	return t.byGridOf(blocks, columns, t.kernels.Int8PanelWidth(), normColumns)
}
