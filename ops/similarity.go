package ops

import (
	"fmt"
	"math"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ChannelSimilarity adds a measure of how alike the hidden channels of a block are for map x: for
// each image the mean cosine over all pairs of channels, before the second product. A channel is
// the vector of its values at all pixels of the image; channels that are zero everywhere are left
// out. The result is 1 if all channels are multiples of one another, and near 0 if they have
// nothing in common. It needs a graph for evaluation; the result is [images].
func ChannelSimilarity(t *Tape, x *gorgonia.Node, b Block) (*gorgonia.Node, error) {
	fail := func(err error) (*gorgonia.Node, error) {
		return nil, fmt.Errorf("ops: similarity of the channels of block %q: %w", b.Name, err)
	}
	if t.Train {
		return fail(fmt.Errorf("want a graph for evaluation"))
	}
	f, err := newBlock(t, x, b, false)
	if err != nil {
		return fail(err)
	}
	s := &channelSimilarity{block: f, images: f.shape.batch, buf: t.NewBuffer(f.shape.rows() * f.hidden)}
	if f.Units != nil {
		if f.Units.PerImage < 1 || f.shape.batch%f.Units.PerImage != 0 {
			return fail(fmt.Errorf("want a multiple of %d units, the units of an image, got %d",
				f.Units.PerImage, f.shape.batch))
		}
		s.images = f.shape.batch / f.Units.PerImage
	}
	s.hiddenTask, s.compareTask = s.hiddenSpan, s.compare
	spec := Spec{
		Kind:   KindChannelSimilarity,
		Name:   b.Name,
		Inputs: gorgonia.Nodes{x},
		Shape:  tensor.Shape{s.images},
		Run:    s.run,
		Uses:   []*Buffer{s.buf},
	}
	if f.grn != nil {
		spec.Uses = append(spec.Uses, f.convolvedBuf, f.hiddenMap.buf)
	}
	for _, p := range f.params() {
		spec.Inputs = append(spec.Inputs, t.Param(p))
	}
	return t.Record(spec)
}

type channelSimilarity struct {
	*block
	images                  int
	buf                     *Buffer // [rows, hidden]
	hiddenTask, compareTask func(worker, i int)

	out []float32
}

func (s *channelSimilarity) run(in [][]float32, out []float32) error {
	s.x, s.out = s.shape.matrix(in[0]), out
	pool := s.tape.Pool()
	if s.grn != nil {
		s.measureGRN()
	} else {
		s.norm.running()
	}
	pool.Run(len(s.spans), s.hiddenTask)
	pool.Run(s.images, s.compareTask)
	return nil
}

func (s *channelSimilarity) hiddenSpan(worker, i int) {
	b := s.spans[i]
	from, to := s.shape.from(b), s.shape.to(b)
	h := kernels.NewMatrix(s.buf.data, s.shape.rows(), s.hidden).Slice(from, to)
	if s.grn != nil {
		s.grn.normalised(h, i)
		return
	}
	m := scratch{s.tape.Scratch(worker)}
	u := m.factor(s.tape, to-from, s.shape.channels)
	s.hiddenOf(h, u, b, m)
	s.tape.kernels.Affine(h, h, s.norm.scale, s.shift(), s.Act)
}

// compare divides each channel by its length. Then the sum of the cosines of all pairs is the square of
// the sum of all channels, less the cosine of each channel with itself.
func (s *channelSimilarity) compare(_, image int) {
	rows := s.shape.rows() / s.images
	h := kernels.NewMatrix(s.buf.data, s.shape.rows(), s.hidden).Slice(image*rows, (image+1)*rows)
	lengths := make([]float64, s.hidden)
	for row := range rows {
		for c, v := range h.Row(row) {
			lengths[c] += float64(v) * float64(v)
		}
	}
	channels := 0.0
	for c, v := range lengths {
		if v > 0 {
			lengths[c] = 1 / math.Sqrt(v)
			channels++
		}
	}
	all := 0.0
	for row := range rows {
		sum := 0.0
		for c, v := range h.Row(row) {
			sum += float64(v) * lengths[c]
		}
		all += sum * sum
	}
	s.out[image] = 0
	if channels > 1 {
		s.out[image] = float32((all - channels) / (channels * (channels - 1)))
	}
}
