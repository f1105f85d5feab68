package ops

import "fasternet/kernels"

// weightSums adds up the gradient of a weight over the runs of spans: each run
// in memory of its own, then the runs in their order, whatever worker had them.
type weightSums struct {
	param *Param
	runs  int
	buf   *buffer
	pool  *kernels.Pool
	add   func(worker, part int)
}

func (t *Tape) newWeightSums(p *Param, runs int) *weightSums {
	w := &weightSums{param: p, runs: runs, buf: t.newBuffer(runs * p.Size()), pool: t.Pool()}
	w.add = w.addPart
	return w
}

// run is the memory of run i as a matrix [out, kh·kw·in].
func (w *weightSums) run(i int) kernels.Matrix {
	out, in, taps := w.param.dims()
	n := w.param.Size()
	return kernels.NewMatrix(w.buf.data[i*n:(i+1)*n], out, in*taps)
}

// start clears run i and returns it.
func (w *weightSums) start(i int) kernels.Matrix {
	m := w.run(i)
	clear(m.Data)
	return m
}

// finish adds the runs to the parameter's gradient.
func (w *weightSums) finish() {
	w.pool.Run(sumParts, w.add)
	out, in, taps := w.param.dims()
	if taps > 1 {
		addChannelsFirst(w.param.GradData(), w.run(0).Data, out, in, taps)
	}
}

const sumParts = 16

func (w *weightSums) addPart(_, part int) {
	n := w.param.Size()
	from, to := part*n/sumParts, (part+1)*n/sumParts
	total := w.run(0).Data[from:to]
	for i := 1; i < w.runs; i++ {
		kernels.Add(total, w.run(i).Data[from:to])
	}
	if _, _, taps := w.param.dims(); taps == 1 {
		kernels.Add(w.param.GradData()[from:to], total)
	}
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
