package quantise

import (
	"fmt"
	"math"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// measured holds the statistics of the values of one map.
type measured struct {
	name         string
	place        int         // among the maps, in the order of the computation
	counts       [bins]int64 // counts of the values from -reach to reach
	reach        float64     // a power of 2
	perUnit      float64     // bins in a range of 1
	least, most  float64
	mean, square []float64 // for each channel
	low, high    []float64 // for each channel
	rows         int
	bad          bool // NaN or infinite values
}

// bins is much larger than the 256 steps of a grid. The largest values are rare, but they count, so every
// value is in a bin.
const bins = 8192

// bin returns the value in the middle of a bin.
func (v *measured) bin(i int) float64 {
	return (float64(i)+0.5)/bins*2*v.reach - v.reach
}

// extend widens the bins until a value is within reach.
func (v *measured) extend(x float64) {
	if v.reach == 0 {
		v.reach = 1e-6
		v.reach = math.Exp2(math.Ceil(math.Log2(v.reach)))
	}
	for math.Abs(x) > v.reach {
		var wider [bins]int64
		for i, n := range v.counts {
			wider[bins/4+i/2] += n
		}
		v.counts, v.reach = wider, 2*v.reach
	}
	v.perUnit = bins / (2 * v.reach)
}

// add adds rows of a map of one image, or of a part of it. It adds bias to the values; nil for none.
func (v *measured) add(m kernels.Matrix, bias []float32) {
	if v.mean == nil {
		v.mean, v.square = make([]float64, m.Cols), make([]float64, m.Cols)
		v.low, v.high = make([]float64, m.Cols), make([]float64, m.Cols)
		for c := range m.Cols {
			v.low[c], v.high[c] = math.Inf(1), math.Inf(-1)
		}
	}
	// Millions of values of each image come here.
	mean, square, low, high := v.mean[:m.Cols], v.square[:m.Cols], v.low[:m.Cols], v.high[:m.Cols]
	for r := range m.Rows {
		for c, x := range m.Row(r)[:len(mean)] {
			if bias != nil {
				x += bias[c]
			}
			f := float64(x)
			if f-f != 0 {
				v.bad = true
				continue
			}
			mean[c] += f
			square[c] += f * f
			if f < low[c] {
				low[c] = f
			}
			if f > high[c] {
				high[c] = f
			}
			if f > v.reach || -f > v.reach || v.reach == 0 {
				v.extend(f)
			}
			v.counts[min(int((f+v.reach)*v.perUnit), bins-1)]++
		}
	}
	v.rows += m.Rows
}

// finish turns sums into means.
func (v *measured) finish() error {
	if v.bad {
		return fmt.Errorf("the values of %s are NaN or infinite for some image: the weights or the images are broken",
			v.name)
	}
	v.least, v.most = math.Inf(1), math.Inf(-1)
	for c := range v.mean {
		v.mean[c] /= float64(v.rows)
		v.square[c] /= float64(v.rows)
		v.least, v.most = min(v.least, v.low[c]), max(v.most, v.high[c])
	}
	return nil
}

// percentiles returns the values below and above which a part of all values lies.
func (v *measured) percentiles(part float64) (low, high float64) {
	most := int64(part * float64(v.rows*len(v.mean)))
	from, to := 0, bins-1
	for n := v.counts[from]; n <= most && from < bins-1; n += v.counts[from] {
		from++
	}
	for n := v.counts[to]; n <= most && to > 0; n += v.counts[to] {
		to--
	}
	return max(v.bin(from), v.least), min(v.bin(to), v.most)
}

// values holds the statistics of a model, by the names of the ops and of the parts of blocks.
type values map[string]*measured

func (v values) at(name string) *measured {
	m := v[name]
	if m == nil {
		m = &measured{name: name, place: len(v)}
		v[name] = m
	}
	return m
}

// part returns the name of a value within a block.
func part(block string, p ops.BlockPart) string { return block + "." + string(p) }

// branchPart is the part of a block that is added to its input.
const branchPart ops.BlockPart = "branch"

// measure runs the model in float32. It uses one worker, so that sums have one order.
func measure(c *configs.Config, m graph.Int8Model, images Images) (values, error) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	v, biases := values{}, map[string][]float32{}
	for _, u := range m.Int8Units() {
		switch {
		case u.Block != nil:
			biases[part(u.Name, ops.HiddenPart)] = u.Block.MLP.Bias.Data()
		case u.Activated != "" && u.Biases[0] != nil:
			biases[u.Out] = u.Biases[0].Data()
		}
	}
	runner, err := model.NewRunner(c.In("fp32"), m, pool)
	if err != nil {
		return nil, err
	}
	shape := graph.Shape{Batch: 1, Height: images.Height, Width: images.Width}
	p, err := runner.Watched(shape, func(block string, p ops.BlockPart, rows kernels.Matrix) {
		name := part(block, p)
		v.at(name).add(rows, biases[name])
	})
	if err != nil {
		return nil, err
	}
	var before []float32
	p.Observe(func(o ops.Observed) error {
		c := o.Shape[len(o.Shape)-1]
		if o.Kind == ops.KindFasterNetBlock {
			for i, y := range o.Values {
				before[i] = y - before[i]
			}
			v.at(part(o.Name, branchPart)).add(kernels.NewMatrix(before, len(before)/c, c), nil)
		}
		before = append(before[:0], o.Values...)
		v.at(o.Name).add(kernels.NewMatrix(o.Values, len(o.Values)/c, c), nil)
		return nil
	})
	for i := range images.Count {
		pixels := images.batch(i, 1)
		v.at(graph.Images).add(kernels.NewMatrix(pixels, images.Height*images.Width, images.Channels), nil)
		if _, err := p.Forward(images.batch(i, 1)); err != nil {
			return nil, err
		}
	}
	for _, m := range v.inOrder() {
		if err := m.finish(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// inOrder returns the maps in the order of the computation.
func (v values) inOrder() []*measured {
	all := make([]*measured, len(v))
	for _, m := range v {
		all[m.place] = m
	}
	return all
}

type deadChannels struct {
	name     string
	channels int
}

// constant lists the maps with channels that have only one value.
func (v values) constant() (dead []deadChannels) {
	for _, m := range v.inOrder() {
		n := 0
		for c := range m.low {
			if m.rows > 1 && m.low[c] == m.high[c] {
				n++
			}
		}
		if n > 0 {
			dead = append(dead, deadChannels{m.name, n})
		}
	}
	return dead
}
