package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// tokenShape is the shape of a map whose rows are tokens: [images, …, channels].
type tokenShape struct {
	shape                  tensor.Shape
	images, rows, channels int
}

func shapeOfTokens(n *gorgonia.Node) (tokenShape, error) {
	s := n.Shape()
	if s.Dims() < 2 || s.TotalSize() == 0 {
		return tokenShape{}, fmt.Errorf("input has shape %v, want [images, …, channels]", s)
	}
	c := s[s.Dims()-1]
	return tokenShape{s.Clone(), s[0], s.TotalSize() / c, c}, nil
}

func (s tokenShape) matrix(data []float32) kernels.Matrix {
	return kernels.NewMatrix(data, s.rows, s.channels)
}

// perImage returns the number of tokens of an image.
func (s tokenShape) perImage() int { return s.rows / s.images }

// eachImage calls f for the part of every image in rows [from, to).
func (s tokenShape) eachImage(from, to int, f func(image, from, to int)) {
	for n := s.perImage(); from < to; {
		end := min(to, (from/n+1)*n)
		f(from/n, from, end)
		from = end
	}
}

// scaled copies rows from, from+1, … of src, multiplied by the factor of their image if there are
// factors.
func (s tokenShape) scaled(k *kernels.Set, dst, src kernels.Matrix, from int, factors []float32) {
	if factors == nil {
		k.Copy(dst, src)
		return
	}
	s.eachImage(from, from+src.Rows, func(image, a, b int) {
		d, v := dst.Slice(a-from, b-from), src.Slice(a-from, b-from)
		k.Combine(d, v, v, factors[image], 0)
	})
}

// scaledFactor returns src, multiplied by the factors of the images if there are any, for a
// product. It is in scratch, unless the product makes a copy itself.
func (s tokenShape) scaledFactor(t *Tape, scratch, src kernels.Matrix, from int, factors []float32) kernels.Matrix {
	if factors == nil && t.Precision == kernels.BF16 {
		return src
	}
	s.scaled(t.kernels, scratch, src, from, factors)
	return scratch
}

// addScaled computes dst = x + factor·v for rows from, from+1, …, with the factor of their image.
func (s tokenShape) addScaled(k *kernels.Set, dst, x, v kernels.Matrix, from int, factors []float32) {
	if factors == nil {
		k.Combine(dst, v, x, 1, 1)
		return
	}
	s.eachImage(from, from+x.Rows, func(image, a, b int) {
		k.Combine(dst.Slice(a-from, b-from), v.Slice(a-from, b-from), x.Slice(a-from, b-from), factors[image], 1)
	})
}

func longest(blocks [][2]int) int {
	n := 0
	for _, b := range blocks {
		n = max(n, b[1]-b[0])
	}
	return n
}

// padded is a matrix in planned memory whose rows are an odd number of cache lines apart; see rowStride.
type padded struct {
	buf        *Buffer
	rows, cols int
}

func (t *Tape) newPadded(rows, cols int) padded {
	return padded{t.NewBuffer(rows * rowStride(cols)), rows, cols}
}

func (p padded) matrix() kernels.Matrix {
	return kernels.Matrix{Data: p.buf.data, Rows: p.rows, Cols: p.cols, Stride: rowStride(p.cols)}
}

// plannedFactor is a left-hand side of products in planned memory.
type plannedFactor struct {
	tape       *Tape
	buf        *Buffer
	rows, cols int
}

func (t *Tape) newPlannedFactor(rows, cols int) plannedFactor {
	return plannedFactor{t, t.NewBuffer(t.factorLen(rows, cols)), rows, cols}
}

// factor must be called once in a run, before the factor is written.
func (p plannedFactor) factor() kernels.Factor {
	return p.tape.kernels.NewFactor(p.buf.data, p.rows, p.cols, p.tape.Precision)
}

// packedRows is a packed matrix of tokens in planned memory: the inputs of a layer, for the
// gradient of its weights.
type packedRows struct {
	kernels.Packed
	buf        *Buffer
	rows, cols int
}

func (t *Tape) newPackedRows(rows, cols int) *packedRows {
	return &packedRows{
		Packed: kernels.Packed{Kernels: t.kernels, Precision: t.Precision},
		buf:    t.NewBuffer(t.kernels.PackedLen(rows, cols, t.Precision)),
		rows:   rows,
		cols:   cols,
	}
}

// bind must be called before the rows are packed.
func (p *packedRows) bind() { p.Resize(p.rows, p.cols, p.buf.data) }

func (p *packedRows) addGrad(dw, dy kernels.Matrix, row, col int) {
	p.Kernels.GemmTNPackedBlock(dw, dy, &p.Packed, row, col)
}

// placedRows holds the inputs of a layer where they were computed, in float32 and in planned
// memory, so that nothing is copied. In bf16 they are packed, because otherwise every task would
// convert them.
type placedRows struct {
	padded
	kernels *kernels.Set
	packed  *packedRows // nil in float32
	zeros   []float32   // one row
}

func (t *Tape) newPlacedRows(rows, cols int) *placedRows {
	if t.Precision == kernels.BF16 {
		p := t.newPackedRows(rows, cols)
		return &placedRows{
			padded:  padded{p.buf, rows, cols},
			kernels: t.kernels,
			packed:  p,
			zeros:   make([]float32, cols),
		}
	}
	return &placedRows{padded: t.newPadded(rows, cols), kernels: t.kernels}
}

// bind must be called before the rows are computed.
func (p *placedRows) bind() {
	if p.packed != nil {
		p.packed.bind()
	}
}

// place returns where to compute rows, as many as scratch has: in scratch, or in their place.
func (p *placedRows) place(scratch kernels.Matrix, row int) kernels.Matrix {
	if p.packed != nil {
		return scratch
	}
	return p.matrix().Slice(row, row+scratch.Rows)
}

// leaveOut is called for rows that are not computed, and have no part in a gradient. In bf16 they
// may be multiplied by 0, so they must not be NaN.
func (p *placedRows) leaveOut(from, to int) {
	if p.packed != nil {
		p.packed.PutRows(from, kernels.Broadcast(p.zeros, to-from))
	}
}

// put keeps rows that were computed in the result of place.
func (p *placedRows) put(part kernels.Matrix, row int) {
	if p.packed != nil {
		p.packed.PutRows(row, part)
	}
}

func (p *placedRows) addGrad(dw, dy kernels.Matrix, row, col int) {
	if p.packed != nil {
		p.packed.addGrad(dw, dy, row, col)
		return
	}
	p.kernels.GemmTN(dw, dy, p.matrix().Slice(row, row+dy.Rows).Columns(col, col+dw.Cols), kernels.FP32)
}

// checkKeep checks the shape of the factors of drop path, which may be nil.
func checkKeep(keep *gorgonia.Node, images int) error {
	if keep != nil && !keep.Shape().Eq(tensor.Shape{images}) {
		return fmt.Errorf("keep has shape %v, want [%d]", keep.Shape(), images)
	}
	return nil
}

// checkShapes compares the shapes of parameters with the expected ones.
func checkShapes(want map[*Param]tensor.Shape) error {
	for p, s := range want {
		if p != nil && !p.Shape().Eq(s) {
			return fmt.Errorf("%s has shape %v, want %v", p.Name, p.Shape(), s)
		}
	}
	return nil
}

// given leaves out the parameters that are nil.
func given(params ...*Param) []*Param {
	var out []*Param
	for _, p := range params {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// recordLayer records an op on x with parameters, and with factors of drop path as the last input.
func (t *Tape) recordLayer(s Spec, x *gorgonia.Node, params []*Param, keep *gorgonia.Node) (*gorgonia.Node, error) {
	s.Inputs, s.WRT = gorgonia.Nodes{x}, []bool{true}
	for _, p := range params {
		s.Inputs, s.WRT = append(s.Inputs, t.Param(p)), append(s.WRT, true)
	}
	if keep != nil {
		s.Inputs, s.WRT = append(s.Inputs, keep), append(s.WRT, false)
	}
	return t.Record(s)
}

// recordGrad records the backward op of such a layer, and returns its gradients.
func (t *Tape) recordGrad(s Spec, dy, x *gorgonia.Node, params []*Param, keep *gorgonia.Node) (gorgonia.Nodes, error) {
	s.Inputs, s.Shape = gorgonia.Nodes{dy, x}, x.Shape().Clone()
	if keep != nil {
		s.Inputs = append(s.Inputs, keep)
	}
	dx, err := t.Record(s)
	if err != nil {
		return nil, err
	}
	grads, err := t.Gradients(dx, params...)
	if keep != nil {
		grads = append(grads, nil)
	}
	return grads, err
}
