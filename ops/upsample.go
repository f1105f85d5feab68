package ops

import "fasternet/kernels"

// A transposed convolution of 2×2 with stride 2 is a product: each token gives the four pixels of
// its square, one after the other. For that the last two axes of the checkpoint's weight, [in, out,
// 2, 2], are swapped: then the outputs of a pixel lie next to each other.

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

func (w *upWeight) reorder(pool *kernels.Pool) {
	size := upTaps * w.out
	pool.Run(sumParts, func(_, i int) {
		from, to := i*w.in/sumParts, (i+1)*w.in/sumParts
		kernels.ToChannelsLast(w.buf.data[from*size:to*size], w.param.Data()[from*size:to*size], to-from, w.out, upTaps)
	})
}

func (w *upWeight) matrix() kernels.Matrix {
	return kernels.NewMatrix(w.buf.data, w.in, upTaps*w.out)
}

// newUpLayerWeight returns the packed weight of a transposed convolution. The reordered copy is in
// planned memory in evaluation too, because it is small.
func (t *Tape) newUpLayerWeight(p *Param, use PackUse) *layerWeight {
	w := &layerWeight{
		param:  p,
		use:    use,
		up:     t.newUpWeight(p),
		Packed: &kernels.Packed{Kernels: t.kernels, Precision: t.Precision},
	}
	rows, cols := w.size()
	w.buf = t.NewBuffer(t.kernels.PackedLen(rows, cols, t.Precision))
	w.panel = w.packPanel
	return w
}

// upGrad takes the gradients of a transposed convolution in the order of the product, and adds them
// to the parameters' in their order.
type upGrad struct {
	weight, bias *Param
	in, out      int
	buf          *Buffer // [4·out, in], and [4·out] for the bias
}

func (t *Tape) newUpGrad(weight, bias *Param) *upGrad {
	s := weight.Shape()
	return &upGrad{weight: weight, bias: bias, in: s[0], out: s[1], buf: t.NewBuffer(upTaps * s[1] * (s[0] + 1))}
}

// clear is a task of sumParts before the gradients.
func (g *upGrad) clear(k *kernels.Set, part int) {
	n := len(g.buf.data)
	k.Clear(g.buf.data[part*n/sumParts : (part+1)*n/sumParts])
}

func (g *upGrad) sums() (weights, bias []float32) {
	n := upTaps * g.out * g.in
	return g.buf.data[:n], g.buf.data[n:]
}

// finish is a task of sumParts after the gradients: a part of the inputs. The first part also adds
// the bias.
func (g *upGrad) finish(part int) {
	weights, bias := g.sums()
	dw, db := g.weight.GradData(), g.bias.GradData()
	from, to := part*g.in/sumParts, (part+1)*g.in/sumParts
	for tap := range upTaps {
		for o := range g.out {
			row := weights[(tap*g.out+o)*g.in:][from:to]
			for i, v := range row {
				dw[((from+i)*g.out+o)*upTaps+tap] += v
			}
			if part == 0 {
				db[o] += bias[tap*g.out+o]
			}
		}
	}
}
