package bench

import (
	"fmt"
	"math"

	"fasternet/internal/rng"
	"fasternet/kernels"
)

// depth is the number of layers in a stack.
const depth = 10

// stack holds ten layers of one operator, each with its own weights, and the maps of a batch. A
// layer runs over the whole batch before the next one, strip by strip.
type stack struct {
	Map
	batch   int
	pool    *kernels.Pool
	input   []float32
	maps    [2][]float32 // the layers write them in turn; PConv stays in the first
	scratch [][]float32  // one for each worker
	lines   int          // height of a strip
	parts   int          // parts of the channels: each runs over the whole batch before the next
	inPlace bool
	layers  [depth]layer

	// for the layer in progress
	layer    layer
	src, dst []float32
}

// layer computes a part of the channels for the strip of an image that begins at line y.
type layer func(part int, dst, image kernels.Matrix, y int, scratch []float32)

func newStack(o Operator, m Map, batch int, pool *kernels.Pool) *stack {
	size := m.Side * m.Side * m.Channels
	s := &stack{
		Map:     m,
		batch:   batch,
		pool:    pool,
		input:   kernels.Aligned(batch * size),
		lines:   m.Side,
		inPlace: o == PConv,
	}
	for i := range s.maps {
		s.maps[i] = kernels.Aligned(batch * size)
	}
	fill(s.input, 1)
	weights := make([]float32, o.weights(m))
	fill(weights, 1/math.Sqrt(float64(taps*o.inputs(m)))) // keeps the magnitude of the values
	if !s.inPlace {
		s.lines = stripLines(m, batch, pool.Workers())
	}
	need := 0
	for i := range s.layers {
		s.layers[i], s.parts, need = newLayer(pool.Kernels(), o, m, s.lines, weights)
	}
	for range pool.Workers() {
		s.scratch = append(s.scratch, kernels.Aligned(need))
	}
	return s
}

// stripLines returns the height of strips: small enough for the cache, and with a strip for every
// worker.
func stripLines(m Map, batch, workers int) int {
	const most = 1 << 16 // the most values of a padded strip
	lines := max(min(m.Side, most/((m.Side+2)*m.Channels)-2), 1)
	for lines > 1 && batch*((m.Side+lines-1)/lines) < workers {
		lines--
	}
	return lines
}

func fill(x []float32, deviation float64) {
	r := rng.New(0, rng.Bench)
	for i := range x {
		x[i] = float32(r.NormFloat64() * deviation)
	}
}

// newLayer makes a layer with a copy of the weights. It also returns the best number of parts and
// the size of the scratch memory.
func newLayer(k *kernels.Set, o Operator, m Map, lines int, weights []float32) (l layer, parts, scratch int) {
	switch o {
	case GroupConv:
		g := kernels.GroupConv{Height: lines, Width: m.Side, Channels: m.Channels, Groups: groups}
		w := g.Pack(k, weights)
		if len(weights) < m.Side*m.Side*m.Channels {
			return func(_ int, dst, image kernels.Matrix, y int, scratch []float32) {
				g := g
				g.Height = dst.Rows / m.Side
				g.Convolve(k, dst, image, y, scratch, w)
			}, 1, g.ScratchLen(w)
		}
		// the weights of a part stay in the cache
		return func(part int, dst, image kernels.Matrix, y int, scratch []float32) {
			g := g
			g.Height = dst.Rows / m.Side
			g.ConvolveBundle(k, part, dst, image, y, scratch, w)
		}, g.Bundles(w), g.ScratchLen(w)
	case DWConv:
		c := kernels.DWConv{Height: m.Side, Width: m.Side, Channels: m.Channels}
		w := kernels.Aligned(c.WeightsLen())
		c.Weights(w, weights)
		return func(_ int, dst, image kernels.Matrix, y int, _ []float32) { c.Convolve(k, dst, image, y, w) }, 1, 0
	}
	if o != Conv && o != PConv {
		panic(fmt.Sprintf("bench: there is no operator %s", o))
	}
	p := kernels.PConv{Height: lines, Width: m.Side, Channels: o.outputs(m)}
	ordered := make([]float32, len(weights))
	p.Weights(ordered, weights)
	w := k.NewPacked(p.Inner(), p.Channels, kernels.FP32)
	w.PackTransposed(kernels.NewMatrix(ordered, p.Channels, p.Inner()))
	return func(_ int, dst, image kernels.Matrix, y int, scratch []float32) {
		p := p
		p.Height = dst.Rows / m.Side
		p.Pad(k, scratch, image, y)
		p.Convolve(k, dst.Columns(0, p.Channels), scratch, w, kernels.Matrix{})
	}, 1, p.PaddedLen()
}

// reset restores the map of an operator that works in place.
func (s *stack) reset() {
	if s.inPlace {
		copy(s.maps[0], s.input)
	}
}

// run runs the batch through the ten layers.
func (s *stack) run() {
	src := s.input
	for i, l := range s.layers {
		dst := s.maps[i%2]
		if s.inPlace {
			src, dst = s.maps[0], s.maps[0]
		}
		s.layer, s.src, s.dst = l, src, dst
		s.pool.Run(s.parts*s.batch*s.strips(), s.strip)
		src = dst
	}
}

func (s *stack) strips() int { return (s.Side + s.lines - 1) / s.lines }

func (s *stack) strip(worker, task int) {
	part, image, from := task/s.strips()/s.batch, task/s.strips()%s.batch, task%s.strips()*s.lines
	to, pixels := min(from+s.lines, s.Side), s.Side*s.Side
	of := func(x []float32) kernels.Matrix {
		return kernels.NewMatrix(x[image*pixels*s.Channels:], pixels, s.Channels)
	}
	s.layer(part, of(s.dst).Slice(from*s.Side, to*s.Side), of(s.src), from, s.scratch[worker])
}

// output returns the map of the last layer.
func (s *stack) output() []float32 {
	if s.inPlace {
		return s.maps[0]
	}
	return s.maps[(depth-1)%2]
}
