package quantise

import (
	"fmt"
	"math"
	"slices"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// correctionImages is how many images are used to compare the means.
const correctionImages = 32

// correct runs the model in 8 bits, unit after unit, and adds to the biases the difference of the mean
// results to the exact model: rounding and clipping change the means.
func correct(c *configs.Config, exact graph.Model, m graph.Int8Model, units []graph.Int8Unit, images Images) error {
	pool := kernels.NewPool(0)
	defer pool.Close()
	n := min(images.Count, correctionImages)
	wants, err := means(c, exact, images, n, pool, "")
	if err != nil {
		return err
	}
	state := m.Int8()
	for _, u := range units {
		if u.Op == "" { // its bias corrects only the effect of rounding the weights on the mean
			continue
		}
		want, ok := wants[u.Op]
		if !ok {
			return fmt.Errorf("%s: no values of its result were measured", u.Name)
		}
		gots, err := means(c, m, images, n, pool, u.Op)
		if err != nil {
			return err
		}
		last := u.Weights[len(u.Weights)-1]
		bias := state.Factors[last.Name].Bias
		for o, got := range gots[u.Op] {
			bias[o] += float32(want[o] - got)
		}
		// now, because the next units correct what this changes
		if err := roundBiases(m, []graph.Int8Unit{u}); err != nil {
			return err
		}
	}
	return nil
}

// means returns the mean of each channel of the results of ops, by name, over the first n images; with a
// name, only for that op.
func means(
	c *configs.Config,
	m graph.Model,
	images Images,
	n int,
	pool *kernels.Pool,
	only string,
) (map[string][]float64, error) {
	runner, err := model.NewRunner(c.In("fp32"), m, pool)
	if err != nil {
		return nil, err
	}
	p, err := runner.Program(graph.Shape{Batch: 1, Height: images.Height, Width: images.Width})
	if err != nil {
		return nil, err
	}
	all := map[string][]float64{}
	p.Observe(func(o ops.Observed) error {
		if only != "" && o.Name != only {
			return nil
		}
		v := o.Floats()
		channels := o.Shape[len(o.Shape)-1]
		sums := all[o.Name]
		if sums == nil {
			sums = make([]float64, channels)
			all[o.Name] = sums
		}
		weight := float64(channels) / float64(len(v)*n)
		for row := range slices.Chunk(v, channels) {
			for i, x := range row {
				sums[i] += float64(x) * weight
			}
		}
		return nil
	})
	for i := range n {
		if _, err := p.Forward(images.batch(i, 1)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// roundBiases rounds the biases to multiples of the steps of the products, as ONNX files need them. The
// step of an output must fit its bias: a step that is too small, as for a channel whose weights have nearly
// vanished, does not fit into 32 bits; and weights of 0 leave it open. Such a bias decides about the scale.
func roundBiases(m graph.Int8Model, units []graph.Int8Unit) error {
	const (
		most         = 1 << 30 // steps in a bias
		enough       = 1 << 26 // as exact as float32
		largestScale = 1e30
	)
	s := m.Int8()
	for _, u := range units {
		for i, w := range u.Weights {
			f, in := s.Factors[w.Name], s.Grids[u.Inputs[i]]
			n := w.Size() / len(f.Bias)
			for o, b := range f.Bias {
				row := w.Data()[o*n : (o+1)*n]
				steps := func() float64 { return float64(b) / float64(graph.BiasStep(in, f.Scale[o])) }
				if !(math.Abs(steps()) < most) || b != 0 && zero(row) {
					scale := max(math.Abs(float64(b))/float64(in.Scale)/enough, smallest(in))
					if !(scale < largestScale) {
						return fmt.Errorf("%s: the bias of output %d, %g, is too large for the scale of its input, %g",
							w.Name, o, b, in.Scale)
					}
					f.Scale[o] = float32(scale)
					for k, v := range row {
						row[k] = float32(float64(f.Scale[o]) * roundWeight(v, f.Scale[o]))
					}
				}
				f.Bias[o] = float32(math.RoundToEven(steps()) * float64(graph.BiasStep(in, f.Scale[o])))
			}
			w.Changed()
		}
	}
	return nil
}

func zero(row []float32) bool {
	return !slices.ContainsFunc(row, func(v float32) bool { return v != 0 })
}
