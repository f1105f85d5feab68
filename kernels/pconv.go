package kernels

// PConv is the convolution inside a partial convolution (Chen et al., 2023,
// §3.3): 3×3, stride 1, zero padding 1, no bias, on the first Channels
// channels of a map. The others are not touched by it.
//
// It works on one image at a time, on a compact copy of these channels with a
// border of zeros: there the three pixels of a row of the kernel lie side by
// side, and the convolution is a product with three segments, without im2col.
type PConv struct {
	Height, Width, Channels int
}

const side = 3 // of the kernel

// PaddedLen is the length of the padded copy of an image.
func (p PConv) PaddedLen() int { return (p.Height + 2) * (p.Width + 2) * p.Channels }

// Inner is the length of the inner index: the taps times the channels.
func (p PConv) Inner() int { return side * side * p.Channels }

// Pad copies the first Channels columns of an image [H·W, ≥Channels] to the
// inside of dst. The border of dst is set to zero.
func (p PConv) Pad(dst []float32, image Matrix) {
	line := (p.Width + 2) * p.Channels
	clear(dst[:line])
	for y := 0; y < p.Height; y++ {
		out := dst[(y+1)*line:][:line]
		clear(out[:p.Channels])
		for x := 0; x < p.Width; x++ {
			copy(out[(x+1)*p.Channels:][:p.Channels], image.Data[(y*p.Width+x)*image.Stride:][:p.Channels])
		}
		clear(out[line-p.Channels:])
	}
	clear(dst[(p.Height+1)*line:][:line])
}

// Convolve computes dst = conv(padded) + d for one image. The weights are
// packed as [taps·Channels, Channels]; dst is [H·W, Channels], and so is d,
// which may be empty or dst itself.
func (p PConv) Convolve(dst Matrix, padded []float32, weights *Packed, d Matrix) {
	line := (p.Width + 2) * p.Channels
	src := Matrix{Data: padded, Rows: p.Height + 2, Cols: line, Stride: line}
	src.ptr()
	for y := 0; y < p.Height; y++ {
		var dy Matrix
		if d.Data != nil {
			dy = d.Slice(y*p.Width, (y+1)*p.Width)
		}
		gemm(dst.Slice(y*p.Width, (y+1)*p.Width), 1, &padded[y*line], p.Channels, side, side*p.Channels, line, weights, dy)
	}
}

// WeightGrad adds to dw [Channels out, taps·Channels in] the gradient of the
// weights from one image: padded is the input's padded copy, dy [H·W,
// Channels] the gradient of the output.
func (p PConv) WeightGrad(dw Matrix, padded []float32, dy Matrix) {
	line := (p.Width + 2) * p.Channels
	Matrix{Data: padded, Rows: p.Height + 2, Cols: line, Stride: line}.ptr()
	for tap := 0; tap < side; tap++ {
		cols := dw.Columns(tap*side*p.Channels, (tap+1)*side*p.Channels)
		gemmTN(cols, dy.ptr(), dy.Stride, p.Width*dy.Stride, &padded[tap*line], p.Channels, line, p.Height, p.Width)
	}
}

// Weights orders the checkpoint's weights [out, in, 3, 3] for Convolve: dst is
// [out, taps·in], to be packed transposed.
func (p PConv) Weights(dst, src []float32) {
	ToChannelsLast(dst, src, p.Channels, p.Channels, side*side)
}

// Adjoint orders them for the gradient of the input, which is the convolution
// of the output's gradient with the kernel turned by 180° and with input and
// output channels exchanged: dst is [in, taps·out], to be packed transposed.
func (p PConv) Adjoint(dst, src []float32) {
	c, taps := p.Channels, side*side
	for o := 0; o < c; o++ {
		for i := 0; i < c; i++ {
			for t := 0; t < taps; t++ {
				dst[(i*taps+taps-1-t)*c+o] = src[(o*c+i)*taps+t]
			}
		}
	}
}
