package quantise

import (
	"fmt"
	"math"
	"sort"

	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/ops"
)

// measured is what is known of the values of one map.
type measured struct {
	name         string
	sample       []float32
	least, most  float64
	mean, square []float64 // of each channel
	low, high    []float64 // likewise
	rows         int
	bad          bool // NaN or infinite values
}

// The numbers of values that are kept of an image, and that a grid is chosen by.
const keptOfImage, searched = 2048, 12 << 10

// add adds rows of a map of one image, or of a part of it. bias is added to the values; nil for none.
func (v *measured) add(m kernels.Matrix, bias []float32) {
	if v.mean == nil {
		v.mean, v.square = make([]float64, m.Cols), make([]float64, m.Cols)
		v.low, v.high = make([]float64, m.Cols), make([]float64, m.Cols)
		for c := range m.Cols {
			v.low[c], v.high[c] = math.Inf(1), math.Inf(-1)
		}
	}
	step := max(1, m.Rows*m.Cols/keptOfImage) | 1
	next := (v.rows * 7919) % step
	at := 0
	for r := range m.Rows {
		for c, x := range m.Row(r) {
			if bias != nil {
				x += bias[c]
			}
			f := float64(x)
			if f-f != 0 {
				v.bad = true
				continue
			}
			v.mean[c] += f
			v.square[c] += f * f
			v.low[c], v.high[c] = min(v.low[c], f), max(v.high[c], f)
			if at == next {
				v.sample = append(v.sample, x)
				next += step
			}
			at++
		}
	}
	v.rows += m.Rows
}

// finish turns sums into means.
func (v *measured) finish() error {
	if v.bad {
		return fmt.Errorf("the values of %s are NaN or infinite for some image: the weights or the images are no use", v.name)
	}
	v.least, v.most = math.Inf(1), math.Inf(-1)
	for c := range v.mean {
		v.mean[c] /= float64(v.rows)
		v.square[c] /= float64(v.rows)
		v.least, v.most = min(v.least, v.low[c]), max(v.most, v.high[c])
	}
	if n := len(v.sample); n > searched { // evenly, of all images
		for i := range searched {
			v.sample[i] = v.sample[i*n/searched]
		}
		v.sample = v.sample[:searched]
	}
	return nil
}

// sorted is the sample in order.
func (v *measured) sorted() []float32 {
	s := append([]float32(nil), v.sample...)
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	return s
}

// values are those of a model, by the names of the ops and of the parts of blocks.
type values map[string]*measured

func (v values) at(name string) *measured {
	m := v[name]
	if m == nil {
		m = &measured{name: name}
		v[name] = m
	}
	return m
}

// part is the name of a value within a block.
func part(block string, p ops.BlockPart) string { return block + "." + string(p) }

// measure runs the model in float32. One worker does it, so that sums have one order.
func measure(m graph.Int8Model, images Images) (values, error) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	v, biases := values{}, map[string][]float32{}
	for _, u := range m.Int8Units() {
		if u.Block != nil {
			biases[u.Name] = u.Block.MLP.Bias.Data()
		}
	}
	p, err := graph.NewRunner(m, pool).Watched(graph.Shape{Batch: 1, Height: images.Height, Width: images.Width}, func(block string, p ops.BlockPart, rows kernels.Matrix) {
		var bias []float32
		if p == ops.HiddenPart {
			bias = biases[block]
		}
		v.at(part(block, p)).add(rows, bias)
	})
	if err != nil {
		return nil, err
	}
	p.Observe(func(o ops.Observed) error {
		c := o.Shape[len(o.Shape)-1]
		v.at(o.Name).add(kernels.NewMatrix(o.Values, len(o.Values)/c, c), nil)
		return nil
	})
	for i := range images.Count {
		if _, err := p.Forward(images.batch(i, 1)); err != nil {
			return nil, err
		}
	}
	for _, m := range v {
		if err := m.finish(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

type deadChannels struct {
	name     string
	channels int
}

// constant lists the maps with channels that have one value.
func (v values) constant() (dead []deadChannels) {
	for name, m := range v {
		n := 0
		for c := range m.low {
			if m.rows > 1 && m.low[c] == m.high[c] {
				n++
			}
		}
		if n > 0 {
			dead = append(dead, deadChannels{name, n})
		}
	}
	sort.Slice(dead, func(i, j int) bool { return dead[i].name < dead[j].name })
	return dead
}
