package ops

import (
	"slices"

	"fasternet/kernels"
)

// layerWeight is the packed weight of a layer on tokens. In evaluation it is the copy that all
// graphs share. In training the weights change every step, and copies of all would take as much
// memory as the model. So a weight is packed right before its use, into memory that the layers
// share.
type layerWeight struct {
	*kernels.Packed
	param  *Param
	use    PackUse   // PackForward or PackInput
	up     *upWeight // if the weight belongs to a transposed convolution
	shared *pack
	buf    *Buffer
	panel  func(worker, i int)
}

func (t *Tape) newLayerWeight(p *Param, use PackUse) *layerWeight {
	w := &layerWeight{param: p, use: use}
	if !t.Train {
		w.shared = t.pack(p, packing{use: use, in: t.Precision})
		w.Packed = w.shared.Packed
		return w
	}
	rows, cols := w.size()
	w.Packed = &kernels.Packed{Kernels: t.kernels, Precision: t.Precision}
	w.buf = t.NewBuffer(t.kernels.PackedLen(rows, cols, t.Precision))
	w.panel = w.packPanel
	return w
}

// size returns the size of the right-hand side of the product.
func (w *layerWeight) size() (rows, cols int) {
	out, in := w.param.Shape()[0], w.param.Size()/w.param.Shape()[0]
	if w.up != nil {
		out, in = in, out
	}
	if w.use == PackInput {
		return out, in
	}
	return in, out
}

func (w *layerWeight) packPanel(_, i int) {
	if w.up != nil { // its rows are the inputs already
		if m := w.up.matrix(); w.use == PackInput {
			w.PackPanelTransposed(i, m)
		} else {
			w.PackPanel(i, m)
		}
		return
	}
	out := w.param.Shape()[0]
	m := kernels.NewMatrix(w.param.Data(), out, w.param.Size()/out)
	if w.use == PackInput {
		w.PackPanel(i, m)
	} else {
		w.PackPanelTransposed(i, m)
	}
}

// bind is the part of ready that takes no time.
func (w *layerWeight) bind() {
	rows, cols := w.size()
	w.Resize(rows, cols, w.buf.data)
}

// ready must be called in a run before the weight is used.
func (w *layerWeight) ready(pool *kernels.Pool) { readyWeights(pool, w) }

// readyWeights is ready for several weights, in one parallel region.
func readyWeights(pool *kernels.Pool, ws ...*layerWeight) {
	panels := 0
	for _, w := range ws {
		if w == nil || w.shared != nil {
			continue
		}
		if w.up != nil {
			w.up.reorder(pool)
		}
		w.bind()
		panels += w.Panels()
	}
	if panels > 0 {
		// a copy, so that the list does not escape if nothing is packed
		packWeights(pool, panels, slices.Clone(ws))
	}
}

func packWeights(pool *kernels.Pool, panels int, ws []*layerWeight) {
	pool.Run(panels, func(worker, i int) {
		for _, w := range ws {
			if w == nil || w.shared != nil {
				continue
			}
			if i < w.Panels() {
				w.panel(worker, i)
				return
			}
			i -= w.Panels()
		}
	})
}

// used lists the planned memory of weights; nil stands for a layer of 8 bits.
func used(ws ...*layerWeight) []*Buffer {
	var out []*Buffer
	for _, w := range ws {
		if w == nil {
			continue
		}
		if w.buf != nil {
			out = append(out, w.buf)
		}
		if w.up != nil {
			out = append(out, w.up.buf)
		}
	}
	return out
}
