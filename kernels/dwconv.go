package kernels

import "fmt"

// DWConv is a depthwise 3×3 convolution of an NHWC map, with stride 1, zero padding 1, no bias,
// and one kernel for every channel. It reads the map in place.
type DWConv struct {
	Height, Width, Channels int // of the map
}

// WeightsLen returns the length of the weights in the order of Convolve.
func (c DWConv) WeightsLen() int { return (side*side + 1) * c.Channels }

// Weights orders the checkpoint's weights [channels, 1, 3, 3] for Convolve: dst is [taps,
// channels], and then a row of zeros that stands for the lines outside of the map.
func (c DWConv) Weights(dst, src []float32) {
	taps := side * side
	clear(dst[taps*c.Channels : c.WeightsLen()])
	for i := range c.Channels {
		for t := range taps {
			dst[t*c.Channels+i] = src[i*taps+t]
		}
	}
}

// Convolve computes lines, from line y on, of one image [Height·Width, Channels]. dst is
// [lines·Width, Channels], and must not overlap the image.
func (c DWConv) Convolve(k *Set, dst, image Matrix, y int, weights []float32) {
	if c.Width < 1 || image.Rows != c.Height*c.Width || image.Cols != c.Channels || dst.Cols != c.Channels ||
		y < 0 || dst.Rows%c.Width != 0 || y*c.Width+dst.Rows > image.Rows || len(weights) < c.WeightsLen() {
		panic(fmt.Sprintf("kernels: DWConv %+v: line %d of a map of %d×%d to %d×%d with %d weights",
			c, y, image.Rows, image.Cols, dst.Rows, dst.Cols, len(weights)))
	}
	if dst.empty() {
		return
	}
	image.ptr()
	w, zeros := &weights[0], &weights[side*side*c.Channels]
	srcLine, dstLine := c.Width*image.Stride, c.Width*dst.Stride
	for end, out := y+dst.Rows/c.Width, dst; y < end; {
		n := 1
		if y > 0 { // all lines at once that have a line above and below
			n = max(min(end, c.Height-1)-y, 1)
		}
		at := func(line int) (*float32, int) {
			if line < 0 || line >= c.Height {
				return zeros, 0
			}
			return &image.Data[line*srcLine], image.Stride
		}
		above, ldAbove := at(y - 1)
		below, ldBelow := at(y + 1)
		here := &image.Data[y*srcLine]
		k.dwConv(
			n, c.Width, c.Channels, out.ptr(), out.Stride, dstLine,
			above, ldAbove, here, image.Stride, below, ldBelow, srcLine, w, c.Channels,
		)
		y += n
		out = out.Slice(n*c.Width, max(out.Rows, n*c.Width))
	}
}
