package kernels

import "fmt"

// PatchConv is a convolution without padding on an NHWC map: a patch embedding or a patch
// merging. The pixels of a row of a patch lie next to each other, so a line of the output is a
// product whose inner index has a segment for each row, without im2col.
type PatchConv struct {
	Height, Width, Channels int // of the input map
	Size, Step              int // side of a patch and stride, in pixels
}

// OutHeight returns the height of the output; a remainder of the input is dropped.
func (p PatchConv) OutHeight() int { return (p.Height-p.Size)/p.Step + 1 }

// OutWidth returns the width of the output.
func (p PatchConv) OutWidth() int { return (p.Width-p.Size)/p.Step + 1 }

// Inner returns the number of values of a patch, ordered row, column, channel.
func (p PatchConv) Inner() int { return p.Size * p.Size * p.Channels }

// line returns the length of a line of the input, and run of a row of a patch.
func (p PatchConv) line() int { return p.Width * p.Channels }
func (p PatchConv) run() int  { return p.Size * p.Channels }

// lines returns the part of an image that output lines from, from+1, … read, and panics if it
// is not all there.
func (p PatchConv) lines(image []float32, from, n int) []float32 {
	return image[from*p.Step*p.line():][:((n-1)*p.Step+p.Size)*p.line()]
}

// Convolve computes output lines, from line y on, of one image [Height, Width, Channels]. dst is
// [lines·OutWidth, out]; the weights are packed as [Inner, out]. bias has a value for each output
// channel, or is nil.
func (p PatchConv) Convolve(k *Set, dst Matrix, image []float32, y int, weights *Packed, bias []float32) {
	ow := p.OutWidth()
	n := dst.Rows / ow
	src := p.lines(image, y, n)
	if weights.Precision == BF16 {
		weights.of("PatchConv", k)
		p.convolveHalf(k, dst, src, weights, bias)
		return
	}
	var d Matrix
	if bias != nil {
		d = Broadcast(bias, dst.Rows)
	}
	weights.of("Convolve", k)
	l := weights.begin()
	defer l.End(productWork(Convolution, p.Inner(), dst.Cols), 2*dst.Rows*p.Inner()*dst.Cols)
	weights.multiplyLines(dst, lines{
		data:      src,
		count:     n,
		step:      p.Step * p.line(),
		lda:       p.Step * p.Channels,
		segs:      p.Size,
		segLen:    p.run(),
		segStride: p.line(),
	}, d)
}

// WeightGrad adds to dw [out, Inner] the gradient of the weights from output lines, from line y
// on; dy [lines·OutWidth, out] is their gradient.
func (p PatchConv) WeightGrad(k *Set, dw Matrix, image []float32, y int, dy Matrix, in Precision) {
	ow := p.OutWidth()
	n := dy.Rows / ow
	src := p.lines(image, y, n)
	for row := range p.Size {
		k.addTN(dw.Columns(row*p.run(), (row+1)*p.run()), dy.ptr(), dy.Stride, ow*dy.Stride,
			&src[row*p.line()], p.Step*p.Channels, p.Step*p.line(), n, ow, in)
	}
}

// Overlap says whether patches share pixels.
func (p PatchConv) Overlap() bool { return p.Step < p.Size }

// Covers says whether every pixel of the input is in a patch.
func (p PatchConv) Covers() bool {
	return p.Step <= p.Size && (p.OutHeight()-1)*p.Step+p.Size == p.Height && (p.OutWidth()-1)*p.Step+p.Size == p.Width
}

// InputGrad writes the gradient of the image from output lines, from line y on; dy is their
// gradient. If patches overlap it adds to the gradient. Pixels outside of all patches keep their
// values. rows holds the weights for every row of a patch, packed as [out, Size·Channels].
func (p PatchConv) InputGrad(k *Set, image []float32, y int, dy Matrix, rows []*Packed) {
	ow := p.OutWidth()
	n := dy.Rows / ow
	dst := p.lines(image, y, n)
	for i := range n {
		for row, w := range rows {
			// Overlapping patches share memory. The kernel finishes a row of the product before it
			// reads the next one.
			c := Matrix{Data: dst[(i*p.Step+row)*p.line():], Rows: ow, Cols: p.run(), Stride: p.Step * p.Channels}
			var d Matrix
			if p.Overlap() {
				d = c
			}
			k.Gemm(c, 1, dy.Slice(i*ow, (i+1)*ow), w, d)
		}
	}
}

// ToChannelsLast reorders convolution weights from the checkpoint's [out, in, taps] to
// [out, taps, in], the order of the values of a patch.
func ToChannelsLast(dst, src []float32, out, in, taps int) {
	reorder(dst, src, out, in, taps)
}

// ToChannelsFirst is the inverse of ToChannelsLast.
func ToChannelsFirst(dst, src []float32, out, in, taps int) {
	reorder(dst, src, out, taps, in)
}

func reorder(dst, src []float32, out, a, b int) {
	if len(dst) < out*a*b || len(src) < out*a*b {
		panic(fmt.Sprintf("kernels: weights of %d×%d×%d in slices of %d and %d", out, a, b, len(dst), len(src)))
	}
	for o := 0; o < out; o++ {
		d, s := dst[o*a*b:][:a*b], src[o*a*b:][:a*b]
		for i := 0; i < a; i++ {
			for j := 0; j < b; j++ {
				d[j*a+i] = s[i*b+j]
			}
		}
	}
}
