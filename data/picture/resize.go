package picture

import (
	"fmt"
	"math"

	"fasternet/kernels"
)

// Interpolation names a resampling filter.
type Interpolation string

// The resampling filters.
const (
	Bilinear Interpolation = "bilinear" // triangle, support 1
	Bicubic  Interpolation = "bicubic"  // Keys' cubic with a = −0.5, support 2
	Lanczos  Interpolation = "lanczos"  // windowed sinc, support 3
)

// Filter is a resampling kernel: zero outside [−support, support].
type Filter struct {
	support float64
	at      func(x float64) float64
}

// Filter returns the kernel of an interpolation. It is an error when the name is unknown.
func (i Interpolation) Filter() (Filter, error) {
	switch i {
	case Bilinear:
		return Filter{1, triangle}, nil
	case Bicubic:
		return Filter{2, keys}, nil
	case Lanczos:
		return Filter{3, lanczos3}, nil
	}
	return Filter{}, fmt.Errorf("data: unknown interpolation %q; use %s, %s or %s",
		string(i), Bilinear, Bicubic, Lanczos)
}

func triangle(x float64) float64 {
	return max(0, 1-math.Abs(x))
}

// keys is the cubic convolution kernel of Keys, "Cubic convolution interpolation for digital
// image processing" (1981).
func keys(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func lanczos3(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// Resize resamples an image to height×width. The result equals Pillow's Image.resize, bit for
// bit: the kernel widens when shrinking (antialiasing), the horizontal pass comes first, and
// each pass rounds to 8 bits.
func Resize(m *Image, height, width int, interpolation Interpolation) (*Image, error) {
	f, err := interpolation.Filter()
	if err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	if height < 1 || width < 1 {
		return nil, fmt.Errorf("data: cannot resize to %d×%d; both sides must be at least 1", height, width)
	}
	dst := NewImage(height, width, m.Channels)
	new(Resizer).Resize(dst, m, m.Bounds(), height, width, 0, 0, f)
	return dst, nil
}

// View is a part of an image in memory. If the image was made smaller, the sides of the part
// may be fractions of pixels.
type View struct {
	Image                    *Image
	box                      Box     // the pixels that the part touches
	top, left, height, width float64 // of the part, relative to the box
}

// Resizer resamples images. It reuses its tables and its intermediate image, so that a worker
// allocates nothing for a sample.
type Resizer struct {
	columns, rows taps
	narrow        Image // after the horizontal pass
}

// Resize is ResizeView for a box of whole pixels.
func (z *Resizer) Resize(dst, src *Image, box Box, height, width, top, left int, f Filter) {
	z.ResizeView(dst, View{src, box, 0, 0, float64(box.Height), float64(box.Width)}, height, width, top, left, f)
}

// ResizeView resamples a part of an image to height×width, and fills dst with the window of
// the result whose first pixel is (top, left). It reads nothing outside the box and computes
// nothing outside the window. So a crop before or after needs no copy. dst has the channels
// of src.
func (z *Resizer) ResizeView(dst *Image, part View, height, width, top, left int, f Filter) {
	src, box := part.Image, part.box
	z.columns.compute(box.Width, part.left, part.width, width, left, left+dst.Width, f)
	z.rows.compute(box.Height, part.top, part.height, height, top, top+dst.Height, f)

	// y0 to y1 are the rows that the vertical pass reads.
	last := dst.Height - 1
	y0, y1 := int(z.rows.first[0]), int(z.rows.first[last])+len(z.rows.of(last))
	z.narrow.Reshape(y1-y0, dst.Width, src.Channels)
	for y := range z.narrow.Height {
		at := (box.Top+y0+y)*src.Width + box.Left
		out := z.narrow.Row(y, 0, dst.Width)
		if src.Channels == 3 {
			// The kernel may read past the row, with weight 0.
			groups := z.columns.stride / kernels.ResampleGroup
			kernels.Default().ResampleRGB(out, src.Pix[3*at:], z.columns.first, z.columns.weights, groups)
		} else {
			resampleGrey(out, src.Pix[at:at+box.Width], &z.columns)
		}
	}
	stride := dst.Width * dst.Channels
	for y := range dst.Height {
		in := z.narrow.Pix[(int(z.rows.first[y])-y0)*stride:]
		kernels.Default().ResampleRows(dst.Row(y, 0, dst.Width), in, stride, z.rows.of(y))
	}
}

// fraction is the number of fraction bits of a weight, an int32. With 8 bits of the pixel and
// 2 bits for overshoot of the kernel it fills the 32 bits, as in Pillow.
const fraction = kernels.ResampleBits

// taps says, for a range of outputs of one axis, which inputs make an output, and with which
// weights.
type taps struct {
	first   []int32   // first input of output i
	count   []int     // number of inputs of output i
	weights []int32   // the weights of output i start at i·stride; after them come zeros
	stride  int       // a multiple of kernels.ResampleGroup
	kernel  []float64 // the weights of one output before rounding
}

func (t *taps) of(i int) []int32 {
	return t.weights[i*t.stride:][:t.count[i]]
}

// compute makes the taps of the outputs [from, to). Of n inputs, the part from offset on with
// the given length is resampled to size outputs.
func (t *taps) compute(n int, offset, length float64, size, from, to int, f Filter) {
	scale := length / float64(size)
	widen := max(scale, 1)
	support := f.support * widen
	centre := func(i int) float64 { return offset + (float64(i)+0.5)*scale }
	t.first, t.count = t.first[:0], t.count[:0]
	most := 0
	for i := from; i < to; i++ {
		lo := max(int(centre(i)-support+0.5), 0)
		hi := min(int(centre(i)+support+0.5), n)
		t.first = append(t.first, int32(lo))
		t.count = append(t.count, hi-lo)
		most = max(most, hi-lo)
	}
	const group = kernels.ResampleGroup
	t.stride = (most + group - 1) / group * group
	if need := (to - from) * t.stride; cap(t.weights) < need {
		t.weights = make([]int32, need)
	} else {
		t.weights = t.weights[:need]
	}
	for i := from; i < to; i++ {
		lo := int(t.first[i-from])
		hi := lo + t.count[i-from]
		t.kernel = t.kernel[:0]
		sum := 0.0
		for j := lo; j < hi; j++ {
			v := f.at((float64(j) - centre(i) + 0.5) / widen)
			t.kernel = append(t.kernel, v)
			sum += v
		}
		for j, v := range t.kernel {
			t.weights[(i-from)*t.stride+j] = int32(math.Round(v / sum * (1 << fraction)))
		}
		clear(t.weights[(i-from)*t.stride+hi-lo : (i-from+1)*t.stride])
	}
}

// clip turns a sum, which started at one half, into 8 bits.
func clip(v int32) uint8 {
	return uint8(min(max(v>>fraction, 0), 255))
}

const half = 1 << (fraction - 1)

func resampleGrey(out, in []uint8, t *taps) {
	for i, first := range t.first {
		weights := t.of(i)
		v := int32(half)
		for j, p := range in[first:][:len(weights)] {
			v += weights[j] * int32(p)
		}
		out[i] = clip(v)
	}
}
