package kernels

// measure wraps a measurement around every function of the table that is not part of a larger
// measurement. Products and transpositions are measured where they are composed: there the sizes
// are known, and one panel of a product says little.
func (m *Meter) measure(f *functions) {
	begin := func() Lap { return Lap{m, m.clock()} }
	const value = 4 // bytes
	of := func(k Kind) Work { return Work{Kind: k} }

	for act := range f.affine {
		work := of(ActivationKind)
		if Activation(act) == Identity {
			work = of(BatchNorm)
		}
		affine, grad := f.affine[act], f.affineGrad[act]
		f.affine[act] = func(rows, cols int, dst *float32, ldd int, src *float32, lds int, a, b *float32) {
			l := begin()
			affine(rows, cols, dst, ldd, src, lds, a, b)
			l.End(work, 2*value*rows*cols)
		}
		f.affineGrad[act] = func(
			rows, cols int, y *float32, ldy int, dz *float32, lddz int, x *float32, ldx int,
			dy *float32, lddy int, a, b, mean, sum, dot *float32,
		) {
			l := begin()
			grad(rows, cols, y, ldy, dz, lddz, x, ldx, dy, lddy, a, b, mean, sum, dot)
			l.End(work, 4*value*rows*cols)
		}
	}

	combineColumns := f.combineColumns
	f.combineColumns = func(
		rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int,
		a, p, q *float32,
	) {
		l := begin()
		combineColumns(rows, cols, dst, ldd, x, ldx, y, ldy, a, p, q)
		l.End(of(BatchNorm), 3*value*rows*cols)
	}
	combine := f.combine
	f.combine = func(
		rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int,
		alpha, beta float32,
	) {
		l := begin()
		combine(rows, cols, dst, ldd, x, ldx, y, ldy, alpha, beta)
		l.End(of(Addition), 3*value*rows*cols)
	}
	copyRows := f.copyRows
	f.copyRows = func(rows, cols int, dst *float32, ldd int, src *float32, lds int) {
		l := begin()
		copyRows(rows, cols, dst, ldd, src, lds)
		l.End(of(Copying), 2*value*rows*cols)
	}

	columnSums := f.columnSums
	f.columnSums = func(rows, cols int, x *float32, ldx int, sum *float32) {
		l := begin()
		columnSums(rows, cols, x, ldx, sum)
		l.End(of(Reduction), value*rows*cols)
	}
	columnDeviations := f.columnDeviations
	f.columnDeviations = func(rows, cols int, x *float32, ldx int, mean, sum *float32) {
		l := begin()
		columnDeviations(rows, cols, x, ldx, mean, sum)
		l.End(of(BatchNorm), value*rows*cols)
	}
	columnDots := f.columnDots
	f.columnDots = func(rows, cols int, g *float32, ldg int, x *float32, ldx int, mean, sum, dot *float32) {
		l := begin()
		columnDots(rows, cols, g, ldg, x, ldx, mean, sum, dot)
		l.End(of(BatchNorm), 2*value*rows*cols)
	}
	dot := f.dot
	f.dot = func(n int, x, y *float32) float32 {
		l := begin()
		v := dot(n, x, y)
		l.End(of(Reduction), 2*value*n)
		return v
	}
	sumSquares := f.sumSquares
	f.sumSquares = func(n int, x *float32) float64 {
		l := begin()
		v := sumSquares(n, x)
		l.End(of(Reduction), value*n)
		return v
	}
	adamW := f.adamW
	f.adamW = func(n int, w, g, mo, v *float32, scale, decay, beta1, beta2, step, correct2, eps float32) {
		l := begin()
		adamW(n, w, g, mo, v, scale, decay, beta1, beta2, step, correct2, eps)
		l.End(of(Updating), 7*value*n)
	}

	dwConv := f.dwConv
	f.dwConv = func(
		lines, width, cols int, dst *float32, ldd, dstLine int, above *float32, ldAbove int,
		here *float32, lds int, below *float32, ldBelow int, srcLine int, w *float32, ldw int,
	) {
		l := begin()
		dwConv(lines, width, cols, dst, ldd, dstLine, above, ldAbove, here, lds, below, ldBelow, srcLine, w, ldw)
		l.End(Work{Kind: Convolution, Inner: side * side, Columns: cols}, 2*side*side*lines*width*cols)
	}
	groupConv := f.groupConv
	f.groupConv = func(
		width, inner int, src *float32, lds, line int, index *int32, w *float32,
		dst *float32, ldd int, cols int,
	) {
		l := begin()
		groupConv(width, inner, src, lds, line, index, w, dst, ldd, cols)
		l.End(Work{Kind: Convolution, Inner: side * side * inner, Columns: cols}, 2*side*side*inner*width*cols)
	}

	layerNorm := f.layerNorm
	f.layerNorm = func(
		rows, cols int, y *float32, ldy int, x *float32, ldx int, w, b, stats *float32,
		eps, inv float32,
	) {
		l := begin()
		layerNorm(rows, cols, y, ldy, x, ldx, w, b, stats, eps, inv)
		l.End(of(LayerNormKind), 2*value*rows*cols)
	}
	layerNormGrad := f.layerNormGrad
	f.layerNormGrad = func(
		rows, cols int, dx *float32, lddx int, dy *float32, lddy int, x *float32, ldx int,
		add *float32, ldadd int, w, stats, dw, db *float32, inv float32,
	) {
		l := begin()
		layerNormGrad(rows, cols, dx, lddx, dy, lddy, x, ldx, add, ldadd, w, stats, dw, db, inv)
		l.End(of(LayerNormKind), 4*value*rows*cols)
	}
	softmaxRows := f.softmaxRows
	f.softmaxRows = func(rows, cols int, x *float32, ldx int) {
		l := begin()
		softmaxRows(rows, cols, x, ldx)
		l.End(of(Softmax), 2*value*rows*cols)
	}
	softmaxRowsGrad := f.softmaxRowsGrad
	f.softmaxRowsGrad = func(rows, cols int, p *float32, ldp int, d *float32, ldd int) {
		l := begin()
		softmaxRowsGrad(rows, cols, p, ldp, d, ldd)
		l.End(of(Softmax), 3*value*rows*cols)
	}
}

// measureHalves is measure for the functions of bfloat16.
func (m *Meter) measureHalves(f *halfFunctions) *halfFunctions {
	if f == nil {
		return nil
	}
	begin := func() Lap { return Lap{m, m.clock()} }
	const value, half = 4, 2 // bytes
	out := &halfFunctions{
		path: f.path, variant: f.variant, step: f.step, tiles: f.tiles, nn: f.nn, nnHalf: f.nnHalf, tn: f.tn,
		copyHalf: func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int) {
			l := begin()
			f.copyHalf(rows, cols, dst, ldd, src, lds)
			l.End(Work{Kind: Copying}, 2*half*rows*cols)
		},
		toHalf: func(rows, cols, fill int, dst *uint16, ldd int, src *float32, lds int) {
			l := begin()
			f.toHalf(rows, cols, fill, dst, ldd, src, lds)
			l.End(Work{Kind: Conversion}, (value+half)*rows*cols)
		},
		fromHalf: func(rows, cols int, dst *float32, ldd int, src *uint16, lds int) {
			l := begin()
			f.fromHalf(rows, cols, dst, ldd, src, lds)
			l.End(Work{Kind: Conversion}, (value+half)*rows*cols)
		},
		interleave: func(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int) {
			l := begin()
			f.interleave(pairs, rows, cols, dst, ldd, src, lds)
			l.End(Work{Kind: Conversion}, (value+half)*rows*cols)
		},
	}
	if f.quads != nil {
		out.quads = func(quads, rows, cols int, dst *float32, ldd int, src *float32, lds int) {
			l := begin()
			f.quads(quads, rows, cols, dst, ldd, src, lds)
			l.End(Work{Kind: Conversion}, (value+half)*rows*cols)
		}
	}
	for act := range f.affineHalf {
		work := Work{Kind: ActivationKind}
		if Activation(act) == Identity {
			work.Kind = BatchNorm
		}
		affine, again := f.affineHalf[act], f.affineHalves[act]
		out.affineHalf[act] = func(rows, cols int, dst *uint16, ldd int, src *float32, lds int, a, b *float32) {
			l := begin()
			affine(rows, cols, dst, ldd, src, lds, a, b)
			l.End(work, (value+half)*rows*cols)
		}
		out.affineHalves[act] = func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int, a, b *float32) {
			l := begin()
			again(rows, cols, dst, ldd, src, lds, a, b)
			l.End(work, 2*half*rows*cols)
		}
	}
	return out
}
