package ops

import "fasternet/kernels"

// A transposed convolution of 2×2 with stride 2 is a product: each token gives
// the four pixels of its square, one after the other. The weight of the
// checkpoint, [in, out, 2, 2], needs its last two axes swapped for that: the
// outputs of a pixel lie side by side then.

const upTaps = 4 // pixels of a square

// upWeight is a weight in the order of the product, [in, 4·out].
type upWeight struct {
	param   *Param
	in, out int
	buf     *Buffer
}

func (t *Tape) newUpWeight(p *Param) *upWeight {
	s := p.Shape()
	return &upWeight{param: p, in: s[0], out: s[1], buf: t.NewBuffer(p.Size())}
}

func (w *upWeight) reorder() {
	kernels.ToChannelsLast(w.buf.data, w.param.Data(), w.in, w.out, upTaps)
}

func (w *upWeight) matrix() kernels.Matrix {
	return kernels.NewMatrix(w.buf.data, w.in, upTaps*w.out)
}

// newUpLayerWeight is the packed weight of a transposed convolution. The
// reordered copy lives in planned memory in evaluation too: it is small.
func (t *Tape) newUpLayerWeight(p *Param, use PackUse) *layerWeight {
	w := &layerWeight{param: p, use: use, up: t.newUpWeight(p), Packed: &kernels.Packed{Kernels: t.kernels, Precision: t.Precision}}
	rows, cols := w.size()
	w.buf = t.NewBuffer(t.kernels.PackedLen(rows, cols, t.Precision))
	w.panel = w.packPanel
	return w
}

// upGrad takes the gradients of a transposed convolution in the order of the
// product, and adds them to the parameters' in theirs.
type upGrad struct {
	weight, bias *Param
	in, out      int
	buf          *Buffer // [4·out, in], and [4·out] for the bias
}

func (t *Tape) newUpGrad(weight, bias *Param) *upGrad {
	s := weight.Shape()
	return &upGrad{weight: weight, bias: bias, in: s[0], out: s[1], buf: t.NewBuffer(upTaps * s[1] * (s[0] + 1))}
}

func (g *upGrad) start() { clear(g.buf.data) }

func (g *upGrad) sums() (weights, bias []float32) {
	n := upTaps * g.out * g.in
	return g.buf.data[:n], g.buf.data[n:]
}

func (g *upGrad) finish() {
	weights, bias := g.sums()
	dw, db := g.weight.GradData(), g.bias.GradData()
	for tap := range upTaps {
		for o := range g.out {
			row := weights[(tap*g.out+o)*g.in:][:g.in]
			for i, v := range row {
				dw[(i*g.out+o)*upTaps+tap] += v
			}
			db[o] += bias[tap*g.out+o]
		}
	}
}
