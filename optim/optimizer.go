// Package optim has the optimizers that update the parameters of a model, the schedules of learning
// rates, and averages of weights.
package optim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/internal/finite"
	"fasternet/kernels"
	"fasternet/ops"
)

// Optimizer updates the parameters of a model by one of several rules. The work is cut into parts
// of bounded size, so that sums over them do not depend on the number of threads.
type Optimizer struct {
	config configs.Optim
	pool   *kernels.Pool
	params []*ops.Param
	rule   Rule
	kept   [][]State              // for each parameter, the tensors that the rule keeps
	states [][MaxStates][]float32 // their values
	groups []group                // of each parameter
	steps  int                    // number of updates

	parts   []part
	units   []unit
	squares []float64    // for each part
	norms   [][2]float64 // for each part: squares of weights and direction
	trust   []float64    // for each parameter
	now     Update       // the current step

	zero, measure, weigh, clamp, adapt, direct, move func(worker, i int)
}

// part is a range of a parameter's values.
type part struct{ param, from, to int }

// group holds the settings of a parameter.
type group struct {
	decay float64
	scale float64 // of the learning rate
}

// New makes an optimizer that has not made a step. The error names unknown values of the configuration.
func New(c configs.Optim, params []*ops.Param, pool *kernels.Pool) (*Optimizer, error) {
	const most = 1 << 16 // values of a part: 256 KiB, a quarter of a second-level cache of 1 MiB
	r, err := newRule(c)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(clipModes, c.ClipMode) {
		return nil, fmt.Errorf("optim.clip_mode: there is no mode called %q", c.ClipMode)
	}
	o := &Optimizer{config: c, pool: pool, params: params, rule: r}
	_, whole := r.(WholeTensor)
	for i, p := range params {
		kept, states, err := statesOf(p.Name, r, p.Shape())
		if err != nil {
			return nil, err
		}
		o.kept, o.states = append(o.kept, kept), append(o.states, states)
		decay := c.WeightDecay
		if on, err := decays(p.Name, p.Shape().Dims(), c.WeightDecayOn); err != nil {
			return nil, err
		} else if !on {
			decay = 0
		}
		o.groups = append(o.groups, group{decay, 1})
		for from := 0; from < p.Size(); from += most {
			o.parts = append(o.parts, part{i, from, min(from+most, p.Size())})
		}
		o.units = append(o.units, unitsOf(i, p, most)...)
	}
	o.squares = make([]float64, len(o.parts))
	o.norms = make([][2]float64, len(o.parts))
	o.trust = make([]float64, len(params))
	o.zero, o.measure, o.weigh, o.clamp, o.adapt = o.zeroPart, o.measurePart, o.weighPart, o.clampPart, o.adaptUnits
	if !whole {
		o.direct, o.move = o.directPart, o.movePart
	}
	return o, nil
}

// decays says whether a parameter with the given number of dimensions has weight decay.
func decays(name string, dims int, on string) (bool, error) {
	switch on {
	case "all", "":
		return true, nil
	case "no-1d":
		return dims > 1, nil
	case "no-1d-positions":
		return dims > 1 && name != "cls_token" && name != "pos_embed", nil
	case "no-1d-tables":
		return dims > 1 && !strings.Contains(name, "position_bias") && !strings.Contains(name, "token"), nil
	}
	return false, fmt.Errorf("optim.weight_decay_on: there is no rule called %q", on)
}

// DecayLayers scales the learning rate of every parameter by decay^(last-layer).
func (o *Optimizer) DecayLayers(decay float64, of func(name string) (layer, last int)) {
	for i, p := range o.params {
		layer, last := of(p.Name)
		o.groups[i].scale = math.Pow(decay, float64(last-layer))
	}
}

// ZeroGrad clears the gradients.
func (o *Optimizer) ZeroGrad() { o.pool.Run(len(o.parts), o.zero) }

func (o *Optimizer) zeroPart(_, i int) { o.pool.Kernels().Clear(o.values(o.parts[i]).Grad) }

// values returns the slices of a part. Gradients may have moved since the last step.
func (o *Optimizer) values(p part) Values {
	q := o.params[p.param]
	v := Values{Weights: q.Data()[p.from:p.to], Grad: q.GradData()[p.from:p.to], Shape: q.Shape()}
	for k, s := range o.states[p.param] {
		if len(s) == q.Size() {
			v.States[k] = s[p.from:p.to]
		}
	}
	return v
}

// whole returns the values of a parameter.
func (o *Optimizer) whole(i int) Values {
	q := o.params[i]
	return Values{Weights: q.Data(), Grad: q.GradData(), States: o.states[i], Shape: q.Shape()}
}

// GradNorm returns the L2 norm of all gradients.
func (o *Optimizer) GradNorm() float64 {
	o.pool.Run(len(o.parts), o.measure)
	var sum float64
	for _, s := range o.squares {
		sum += s
	}
	return math.Sqrt(sum)
}

func (o *Optimizer) measurePart(_, i int) {
	o.squares[i] = o.pool.Kernels().SumSquares(o.values(o.parts[i]).Grad)
}

// NotFinite names the first parameter with NaN or infinite values, and returns one of them; "" if
// there is none.
func (o *Optimizer) NotFinite() string {
	o.pool.Run(len(o.parts), o.weigh)
	for i, s := range o.squares {
		if s-s == 0 {
			continue
		}
		p := o.params[o.parts[i].param]
		var c finite.Count
		if c.Add("parameter "+p.Name, p.Data()); c.Bad > 0 {
			return c.First
		}
	}
	return ""
}

func (o *Optimizer) weighPart(_, i int) {
	o.squares[i] = o.pool.Kernels().SumSquares(o.values(o.parts[i]).Weights)
}

// Step makes an update with the gradients times scale. lr is the learning rate of the last layer. It may
// overwrite the gradients.
func (o *Optimizer) Step(lr, scale float64) {
	o.steps++
	o.now = Update{LR: lr, Scale: scale, Step: o.steps, Kernels: o.pool.Kernels()}
	if r, ok := o.rule.(Limited); ok && r.GradLimit() > 0 {
		if norm := o.GradNorm() * scale; norm > r.GradLimit() {
			o.now.Scale *= r.GradLimit() / norm
		}
	}
	if r, ok := o.rule.(Trusting); ok {
		o.pool.Run(len(o.parts), o.direct)
		o.sumTrust(r)
	}
	if r, ok := o.rule.(WholeTensor); ok {
		for i := range o.params {
			r.MoveTensor(o.whole(i), o.updateOf(i), o.pool)
		}
	} else {
		o.pool.Run(len(o.parts), o.move)
	}
	for _, p := range o.params {
		p.Changed()
	}
}

// updateOf returns the step for a parameter.
func (o *Optimizer) updateOf(param int) Update {
	u, g := o.now, o.groups[param]
	u.LR, u.WeightDecay, u.Trust = u.LR*g.scale, g.decay, o.trust[param]
	return u
}

func (o *Optimizer) movePart(_, i int) {
	p := o.parts[i]
	o.rule.(ElementWise).Move(o.values(p), o.updateOf(p.param))
}

func (o *Optimizer) directPart(_, i int) {
	p := o.parts[i]
	v := o.values(p)
	o.norms[i] = [2]float64{}
	if o.rule.(Trusting).Direct(v, o.updateOf(p.param)) {
		o.norms[i] = [2]float64{o.pool.Kernels().SumSquares(v.Weights), o.pool.Kernels().SumSquares(v.Grad)}
	}
}

// sumTrust computes the trust factors of the tensors from the norms of their parts.
func (o *Optimizer) sumTrust(r Trusting) {
	sums := make([][2]float64, len(o.params))
	for i, p := range o.parts {
		sums[p.param][0] += o.norms[i][0]
		sums[p.param][1] += o.norms[i][1]
	}
	for i, s := range sums {
		o.trust[i] = 1
		if s[0] > 0 && s[1] > 0 {
			o.trust[i] = r.Ratio(math.Sqrt(s[0]), math.Sqrt(s[1]))
		}
	}
}

// The names of the optimizer's tensors in a checkpoint: a prefix, the name of the state, and the
// name of the parameter.
const stepsName = checkpoints.OptimizerPrefix + "step"

func stateName(state string, p *ops.Param) string {
	return checkpoints.OptimizerPrefix + state + "." + p.Name
}

// Tensors returns the state for a checkpoint. It shares memory with the optimizer.
func (o *Optimizer) Tensors() []formats.Tensor {
	ts := []formats.Tensor{{Name: stepsName, Shape: []int{}, I64: []int64{int64(o.steps)}}}
	for i, p := range o.params {
		for k, s := range o.kept[i] {
			ts = append(ts, formats.Tensor{
				Name:  stateName(s.Name, p),
				Shape: slices.Clone(s.Shape),
				F32:   o.states[i][k],
			})
		}
	}
	return ts
}

// Restore reads the state from a checkpoint.
func (o *Optimizer) Restore(f *checkpoints.File) error {
	byName := map[string]formats.Tensor{}
	for _, t := range f.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.OptimizerPrefix) &&
			!strings.HasPrefix(t.Name, checkpoints.GradientPrefix) {
			byName[t.Name] = t
		}
	}
	steps, ok := byName[stepsName]
	if !ok || len(steps.I64) != 1 {
		return fmt.Errorf("the checkpoint has no optimizer state (%s)", stepsName)
	}
	tensors := o.Tensors()
	for _, t := range tensors[1:] {
		if have, ok := byName[t.Name]; !ok || len(have.F32) != len(t.F32) {
			return fmt.Errorf("the checkpoint's optimizer state does not fit optim.opt %s and the frozen "+
				"parameters: it has no %s of %d values", o.config.Opt, t.Name, len(t.F32))
		}
	}
	if len(byName) > len(tensors) {
		return fmt.Errorf("the checkpoint's optimizer state has %d tensors, optim.opt %s has %d: "+
			"it comes from another optimizer, or fewer parameters were frozen", len(byName), o.config.Opt, len(tensors))
	}
	for _, t := range tensors[1:] {
		copy(t.F32, byName[t.Name].F32)
	}
	o.steps = int(steps.I64[0])
	return nil
}
