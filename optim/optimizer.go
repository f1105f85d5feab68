package optim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/ops"
)

// Optimizer updates the parameters of a model by one of several rules. The work is
// cut into parts of bounded size, so that sums over them do not depend on the
// number of threads.
type Optimizer struct {
	config configs.Optim
	pool   *kernels.Pool
	params []*ops.Param
	rule   rule
	states [][2][]float32 // of each parameter; as many as the rule names
	steps  int            // updates made

	parts   []part
	units   []unit
	squares []float64    // a part
	norms   [][2]float64 // a part: squares of weights and direction
	trust   []float64    // a parameter
	now     update       // of the step in progress

	zero, measure, clamp, adapt, direct, move func(worker, i int)
}

// part is a range of a parameter's values.
type part struct {
	param, from, to int
	decay           float64
	scale           float64 // of the learning rate
}

// rule is how values move.
type rule interface {
	// states names what is kept of every parameter: one or two tensors, as PyTorch
	// and timm call them.
	states() []string
	// move makes a step. It may use the gradient as scratch.
	move(v values, u update)
}

// trusting is a rule whose steps are in proportion to the norm of a tensor.
type trusting interface {
	rule
	// direct turns the gradient into the direction of the step and says whether the
	// step is to be scaled.
	direct(v values, u update) bool
	// ratio is the factor for the norms of a tensor's weights and direction, both
	// above 0.
	ratio(weights, direction float64) float64
}

// values are those of a part.
type values struct {
	w, g  []float32
	state [2][]float32
	dims  int // of the parameter
}

// update is a step for a part.
type update struct {
	lr, decay float64
	scale     float64 // factor on the gradient: clipping, accumulation
	step      int     // 1 for the first
	trust     float64 // of trusting rules
}

// newRule is the rule that a configuration names.
func newRule(c configs.Optim) rule {
	switch c.Opt {
	case "sgd":
		return sgd{momentum: c.Momentum, nesterov: true}
	case "momentum":
		return sgd{momentum: c.Momentum}
	case "lars":
		return lars{momentum: c.Momentum}
	case "lamb":
		return lamb{c}
	}
	return adamW{c}
}

// New makes an optimizer that has not made a step.
func New(c configs.Optim, params []*ops.Param, pool *kernels.Pool) *Optimizer {
	const most = 1 << 16 // values of a part
	o := &Optimizer{config: c, pool: pool, params: params, rule: newRule(c)}
	for i, p := range params {
		var states [2][]float32
		for k := range o.rule.states() {
			states[k] = kernels.Aligned(p.Size())
		}
		o.states = append(o.states, states)
		decay := c.WeightDecay
		if !decays(p.Name, p.Shape().Dims(), c.WeightDecayOn) {
			decay = 0
		}
		for from := 0; from < p.Size(); from += most {
			o.parts = append(o.parts, part{i, from, min(from+most, p.Size()), decay, 1})
		}
		o.units = append(o.units, unitsOf(i, p, most)...)
	}
	o.squares, o.norms, o.trust = make([]float64, len(o.parts)), make([][2]float64, len(o.parts)), make([]float64, len(params))
	o.zero, o.measure, o.clamp, o.adapt, o.direct, o.move = o.zeroPart, o.measurePart, o.clampPart, o.adaptUnits, o.directPart, o.movePart
	return o
}

// decays says whether a parameter of so many dimensions has weight decay.
func decays(name string, dims int, on string) bool {
	switch on {
	case "no-1d":
		return dims > 1
	case "no-1d-positions":
		return dims > 1 && name != "cls_token" && name != "pos_embed"
	case "no-1d-tables":
		return dims > 1 && !strings.Contains(name, "position_bias") && !strings.Contains(name, "token")
	}
	return true
}

// DecayLayers scales the learning rate of every parameter by decay^(last-layer).
func (o *Optimizer) DecayLayers(decay float64, of func(name string) (layer, last int)) {
	for i := range o.parts {
		p := &o.parts[i]
		layer, last := of(o.params[p.param].Name)
		p.scale = math.Pow(decay, float64(last-layer))
	}
}

// ZeroGrad clears the gradients.
func (o *Optimizer) ZeroGrad() { o.pool.Run(len(o.parts), o.zero) }

func (o *Optimizer) zeroPart(_, i int) { clear(o.values(o.parts[i]).g) }

// values are the slices of a part.
func (o *Optimizer) values(p part) values {
	q := o.params[p.param]
	v := values{w: q.Data()[p.from:p.to], g: q.GradData()[p.from:p.to], dims: q.Shape().Dims()}
	for k, s := range o.states[p.param] {
		if s != nil {
			v.state[k] = s[p.from:p.to]
		}
	}
	return v
}

// GradNorm is the L2 norm of all gradients.
func (o *Optimizer) GradNorm() float64 {
	o.pool.Run(len(o.parts), o.measure)
	var sum float64
	for _, s := range o.squares {
		sum += s
	}
	return math.Sqrt(sum)
}

func (o *Optimizer) measurePart(_, i int) { o.squares[i] = kernels.SumSquares(o.values(o.parts[i]).g) }

// Step makes an update with the gradients times scale. lr is that of the last
// layer. The gradients are void afterwards.
func (o *Optimizer) Step(lr, scale float64) {
	o.steps++
	o.now = update{lr: lr, scale: scale, step: o.steps}
	if limit := o.config.MaxGradNorm; limit > 0 && o.config.Opt == "lamb" {
		if norm := o.GradNorm() * scale; norm > limit {
			o.now.scale *= limit / norm
		}
	}
	if r, ok := o.rule.(trusting); ok {
		o.pool.Run(len(o.parts), o.direct)
		o.sumTrust(r)
	}
	o.pool.Run(len(o.parts), o.move)
	for _, p := range o.params {
		p.Changed()
	}
}

// updateOf is the step for a part.
func (o *Optimizer) updateOf(p part) update {
	u := o.now
	u.lr, u.decay, u.trust = u.lr*p.scale, p.decay, o.trust[p.param]
	return u
}

func (o *Optimizer) movePart(_, i int) {
	o.rule.move(o.values(o.parts[i]), o.updateOf(o.parts[i]))
}

func (o *Optimizer) directPart(_, i int) {
	v := o.values(o.parts[i])
	o.norms[i] = [2]float64{}
	if o.rule.(trusting).direct(v, o.updateOf(o.parts[i])) {
		o.norms[i] = [2]float64{kernels.SumSquares(v.w), kernels.SumSquares(v.g)}
	}
}

// sumTrust finds the factors of the tensors from the norms of their parts.
func (o *Optimizer) sumTrust(r trusting) {
	sums := make([][2]float64, len(o.params))
	for i, p := range o.parts {
		sums[p.param][0] += o.norms[i][0]
		sums[p.param][1] += o.norms[i][1]
	}
	for i, s := range sums {
		o.trust[i] = 1
		if s[0] > 0 && s[1] > 0 {
			o.trust[i] = r.ratio(math.Sqrt(s[0]), math.Sqrt(s[1]))
		}
	}
}

// The optimizer's tensors in a checkpoint are called by this, the name of the
// state and that of the parameter.
const stepsName = checkpoints.OptimizerPrefix + "step"

func stateName(state string, p *ops.Param) string {
	return checkpoints.OptimizerPrefix + state + "." + p.Name
}

// Tensors is the state for a checkpoint. It shares memory with the optimizer.
func (o *Optimizer) Tensors() []checkpoints.Tensor {
	ts := []checkpoints.Tensor{{Name: stepsName, Shape: []int{}, I64: []int64{int64(o.steps)}}}
	for i, p := range o.params {
		for k, state := range o.rule.states() {
			ts = append(ts, checkpoints.Tensor{Name: stateName(state, p), Shape: slices.Clone([]int(p.Shape())), F32: o.states[i][k]})
		}
	}
	return ts
}

// Restore takes the state from a checkpoint.
func (o *Optimizer) Restore(f *checkpoints.File) error {
	byName := map[string]checkpoints.Tensor{}
	for _, t := range f.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.OptimizerPrefix) {
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
			return fmt.Errorf("the checkpoint's optimizer state does not fit optim.opt %s and what is frozen: it has no %s of %d values", o.config.Opt, t.Name, len(t.F32))
		}
	}
	if len(byName) > len(tensors) {
		return fmt.Errorf("the checkpoint's optimizer state has %d tensors, optim.opt %s has %d: it is of another optimizer, or less was frozen", len(byName), o.config.Opt, len(tensors))
	}
	for _, t := range tensors[1:] {
		copy(t.F32, byName[t.Name].F32)
	}
	o.steps = int(steps.I64[0])
	return nil
}
