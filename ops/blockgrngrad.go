package ops

import "fasternet/kernels"

// hiddenWithGRN goes back through the second product, the GRN and the activation, in two sweeps: the
// norms of the channels couple the pixels of an image.
func (g *blockGrad) hiddenWithGRN() {
	pool := g.tape.Pool()
	pool.Run(len(g.runs), func(worker, run int) {
		dw := g.dw2.start(run)
		for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
			for _, p := range g.grn.parts[i] {
				g.grnPart(worker, p, dw)
			}
		}
	})
	g.grn.gradients()
	pool.Run(len(g.runs), func(worker, run int) {
		for i := g.runs[run][0]; i < g.runs[run][1]; i++ {
			sum, dot := g.norm.clearSums(i)
			for _, p := range g.grn.parts[i] {
				g.activationPart(worker, p, sum, dot)
			}
		}
	})
}

// grnPart goes back through the second product for a part of an image. The gradient of the GRN's result
// replaces the hidden map.
func (g *blockGrad) grnPart(worker int, p imagePart, dw kernels.Matrix) {
	s, rows, c := scratch{g.tape.Scratch(worker)}, p.to-p.from, g.shape.channels
	dy := g.keptGradient(&s, p)
	dv := dy
	if g.LayerScale != nil {
		dv = s.matrix(rows, c)
		kernels.ScaleColumns(dv, dy, g.LayerScale.Data())
	}
	db, k := g.dz.Slice(p.from, p.to), g.tape.kernels
	k.Gemm(db, 1, dv, g.v2.Packed, kernels.Matrix{})
	a := g.grn.activated(s.matrix(rows, g.hidden), p.from)
	g.grn.columns(&s, p, db, a)
	k.Affine(a, a, g.grn.factor[p.image], g.grn.Bias.Data(), kernels.Identity)
	k.GemmTN(dw, dy, a, g.tape.Precision)
}

// keptGradient returns the gradient of the result, times the factors of drop path.
func (g *blockGrad) keptGradient(s *scratch, p imagePart) kernels.Matrix {
	dy := g.dy.Slice(p.from, p.to)
	if g.keep == nil {
		return dy
	}
	scaled, n := s.matrix(p.to-p.from, g.shape.channels), g.shape.height*g.shape.width
	for from := p.from; from < p.to; {
		end := min(p.to, (from/n+1)*n)
		part := dy.Slice(from-p.from, end-p.from)
		g.tape.kernels.Combine(scaled.Slice(from-p.from, end-p.from), part, part, g.keep[from/n], 0)
		from = end
	}
	return scaled
}

// activationPart goes back through the GRN and the activation for a part of an image.
func (g *blockGrad) activationPart(worker int, p imagePart, sum, dot []float32) {
	s, rows, k := scratch{g.tape.Scratch(worker)}, p.to-p.from, g.tape.kernels
	a, da, h := s.matrix(rows, g.hidden), s.matrix(rows, g.hidden), s.matrix(rows, g.hidden)
	a = g.grn.activated(a, p.from)
	dz := g.dz.Slice(p.from, p.to)
	k.CombineColumns(da, dz, a, g.grn.factor[p.image], g.grn.slope[p.image], g.grn.zeros)
	k.AffineGrad(a, dz, g.hiddenMap.get(h, p.from, 0), da, g.norm.scale, g.norm.shift, g.norm.mean32, sum, dot, g.Act)
}
