package ops

import "fasternet/kernels"

// mostSideBySide is the largest number of pixels of a unit for which the taps of the convolution are
// gathered for one product. The lines of larger units are long enough for products of their own; lines
// of smaller ones would read all weights again for one or two rows.
const mostSideBySide = 4

// sideBySide says whether the convolution is one product for all units of a span.
func (f *block) sideBySide() bool {
	return f.Units != nil && f.shape.height*f.shape.width <= mostSideBySide
}

// pad copies the lines of a part of one image to strip, with their surroundings: zeros, or the lines of
// the units next to it.
func (f *block) pad(strip []float32, p kernels.PConv, m kernels.Matrix, b span) {
	if f.Units != nil {
		f.Units.pad(f.tape.kernels, strip, p, m, f.shape, b.image, b.line)
		return
	}
	p.Pad(f.tape.kernels, strip, f.image(m, b.image), b.line)
}

// convolveSideBySide computes dst = conv(m) + d for the rows of a span, with the weights or their
// adjoint.
func (f *block) convolveSideBySide(dst, m kernels.Matrix, b span, memory []float32, weights *pack, d kernels.Matrix) {
	f.tape.kernels.Gemm(dst, 1, f.tapsOf(m, b, memory), weights.Packed, d)
}

// tapsOf gathers the taps of the rows of a span: [rows, 9·partial].
func (f *block) tapsOf(m kernels.Matrix, b span, memory []float32) kernels.Matrix {
	s := scratch{memory}
	taps := s.matrix(f.shape.to(b)-f.shape.from(b), 9*f.partial)
	f.Units.gather(f.tape.kernels, taps, m, f.shape, f.taps, b)
	return taps
}

// sweepSideBySide goes back through the convolution of a span. Neighbours are mutual, so the gradient of
// the input is the convolution of the output's gradient with the turned kernel over the same
// neighbours.
func (g *blockGrad) sweepSideBySide(b span, dw kernels.Matrix, memory []float32) {
	from, to := g.shape.from(b), g.shape.to(b)
	if g.outputs == nil {
		g.tape.kernels.GemmTN(dw, g.convolved.Slice(from, to), g.tapsOf(g.x, b, memory), g.tape.Precision)
	}
	dx, dy := g.dx.Slice(from, to), g.dy.Slice(from, to)
	g.convolveSideBySide(dx.Columns(0, g.partial), g.convolved, b, memory, g.vp, dy.Columns(0, g.partial))
}
