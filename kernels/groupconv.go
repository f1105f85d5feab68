package kernels

import "fmt"

// GroupConv is a 3×3 convolution in groups of channels, with stride 1, zero padding 1 and no bias.
// Like [PConv] it works on a strip of Height lines of one image at a time, and on compact padded
// copies of channels. A copy holds one group, which is then convolved as in PConv, or as many tiny
// groups as fit into a vector.
type GroupConv struct {
	Height, Width, Channels, Groups int
}

// GroupWeights holds the weights of a GroupConv in the order of one set of kernels.
type GroupWeights struct {
	kernels *Set
	bundle  int       // channels of a padded copy
	groups  []*Packed // of each group, or, if they are tiny:
	data    []float32 // [bundle, line of the kernel, input, column of the kernel, lanes]
	index   []int32   // [input, lanes]: where a lane finds an input of its group
}

// tinyGroup is the largest group for which lanes are permuted. A product would use one vector of
// columns for the group, and so at most 8 of the 16 lanes of AVX-512.
const tinyGroup = 8

func (g GroupConv) size() int { return g.Channels / g.Groups }

// Pack orders the checkpoint's weights [channels, channels/groups, 3, 3].
func (g GroupConv) Pack(k *Set, src []float32) *GroupWeights {
	if g.Groups < 1 || g.Channels%g.Groups != 0 || len(src) < g.Channels*g.size()*side*side {
		panic(fmt.Sprintf("kernels: GroupConv %+v: %d weights", g, len(src)))
	}
	if g.size() <= min(tinyGroup, k.lanes) {
		return g.packTiny(k, src)
	}
	w := &GroupWeights{kernels: k, bundle: g.size()}
	p := PConv{Channels: g.size()}
	n := p.Channels * p.Inner()
	ordered := make([]float32, n)
	for i := range g.Groups {
		p.Weights(ordered, src[i*n:])
		w.groups = append(w.groups, k.NewPacked(p.Inner(), p.Channels, FP32))
		w.groups[i].PackTransposed(NewMatrix(ordered, p.Channels, p.Inner()))
	}
	return w
}

func (g GroupConv) packTiny(k *Set, src []float32) *GroupWeights {
	in, lanes := g.size(), k.lanes
	w := &GroupWeights{kernels: k, bundle: min(lanes/in*in, g.Channels)}
	bundles := (g.Channels + w.bundle - 1) / w.bundle
	w.data, w.index = Aligned(bundles*side*in*side*lanes), make([]int32, in*lanes)
	for j := range in {
		for o := range w.bundle {
			w.index[j*lanes+o] = int32(o/in*in + j)
		}
	}
	for c := range g.Channels {
		b, o := c/w.bundle, c%w.bundle
		for j := range in {
			for t := range side * side {
				w.data[(((b*side+t/side)*in+j)*side+t%side)*lanes+o] = src[(c*in+j)*side*side+t]
			}
		}
	}
	return w
}

// ScratchLen returns the length of the scratch memory that Convolve needs.
func (g GroupConv) ScratchLen(w *GroupWeights) int {
	return PConv{g.Height, g.Width, w.bundle}.PaddedLen() + w.kernels.lanes // vectors are read whole
}

// Bundles returns the number of parts of the channels that are convolved one by one.
func (g GroupConv) Bundles(w *GroupWeights) int { return (g.Channels + w.bundle - 1) / w.bundle }

// Convolve computes the strip that begins at line y of an image [lines·Width, Channels]. dst is
// [Height·Width, Channels], and must not overlap the image.
func (g GroupConv) Convolve(k *Set, dst, image Matrix, y int, scratch []float32, w *GroupWeights) {
	for i := range g.Bundles(w) {
		g.ConvolveBundle(k, i, dst, image, y, scratch, w)
	}
}

// ConvolveBundle is Convolve for the channels of bundle i alone.
func (g GroupConv) ConvolveBundle(k *Set, i int, dst, image Matrix, y int, scratch []float32, w *GroupWeights) {
	if dst.Rows != g.Height*g.Width ||
		dst.Cols != g.Channels ||
		image.Cols != g.Channels ||
		len(scratch) < g.ScratchLen(w) ||
		w.kernels != k {
		panic(fmt.Sprintf("kernels: GroupConv %+v: a map of %d×%d to %d×%d, scratch of %d, weights for %v on %v",
			g, image.Rows, image.Cols, dst.Rows, dst.Cols, len(scratch), w.kernels, k))
	}
	if dst.empty() {
		return
	}
	from := i * w.bundle
	to := min(from+w.bundle, g.Channels)
	p, out := PConv{g.Height, g.Width, to - from}, dst.Columns(from, to)
	out.ptr()
	p.Pad(k, scratch, image.Columns(from, to), y)
	if w.groups != nil {
		p.Convolve(k, out, scratch, w.groups[i], Matrix{})
		return
	}
	line := (g.Width + 2) * p.Channels
	weights := &w.data[i*side*g.size()*side*k.lanes]
	for l := range g.Height {
		k.groupConv(
			g.Width, g.size(), &scratch[l*line], p.Channels, line, &w.index[0], weights,
			&out.Data[l*g.Width*out.Stride], out.Stride, out.Cols,
		)
	}
}
