package kernels

// A strip in the format of products is a Factor [Height+2, (Width+2)·Channels]: the padded copy of
// Pad, one line in each row.

// StripLen returns the length of the memory for a strip.
func (p PConv) StripLen(in Precision) int {
	if in == FP32 {
		return p.PaddedLen()
	}
	return (p.PaddedLen() + 1) / 2
}

// Strip returns a strip in memory of at least StripLen values.
func (p PConv) Strip(memory []float32, in Precision) Factor {
	rows, line := p.Height+2, (p.Width+2)*p.Channels
	if in == FP32 {
		return NewMatrix(memory, rows, line).AsFactor()
	}
	return Factor{Precision: BF16, Half: Halves{Data: asHalves(memory), Rows: rows, Cols: line, Stride: line}}
}

// PadTo is Pad into a strip, from a map of the same format or of float32.
func (p PConv) PadTo(k *Set, dst, image Factor, y int) {
	if dst.Precision == FP32 {
		p.Pad(k, dst.Full.Data, image.Full, y)
		return
	}
	c, line, rows := p.Channels, (p.Width+2)*p.Channels, image.Rows()
	strip := dst.Half
	strip.ptr()
	work := Work{Kind: Copying}
	bytes := 4
	if image.Precision == FP32 {
		work.Kind, bytes = Conversion, 6
	}
	l := k.Begin()
	defer l.End(work, bytes*p.PaddedLen())
	k = k.Unmetered()
	for i := range p.Height + 2 {
		out := strip.Slice(i, i+1)
		from := (y + i - 1) * p.Width
		if from < 0 || from >= rows {
			clear(out.Data[:line])
			continue
		}
		clear(out.Data[:c])
		pixels := Halves{Data: out.Data[c:], Rows: p.Width, Cols: c, Stride: c}
		if in := image.Slice(from, from+p.Width).Columns(0, c); in.Precision == FP32 {
			k.Round(pixels, in.Full)
		} else {
			k.CopyHalves(pixels, in.Half)
		}
		clear(out.Data[line-c : line])
	}
}

// ConvolveTo is Convolve from a strip to a factor. d must be empty if the factor is rounded.
func (p PConv) ConvolveTo(k *Set, dst, strip Factor, weights *Packed, d Matrix) {
	if strip.Precision == FP32 {
		p.Convolve(k, dst.Full, strip.Full.Data, weights, d)
		return
	}
	h, line := k.half, (p.Width+2)*p.Channels
	weights.of("PConv", k)
	strip.Half.ptr()
	if rows, cols := dst.Rows(), dst.Cols(); rows != p.Height*p.Width || cols != weights.N || weights.K != p.Inner() {
		panic("kernels: PConv: a result of another size")
	}
	a, lda, segs, segLen := strip.Half.Data, p.Channels, side, side*p.Channels
	gathered := h.tiles || p.Channels%h.group() != 0
	var filled int
	if gathered { // the inner index has no segments then
		s := halfScratches.Get().(*halfScratch)
		defer halfScratches.Put(s)
		filled = roundUp(p.Inner(), h.step)
		lda = halfStride(filled)
		a = asHalves(grow(&s.a, roundUp(p.Height*p.Width, tileRows)*lda/2))
		c := k.Begin()
		p.gather(Halves{Data: a, Rows: p.Height * p.Width, Cols: filled, Stride: lda}, strip.Half)
		c.End(Work{Kind: Copying}, 4*p.Height*p.Width*p.Inner())
		segs, segLen = 1, filled
	}
	l := k.Begin()
	each := func(panels []panel, y, lines int) {
		from, to := y*p.Width, (y+lines)*p.Width
		at := y * line
		if gathered {
			at = from * lda
		}
		var dy Matrix
		if d.Data != nil {
			dy = d.Slice(from, to)
		}
		if dst.Precision == BF16 {
			weights.multiplyRounded(panels, dst.Half.Slice(from, to), &a[at], lda, segs, segLen, line, dy)
			return
		}
		weights.multiplyConverted(panels, dst.Full.Slice(from, to), 1, &a[at], lda, segs, segLen, line, 0, 0, dy)
	}
	switch step := len(weights.panels); {
	case gathered:
		each(weights.panels, 0, p.Height)
	default:
		if 4*len(weights.data) > 2*p.PaddedLen() { // walk the smaller of the two again and again
			step = 1
		}
		for i := 0; i < len(weights.panels); i += step {
			for y := range p.Height {
				each(weights.panels[i:i+step], y, 1)
			}
		}
	}
	l.End(Work{
		Kind:      Convolution,
		Inner:     p.Inner(),
		Columns:   dst.Cols(),
		Precision: BF16,
	}, 2*dst.Rows()*p.Inner()*dst.Cols())
}

// gather copies what each pixel of a strip sees into a row of its own.
func (p PConv) gather(dst, strip Halves) {
	n := side * p.Channels
	for y := range p.Height {
		for x := range p.Width {
			out := dst.Data[(y*p.Width+x)*dst.Stride:][:dst.Cols]
			for s := range side {
				copy(out[s*n:(s+1)*n], strip.Data[(y+s)*strip.Stride+x*p.Channels:])
			}
			clear(out[side*n:])
		}
	}
}

// multiplyRounded is multiplyConverted with a result in bfloat16.
func (p *Packed) multiplyRounded(panels []panel, c Halves, a *uint16, lda, segs, segLen, segStride int, d Matrix) {
	h, cp := p.Kernels.half, c.ptr()
	var dp *float32
	if d.Data != nil {
		c.sameSize("Gemm", d.Rows, d.Cols)
		dp = d.ptr()
	}
	for i, t := range panels {
		var dt *float32
		if dp != nil {
			dt = offset(dp, t.from)
		}
		next, step := p.following(panels[i:], c.Rows, 0)
		h.nnHalf[t.vectors](
			c.Rows, a, lda, segs, segLen/2, segStride, &p.data[t.offset], halfOffset(cp, t.from),
			c.Stride, dt, d.Stride, t.cols, next, step,
		)
	}
}
