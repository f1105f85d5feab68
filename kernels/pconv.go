package kernels

// PConv is the convolution inside a partial convolution (Chen et al., 2023, §3.3): 3×3, stride 1,
// zero padding 1, no bias, on the first Channels channels of a map. It leaves the other channels
// alone.
//
// It works on a strip of Height lines of one image at a time, on a compact copy of these channels
// with a border. There the three pixels of a row of the kernel lie next to each other, and the
// convolution is a product with three segments, without im2col.
type PConv struct {
	Height, Width, Channels int
}

const side = 3 // of the kernel

// PaddedLen returns the length of the padded copy of a strip.
func (p PConv) PaddedLen() int { return (p.Height + 2) * (p.Width + 2) * p.Channels }

// Inner returns the length of the inner index: the taps times the channels.
func (p PConv) Inner() int { return side * side * p.Channels }

// Pad copies the strip that begins at line y of an image [lines·Width, ≥Channels], and one line on
// either side of it, to dst. Pixels outside of the image become zero.
func (p PConv) Pad(k *Set, dst []float32, image Matrix, y int) {
	c, line := p.Channels, (p.Width+2)*p.Channels
	l := k.Begin()
	defer l.End(Work{Kind: Copying}, 8*p.PaddedLen())
	k = k.Unmetered()
	for i := range p.Height + 2 {
		out := dst[i*line:][:line]
		from := (y + i - 1) * p.Width
		if from < 0 || from >= image.Rows {
			clear(out)
			continue
		}
		clear(out[:c])
		k.Copy(NewMatrix(out[c:], p.Width, c), image.Slice(from, from+p.Width).Columns(0, c))
		clear(out[line-c:])
	}
}

// Convolve computes dst = conv(padded) + d for one strip. The weights are packed as [taps·Channels,
// Channels]. dst and d are [Height·Width, Channels]; d may be empty, or dst itself.
func (p PConv) Convolve(k *Set, dst Matrix, padded []float32, weights *Packed, d Matrix) {
	line := (p.Width + 2) * p.Channels
	NewMatrix(padded, p.Height+2, line).ptr()
	weights.of("PConv", k)
	if weights.Precision == BF16 && p.Channels%k.half.group() == 0 && !k.half.tiles {
		p.convolveHalf(dst, padded, weights, d)
		return
	}
	l := weights.begin()
	defer l.End(productWork(Convolution, p.Inner(), dst.Cols), 2*dst.Rows*p.Inner()*dst.Cols)
	weights.multiplyLines(dst, lines{
		data:      padded[:p.PaddedLen()],
		count:     p.Height,
		step:      line,
		lda:       p.Channels,
		segs:      side,
		segLen:    side * p.Channels,
		segStride: line,
	}, d)
}

// WeightGrad adds to dw [Channels out, taps·Channels in] the gradient of the weights from one strip:
// padded is the padded copy of the input, and dy [Height·Width, Channels] the gradient of the
// output. For some of the output channels, pass these rows of dw and columns of dy.
func (p PConv) WeightGrad(k *Set, dw Matrix, padded []float32, dy Matrix, in Precision) {
	line := (p.Width + 2) * p.Channels
	NewMatrix(padded, p.Height+2, line).ptr()
	for tap := 0; tap < side; tap++ {
		cols := dw.Columns(tap*side*p.Channels, (tap+1)*side*p.Channels)
		k.addTN(
			cols, dy.ptr(), dy.Stride, p.Width*dy.Stride, &padded[tap*line], p.Channels, line,
			p.Height, p.Width, in,
		)
	}
}

// Weights orders the checkpoint's weights [out, in, 3, 3] for Convolve: dst is [out, taps·in], to
// be packed transposed.
func (p PConv) Weights(dst, src []float32) {
	ToChannelsLast(dst, src, p.Channels, p.Channels, side*side)
}

// Adjoint orders them for the gradient of the input. That is the convolution of the output's
// gradient with the kernel turned by 180° and with input and output channels exchanged. dst is
// [in, taps·out], to be packed transposed. Only output channels [from, to) are written.
func (p PConv) Adjoint(dst, src []float32, from, to int) {
	c, taps := p.Channels, side*side
	for o := from; o < to; o++ {
		for i := range c {
			for t := range taps {
				dst[(i*taps+taps-1-t)*c+o] = src[(o*c+i)*taps+t]
			}
		}
	}
}
