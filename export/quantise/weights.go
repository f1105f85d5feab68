package quantise

import (
	"fmt"
	"math"
	"slices"

	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/ops"
)

// quantiser sets the state of a model.
type quantiser struct {
	units   []graph.Int8Unit
	values  values
	state   *graph.Int8State
	options Options
}

// grids chooses the grids of a unit that are not chosen yet.
func (q *quantiser) grids(u graph.Int8Unit) error {
	choose := func(name, of string, exact func(float64) float64, rounded func(ops.Grid) func(float64) float64) error {
		if _, done := q.state.Grids[name]; done {
			return nil
		}
		v, ok := q.values[of]
		if !ok {
			return fmt.Errorf("%s: no values of %s were measured", u.Name, of)
		}
		q.state.Grids[name] = q.method().grid(v, exact, rounded)
		return nil
	}
	for _, name := range u.Grids {
		if u.Block != nil && name != u.In() && name != u.Out || u.Activated != "" && name == u.Out {
			continue // for values within the block, or before an activation
		}
		if err := choose(name, name, nil, nil); err != nil {
			return err
		}
	}
	if u.Activated != "" {
		return q.beforeGELU(u)
	}
	if u.Block == nil {
		return nil
	}
	before, after := u.Grids[1], u.Grids[2]
	if err := choose(u.Grids[3], part(u.Name, branchPart), nil, nil); err != nil {
		return err
	}
	if err := choose(after, part(u.Name, ops.ActivatedPart), nil, nil); err != nil {
		return err
	}
	to, act := q.state.Grids[after], u.Block.MLP.Act
	if act == kernels.ReLU {
		q.state.Grids[before] = to // values below 0 become 0 by themselves
		return nil
	}
	exact, rounded := throughActivation(act, to)
	return choose(before, part(u.Name, ops.HiddenPart), exact, rounded)
}

// beforeGELU chooses the grid of the result of a layer before a GELU.
func (q *quantiser) beforeGELU(u graph.Int8Unit) error {
	before, after := q.values[u.Out], q.values[u.Activated]
	if before == nil || after == nil {
		return fmt.Errorf("%s: no values of %s or %s were measured", u.Name, u.Out, u.Activated)
	}
	exact, rounded := throughActivation(kernels.GELU, q.method().grid(after, nil, nil))
	q.state.Grids[u.Out] = q.method().grid(before, exact, rounded)
	return nil
}

// throughActivation compares the right results of an activation with its results for values on a grid,
// rounded to the grid to. This error decides the grid before the activation.
func throughActivation(
	act kernels.Activation,
	to ops.Grid,
) (exact func(float64) float64, rounded func(ops.Grid) func(float64) float64) {
	exact = func(x float64) float64 { return activate(act, x) }
	return exact, func(g ops.Grid) func(float64) float64 {
		var table [256]float64
		for i := range table {
			table[i] = to.Value(to.Round(exact(g.Value(uint8(i)))))
		}
		return func(x float64) float64 { return table[g.Round(x)] }
	}
}

func (q *quantiser) method() Method {
	if q.options.Method == "" {
		return Methods[0]
	}
	return q.options.Method
}

func activate(act kernels.Activation, x float64) float64 {
	switch act {
	case kernels.GELU:
		return x * 0.5 * math.Erfc(-x/math.Sqrt2)
	case kernels.ReLU:
		return max(x, 0)
	case kernels.Identity:
		return x
	}
	panic(fmt.Sprintf("quantise: activation %v", act)) // other activations were refused
}

// inputs holds the means and the mean squares of the values that a weight is multiplied by, for each
// input channel.
type inputs struct {
	mean, square []float64
	grid         ops.Grid
}

// of returns the statistics of a map that is rounded to a grid.
func (q *quantiser) of(name, grid string) inputs {
	return inputs{q.values[name].mean, q.values[name].square, q.state.Grids[grid]}
}

// weights rounds the weights of a unit. The biases compensate for the effect of rounding on the means of
// the inputs.
func (q *quantiser) weights(u graph.Int8Unit) {
	if u.Block == nil {
		in := q.of(u.In(), u.In())
		q.state.Factors[u.Weights[0].Name] = round(u.Weights[0], u.Biases[0], in)
		return
	}
	b, x := u.Block, q.of(u.In(), u.In())
	conv := q.values[part(u.Name, ops.ConvolvedPart)]
	cp := len(conv.mean)
	factors := q.equalise(u, conv)
	mixed := inputs{slices.Clone(x.mean), slices.Clone(x.square), x.grid}
	for c := range cp {
		mixed.mean[c], mixed.square[c] = conv.mean[c]*factors[c], conv.square[c]*factors[c]*factors[c]
	}
	q.state.Factors[b.PConv.Weight.Name] = round(b.PConv.Weight, nil, inputs{x.mean[:cp], x.square[:cp], x.grid})
	q.state.Factors[b.MLP.Conv1.Name] = round(b.MLP.Conv1, b.MLP.Bias, mixed)
	q.state.Factors[b.MLP.Conv2.Name] = round(b.MLP.Conv2, nil, q.of(part(u.Name, ops.ActivatedPart), u.Inputs[2]))
}

// equalise rescales the convolved channels of a block; the first product reverses it. The channels share
// the grid of the map that goes into the block, whose range can be very different. A factor balances the
// errors of rounding the channel and of rounding its column of weights; the channel must stay within the
// grid.
func (q *quantiser) equalise(u graph.Int8Unit, conv *measured) []float64 {
	factors := make([]float64, len(conv.mean))
	g := q.state.Grids[u.In()]
	low, high := g.Value(0), g.Value(255)
	w1, wp := u.Block.MLP.Conv1, u.Block.PConv.Weight
	hidden, c := w1.Shape()[0], w1.Shape()[1]
	steps := 0.0 // sum of the squared steps of the rows of conv1
	for o := range hidden {
		most := 0.0
		for _, v := range w1.Data()[o*c : (o+1)*c] {
			most = max(most, math.Abs(float64(v)))
		}
		steps += most / ops.MostInt8 * most / ops.MostInt8
	}
	for i := range factors {
		factors[i] = 1
		if q.options.NoEqualisation {
			continue
		}
		column := 0.0
		for o := range hidden {
			v := float64(w1.Data()[o*c+i])
			column += v * v
		}
		fit := math.Inf(1)
		if conv.high[i] > 0 {
			fit = min(fit, high/conv.high[i])
		}
		if conv.low[i] < 0 {
			fit = min(fit, low/conv.low[i])
		}
		k := math.Sqrt(math.Sqrt(float64(g.Scale) * float64(g.Scale) * column / (conv.square[i] * steps)))
		if k = min(k, fit); k-k != 0 || k < 1e-3 || k > 1e3 {
			continue // a channel of zeros, or too large or too small
		}
		factors[i] = k
		n := wp.Size() / len(factors)
		for j := range n {
			wp.Data()[i*n+j] *= float32(k)
		}
		for o := range hidden {
			w1.Data()[o*c+i] /= float32(k)
		}
	}
	wp.Changed()
	w1.Changed()
	return factors
}

// round rounds a weight [out, in, …] to 8 bits, with a factor for each output, and stores the values of
// the integers in the parameter. The factor is the one with the least error of the output; bias is the
// bias in float32, or nil.
func round(p, bias *ops.Param, in inputs) graph.Int8Factors {
	out, channels := p.Shape()[0], p.Shape()[1]
	n := p.Size() / out
	taps := n / channels
	f := graph.Int8Factors{Scale: make([]float32, out), Bias: make([]float32, out)}
	for o := range out {
		row := p.Data()[o*n : (o+1)*n]
		most := 0.0
		for _, v := range row {
			most = max(most, math.Abs(float64(v)))
		}
		if bias != nil {
			f.Bias[o] = bias.Data()[o]
		}
		if most < ops.MostInt8*smallest(in.grid) {
			f.Scale[o] = 1
			clear(row)
			continue
		}
		least := math.Inf(1)
		for cut := 1.0; cut > 0.6; cut -= 0.05 {
			scale := float32(most * cut / ops.MostInt8)
			e := 0.0
			for i, v := range row {
				d := float64(v) - float64(scale)*roundWeight(v, scale)
				e += d * d * (in.square[i/taps] + 1e-12)
			}
			if e < least {
				least, f.Scale[o] = e, scale
			}
		}
		lost := 0.0
		for i, v := range row {
			w := float32(float64(f.Scale[o]) * roundWeight(v, f.Scale[o]))
			lost += (float64(v) - float64(w)) * in.mean[i/taps]
			row[i] = w
		}
		f.Bias[o] += float32(lost)
	}
	p.Changed()
	return f
}

// smallest returns the smallest scale of weights whose inputs are on a grid: products of both scales have all
// bits of float32.
func smallest(in ops.Grid) float64 { return max(1e-27, 1e-36/float64(in.Scale)) }

// roundWeight returns the integer of a weight.
func roundWeight(v, scale float32) float64 {
	return min(max(math.RoundToEven(float64(v)/float64(scale)), -ops.MostInt8), ops.MostInt8)
}
