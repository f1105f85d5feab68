package ops

import "fasternet/kernels"

// pconvGrad adds the gradient of the weights of a block's partial convolution [C, C, 3, 3]. Each
// task has some output channels and all images, so no partial sums are left.
type pconvGrad struct {
	*block
	image   kernels.PConv // a whole image
	padded  *Buffer       // copies of the convolved channels of all images, with a border; or
	mixed   *placedRows   // the taps of all rows, if they are gathered, else nil
	outputs [][2]int      // of each task
}

func (t *Tape) newPConvGrad(f *block) *pconvGrad {
	// A task has at most four tiles of outputs, so that its part of the weights stays in the
	// second-level cache.
	const most = 4 * tile
	g := &pconvGrad{block: f, image: kernels.PConv{Height: f.shape.height, Width: f.shape.width, Channels: f.partial}}
	if f.taps != nil {
		g.mixed = t.newPlacedRows(f.shape.rows(), g.image.Inner())
		g.padded = g.mixed.buf
	} else {
		g.padded = t.NewBuffer(f.shape.batch * g.image.PaddedLen())
	}
	g.outputs = tileRanges(f.partial, t.kernels.TileRows(), (f.partial+most-1)/most)
	t.NeedScratch(scratchSize([]int{longest(g.outputs) * g.image.Inner()}, 0))
	if g.mixed != nil {
		t.NeedScratch(scratchSize(nil, f.maxRows, f.shape.channels, f.shape.channels, f.hidden, g.image.Inner()))
	}
	return g
}

func (g *pconvGrad) bind() {
	if g.mixed != nil {
		g.mixed.bind()
	}
}

func (g *pconvGrad) paddedImage(i int) []float32 {
	n := g.image.PaddedLen()
	return g.padded.data[i*n : (i+1)*n]
}

// put copies the part of the input that the gradient needs. The span with the first line of an
// image copies the whole image.
func (g *pconvGrad) put(b span, s scratch) {
	if g.mixed != nil {
		from, to := g.shape.from(b), g.shape.to(b)
		taps := s.matrix(to-from, g.image.Inner())
		taps = g.mixed.place(taps, from)
		g.Units.gather(g.tape.kernels, taps, g.x, g.shape, g.taps, b)
		g.mixed.put(taps, from)
		return
	}
	if b.line > 0 {
		return
	}
	b.eachImage(func(b span) {
		b.lines = g.shape.height
		g.pad(g.paddedImage(b.image), g.image, g.x, b)
	})
}

// task adds the gradients of a part of the output channels.
func (g *pconvGrad) task(worker, part int) {
	from, to := g.outputs[part][0], g.outputs[part][1]
	s := scratch{g.tape.Scratch(worker)}
	// the gradient has replaced the convolved channels
	k, inner, dy := g.tape.kernels, g.image.Inner(), g.convolved.Columns(from, to)
	dw := kernels.NewMatrix(s.vector((to-from)*inner), to-from, inner)
	k.Clear(dw.Data)
	if g.mixed != nil {
		const most = 1024 // rows at a time, a multiple of every RowStep
		for row := 0; row < g.shape.rows(); row += most {
			g.mixed.addGrad(dw, dy.Slice(row, min(row+most, g.shape.rows())), row, 0)
		}
	} else {
		n := g.shape.height * g.shape.width
		for i := range g.shape.batch {
			g.image.WeightGrad(k, dw, g.paddedImage(i), dy.Slice(i*n, (i+1)*n), g.tape.Precision)
		}
	}
	addWeights(k, g.PConv, from, dw)
}
