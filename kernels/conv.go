package kernels

import "fmt"

// PatchShape is a convolution without padding that cuts an NHWC map into
// patches: a patch embedding or a patch merging.
type PatchShape struct {
	Height, Width, Channels int // of the input map
	Size, Step              int // side of the patch and stride, in pixels
}

// OutHeight is the height of the output: a remainder of the input is dropped.
func (s PatchShape) OutHeight() int { return (s.Height-s.Size)/s.Step + 1 }

// OutWidth is the width of the output.
func (s PatchShape) OutWidth() int { return (s.Width-s.Size)/s.Step + 1 }

// Inner is the number of values of a patch, ordered row, column, channel.
func (s PatchShape) Inner() int { return s.Size * s.Size * s.Channels }

// Gather copies the patches of the output positions from, from+1, … of a batch
// of maps (raster order, image after image) into the rows of dst [n, Inner].
func (s PatchShape) Gather(dst Matrix, src []float32, from int) {
	s.each(dst, from, func(row []float32, at int) { copy(row, src[at:at+len(row)]) })
}

// Scatter adds the rows of src, the gradients of patches, to the maps dst.
func (s PatchShape) Scatter(dst []float32, src Matrix, from int) {
	s.each(src, from, func(row []float32, at int) {
		for i, v := range row {
			dst[at+i] += v
		}
	})
}

// each calls f with every row of every patch and its place in the maps.
func (s PatchShape) each(m Matrix, from int, f func(row []float32, at int)) {
	oh, ow, run := s.OutHeight(), s.OutWidth(), s.Size*s.Channels
	for r := 0; r < m.Rows; r++ {
		p := from + r
		image, y, x := p/(oh*ow), p/ow%oh, p%ow
		at := ((image*s.Height+y*s.Step)*s.Width + x*s.Step) * s.Channels
		row := m.Row(r)
		for i := 0; i < s.Size; i++ {
			f(row[i*run:(i+1)*run], at+i*s.Width*s.Channels)
		}
	}
}

// ToChannelsLast reorders convolution weights from the checkpoint's
// [out, in, taps] to [out, taps, in], the order of the values of a patch.
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
