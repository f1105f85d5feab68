package ops

import "fasternet/kernels"

// weightSums adds up the gradient of a weight over the runs of spans: each run in its own memory,
// and then the runs in their order, whichever workers had them.
type weightSums struct {
	param   *Param
	kernels *kernels.Set
	runs    int
	buf     *Buffer
}

func (t *Tape) newWeightSums(p *Param, runs int) *weightSums {
	return &weightSums{param: p, kernels: t.kernels, runs: runs, buf: t.NewBuffer(runs * p.Size())}
}

// run returns the memory of run i as a matrix [out, kh·kw·in].
func (w *weightSums) run(i int) kernels.Matrix {
	out, in, kh, kw := w.param.dims()
	n := w.param.Size()
	return kernels.NewMatrix(w.buf.data[i*n:(i+1)*n], out, in*kh*kw)
}

// start clears run i and returns it.
func (w *weightSums) start(i int) kernels.Matrix {
	m := w.run(i)
	w.kernels.Clear(m.Data)
	return m
}

// sumParts is the number of tasks that sum over the runs, for up to as many workers. No bit depends
// on it.
const sumParts = 16

// finish adds a part of the outputs, summed over the runs, to the parameter's gradient.
func (w *weightSums) finish(part int) {
	out, in, kh, kw := w.param.dims()
	n := in * kh * kw
	from, to := part*out/sumParts*n, (part+1)*out/sumParts*n
	total := w.run(0).Data[from:to]
	for i := 1; i < w.runs; i++ {
		w.kernels.Add(total, w.run(i).Data[from:to])
	}
	addWeights(w.kernels, w.param, from/n, kernels.NewMatrix(total, (to-from)/n, n))
}

// finishTask returns the task that adds the sums of several weights. A pool runs it sumParts times
// for each.
func finishTask(ws ...*weightSums) func(worker, i int) {
	return func(_, i int) { ws[i/sumParts].finish(i % sumParts) }
}

// addWeights adds the rows dw [outputs, kh·kw·in] to the gradient of a weight, for outputs from,
// from+1, ….
func addWeights(k *kernels.Set, p *Param, from int, dw kernels.Matrix) {
	_, in, kh, kw := p.dims()
	grad := p.GradData()[from*dw.Cols:][:dw.Rows*dw.Cols]
	if kh*kw == 1 {
		k.Add(grad, dw.Data[:len(grad)])
		return
	}
	l := k.Begin()
	addChannelsFirst(grad, dw.Data, dw.Rows, in, kh*kw)
	l.End(kernels.Work{Kind: kernels.Addition}, 3*4*len(grad))
}

// addChannelsFirst adds weights [out, taps, in] to weights [out, in, taps].
func addChannelsFirst(dst, src []float32, out, in, taps int) {
	for o := range out {
		d, s := dst[o*in*taps:][:in*taps], src[o*in*taps:][:in*taps]
		for t := range taps {
			for i := range in {
				d[i*taps+t] += s[t*in+i]
			}
		}
	}
}
