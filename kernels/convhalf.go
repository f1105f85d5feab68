package kernels

// convolveHalf is Convolve in bf16. It rounds the patches of as many lines as fit into a part of
// the second-level cache, and multiplies them at once. Otherwise a small map would read the
// weights of a large layer again for every line.
func (p PatchConv) convolveHalf(k *Set, dst Matrix, src []float32, weights *Packed, bias []float32) {
	const most = 256 << 10 // bytes: a quarter of a second-level cache of 1 MiB
	h, inner, ow := k.half, p.Inner(), p.OutWidth()
	filled := roundUp(inner, h.step)
	stride := halfStride(filled)
	lines := dst.Rows / ow
	each := max(1, min(lines, most/(2*stride*ow)))
	s := halfScratches.Get().(*halfScratch)
	defer halfScratches.Put(s)
	rounded := asHalves(grow(&s.a, roundUp(each*ow, tileRows)*stride/2))
	for from := 0; from < lines; from += each {
		n := min(each, lines-from)
		for i := range n {
			for row := range p.Size {
				fill := p.run()
				if row == p.Size-1 {
					fill += filled - inner
				}
				h.toHalf(
					ow, p.run(), fill, &rounded[i*ow*stride+row*p.run()], stride,
					&src[((from+i)*p.Step+row)*p.line()], p.Step*p.Channels,
				)
			}
		}
		rows := dst.Slice(from*ow, (from+n)*ow)
		var d Matrix
		if bias != nil {
			d = Broadcast(bias, rows.Rows)
		}
		l := k.Begin()
		weights.multiplyConverted(weights.panels, rows, 1, &rounded[0], stride, 1, filled, 0, 0, 0, d)
		l.End(Work{Kind: Convolution, Inner: inner, Columns: dst.Cols, Precision: BF16}, 2*rows.Rows*inner*dst.Cols)
	}
}
