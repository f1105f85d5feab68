package ops

import (
	"fmt"
	"math"

	"fasternet/kernels"

	"gorgonia.org/tensor"
)

// GRN is global response normalisation (Woo et al., "ConvNeXt V2", 2023) of the hidden map of a block,
// after the activation. For every image, G is the norm of a channel over all pixels of the image, and
// M the mean of these norms over the channels:
//
//	y = x·(1 + weight·G/(M + eps)) + bias
//
// With visible units, the pixels of an image are the visible ones.
type GRN struct{ Weight, Bias *Param } // [hidden]

// GRNEps is the eps of a [GRN], as in the code of ConvNeXt V2.
const GRNEps = 1e-6

func (g *GRN) params() []*Param {
	if g == nil {
		return nil
	}
	return []*Param{g.Weight, g.Bias}
}

// imagePart is the part of an image in a span.
type imagePart struct {
	image, from, to int // rows of the map
	sum, dot        []float64
}

// blockGRN is the GRN of a block in a graph. The pixels of an image may be in several spans, and a span
// may have several images.
type blockGRN struct {
	*GRN
	block *block
	parts [][]imagePart // of each span

	norms, mean [][]float64 // of each image: G of the channels; M
	factor      [][]float32 // of each image and channel: multiplies the values of the channel
	slope       [][]float32 // of the backward pass: what the norm of a channel adds to its gradient
	zeros       []float32
	images      int

	measureTask, finishTask, finishGradTask func(worker, i int)
}

func newBlockGRN(f *block) (*blockGRN, error) {
	g := &blockGRN{GRN: f.GRN, block: f, images: f.shape.batch}
	for _, p := range g.params() {
		if !p.Shape().Eq(tensor.Shape{f.hidden}) {
			return nil, fmt.Errorf("%s has shape %v, want [%d]", p.Name, p.Shape(), f.hidden)
		}
	}
	if f.Units != nil {
		if f.Units.PerImage < 1 || f.shape.batch%f.Units.PerImage != 0 {
			return nil, fmt.Errorf("want a multiple of %d units, the units of an image, got %d",
				f.Units.PerImage, f.shape.batch)
		}
		g.images = f.shape.batch / f.Units.PerImage
	}
	rows := f.shape.rows() / g.images
	for _, b := range f.spans {
		var parts []imagePart
		for from, to := f.shape.from(b), f.shape.to(b); from < to; {
			end := min(to, (from/rows+1)*rows)
			parts = append(
				parts, imagePart{from / rows, from, end, make([]float64, f.hidden), make([]float64, f.hidden)},
			)
			from = end
		}
		g.parts = append(g.parts, parts)
	}
	for range g.images {
		g.norms, g.mean = append(g.norms, make([]float64, f.hidden)), append(g.mean, make([]float64, 1))
		g.factor, g.slope = append(g.factor, make([]float32, f.hidden)), append(g.slope, make([]float32, f.hidden))
	}
	g.zeros = make([]float32, f.hidden)
	g.measureTask, g.finishTask, g.finishGradTask = g.measure, g.finish, g.finishGrad
	f.tape.NeedScratch(scratchSize([]int{f.hidden, f.hidden}, f.maxRows, f.hidden))
	return g, nil
}

// eachPart calls f for the parts of an image, in the order of their rows.
func (g *blockGRN) eachPart(image int, f func(p imagePart)) {
	for _, parts := range g.parts {
		for _, p := range parts {
			if p.image == image {
				f(p)
			}
		}
	}
}

// activated returns rows from, from+1, … of the map after the activation, in a.
func (g *blockGRN) activated(a kernels.Matrix, from int) kernels.Matrix {
	f := g.block
	f.tape.kernels.Affine(a, f.hiddenMap.get(a, from, 0), f.norm.scale, f.shift(), f.Act)
	return a
}

// columns adds up the gradient and its product with the values, for a part of an image.
func (g *blockGRN) columns(s *scratch, p imagePart, grad, x kernels.Matrix) {
	sum, dot := s.vector(g.block.hidden), s.vector(g.block.hidden)
	clear(sum)
	clear(dot)
	g.block.tape.kernels.ColumnDots(grad, x, g.zeros, sum, dot)
	for c := range sum {
		p.sum[c], p.dot[c] = float64(sum[c]), float64(dot[c])
	}
}

// run measures the filled hidden map, and computes the factors of all images.
func (g *blockGRN) run() {
	pool := g.block.tape.Pool()
	pool.Run(len(g.parts), g.measureTask)
	pool.Run(g.images, g.finishTask)
}

func (g *blockGRN) measure(worker, span int) {
	for _, p := range g.parts[span] {
		s := scratch{g.block.tape.Scratch(worker)}
		a := g.activated(s.matrix(p.to-p.from, g.block.hidden), p.from)
		g.columns(&s, p, a, a)
	}
}

func (g *blockGRN) finish(_, image int) {
	norms, weight := g.norms[image], g.Weight.Data()
	clear(norms)
	g.eachPart(image, func(p imagePart) {
		for c, v := range p.dot {
			norms[c] += v
		}
	})
	mean := 0.0
	for c, v := range norms {
		norms[c] = math.Sqrt(v)
		mean += norms[c] / float64(len(norms))
	}
	g.mean[image][0] = mean
	for c, v := range norms {
		g.factor[image][c] = float32(1 + float64(weight[c])*v/(mean+GRNEps))
	}
}

// normalised returns the rows of a span after the GRN, in a.
func (g *blockGRN) normalised(a kernels.Matrix, span int) kernels.Matrix {
	first := g.parts[span][0].from
	g.activated(a, first)
	for _, p := range g.parts[span] {
		rows := a.Slice(p.from-first, p.to-first)
		g.block.tape.kernels.Affine(rows, rows, g.factor[p.image], g.Bias.Data(), kernels.Identity)
	}
	return a
}

// finishGrad computes what the gradients of the norms add to the gradients of the values, from the sums
// over the parts of an image.
func (g *blockGRN) finishGrad(_, image int) {
	norms, weight := g.norms[image], g.Weight.Data()
	m := g.mean[image][0] + GRNEps
	dots := make([]float64, len(norms))
	g.eachPart(image, func(p imagePart) {
		for c, v := range p.dot {
			dots[c] += v
		}
	})
	all := 0.0
	for c, v := range dots {
		all += float64(weight[c]) * v * norms[c]
	}
	for c, v := range dots {
		g.slope[image][c] = 0
		if norms[c] > 0 {
			d := float64(weight[c])*v/m - all/(float64(len(norms))*m*m)
			g.slope[image][c] = float32(d / norms[c])
		}
	}
}

// gradients adds the gradients of weight and bias.
func (g *blockGRN) gradients() {
	g.block.tape.Pool().Run(g.images, g.finishGradTask)
	dw, db := g.Weight.GradData(), g.Bias.GradData()
	for c := range dw {
		var weight, bias float64
		for _, parts := range g.parts {
			for _, p := range parts {
				weight += p.dot[c] * g.norms[p.image][c] / (g.mean[p.image][0] + GRNEps)
				bias += p.sum[c]
			}
		}
		dw[c] += float32(weight)
		db[c] += float32(bias)
	}
}
