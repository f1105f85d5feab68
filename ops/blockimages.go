package ops

import "fasternet/kernels"

// imagesInRun says where the backward pass of a block can go back through the convolution at once: at
// the end of an image, if one run has all spans of it. The data that the convolution reads and adds
// to is then still in the cache. The other spans wait until all runs are done, because the lines next
// to them come from another worker.
type imagesInRun struct {
	first []int   // for a span that completes one or more images: the first span of them; else -1
	late  [][]int // of each run: the spans that wait
	any   bool    // whether any span waits
}

func newImagesInRun(s mapShape, spans []span, runs [][2]int, units bool) imagesInRun {
	m := imagesInRun{first: make([]int, len(spans)), late: make([][]int, len(runs))}
	for r, run := range runs {
		begin := -1 // first span of the current image; -1 if it began in the run before
		var open []int
		for i := run[0]; i < run[1]; i++ {
			b := spans[i]
			m.first[i] = -1
			if b.line == 0 {
				begin = i
			}
			open = append(open, i)
			if b.line+b.lines < s.height {
				continue
			}
			if begin >= 0 && !units { // units have neighbours in other images of the batch
				m.first[i] = begin
			} else {
				m.late[r] = append(m.late[r], open...)
			}
			begin, open = -1, open[:0]
		}
		m.late[r] = append(m.late[r], open...)
		m.any = m.any || len(m.late[r]) > 0
	}
	return m
}

// convolutionGrad goes back through the partial convolution of a span. It adds the gradient of its
// weights to dw, unless that has its own tasks, and writes the gradient of the first channels of
// the input.
func (g *blockGrad) convolutionGrad(worker int, b span, dw kernels.Matrix) {
	s := scratch{g.tape.Scratch(worker)}
	strip, gradStrip := s.vector(g.strip), s.vector(g.strip)
	if g.taps != nil {
		g.sweepSideBySide(b, dw, strip)
		return
	}
	p := g.pconv(b)
	b.eachImage(func(b span) {
		from, to := g.shape.from(b), g.shape.to(b)
		if g.outputs == nil {
			g.pad(strip, p, g.x, b)
			p.WeightGrad(g.tape.kernels, dw, strip, g.convolved.Slice(from, to), g.tape.Precision)
		}
		g.pad(gradStrip, p, g.convolved, b)
		dx, dy := g.dx.Slice(from, to), g.dy.Slice(from, to)
		p.Convolve(g.tape.kernels, dx.Columns(0, g.partial), gradStrip, g.vp.Packed, dy.Columns(0, g.partial))
	})
}
