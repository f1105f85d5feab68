package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// AdamW updates the parameters of a model. The work is cut into parts of
// bounded size, so that sums over them do not depend on the number of threads.
type AdamW struct {
	config configs.Optim
	pool   *kernels.Pool
	params []*ops.Param
	first  [][]float32 // moments of each parameter
	second [][]float32
	steps  int // updates made

	parts                 []part
	squares               []float64 // a part
	step                  kernels.AdamWStep
	update, measure, zero func(worker, i int)
}

// part is a range of a parameter's values.
type part struct {
	param, from, to int
	decay           float64
	scale           float64 // of the learning rate
}

// NewAdamW makes an optimizer with moments of zero.
func NewAdamW(c configs.Optim, params []*ops.Param, pool *kernels.Pool) *AdamW {
	const most = 1 << 16 // values of a part
	o := &AdamW{config: c, pool: pool, params: params}
	for i, p := range params {
		o.first = append(o.first, kernels.Aligned(p.Size()))
		o.second = append(o.second, kernels.Aligned(p.Size()))
		decay := c.WeightDecay
		if !decays(p.Name, p.Shape().Dims(), c.WeightDecayOn) {
			decay = 0
		}
		for from := 0; from < p.Size(); from += most {
			o.parts = append(o.parts, part{i, from, min(from+most, p.Size()), decay, 1})
		}
	}
	o.squares = make([]float64, len(o.parts))
	o.update, o.measure, o.zero = o.updatePart, o.measurePart, o.zeroPart
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

// optimizerOf makes the optimizer that a configuration describes for a task.
func optimizerOf(c *configs.Config, t task, pool *kernels.Pool) (*AdamW, error) {
	o := NewAdamW(c.Optim, t.store().Params(), pool)
	if c.Optim.LayerDecay == 1 {
		return o, nil
	}
	m, ok := t.layered()
	if !ok {
		return nil, fmt.Errorf("optim.layer_decay: want 1, got %v: a pre-training has one learning rate for all layers", c.Optim.LayerDecay)
	}
	o.DecayLayers(c.Optim.LayerDecay, m.LayerOf)
	return o, nil
}

// describeLayers says of the learning rate how it falls.
func describeLayers(c configs.Optim) string {
	if c.LayerDecay == 1 {
		return ""
	}
	return fmt.Sprintf(" × %g a layer down from the head", c.LayerDecay)
}

// DecayLayers scales the learning rate of every parameter by decay^(last-layer).
func (o *AdamW) DecayLayers(decay float64, of func(name string) (layer, last int)) {
	for i := range o.parts {
		p := &o.parts[i]
		layer, last := of(o.params[p.param].Name)
		p.scale = math.Pow(decay, float64(last-layer))
	}
}

// ZeroGrad clears the gradients.
func (o *AdamW) ZeroGrad() { o.pool.Run(len(o.parts), o.zero) }

func (o *AdamW) zeroPart(_, i int) {
	p := o.parts[i]
	clear(o.params[p.param].GradData()[p.from:p.to])
}

// GradNorm is the L2 norm of all gradients.
func (o *AdamW) GradNorm() float64 {
	o.pool.Run(len(o.parts), o.measure)
	var sum float64
	for _, s := range o.squares {
		sum += s
	}
	return math.Sqrt(sum)
}

func (o *AdamW) measurePart(_, i int) {
	p := o.parts[i]
	o.squares[i] = kernels.SumSquares(o.params[p.param].GradData()[p.from:p.to])
}

// ClipScale is the factor that brings a gradient of the given norm down to the
// configured one: min(1, clip/(norm + 1e-6)).
func (o *AdamW) ClipScale(norm float64) float64 {
	if o.config.ClipGrad == 0 {
		return 1
	}
	return min(1, o.config.ClipGrad/(norm+1e-6))
}

// Step makes an update with the gradients times scale. lr is that of the last
// layer.
func (o *AdamW) Step(lr, scale float64) {
	o.steps++
	o.step = kernels.AdamWStep{
		LR: lr, Beta1: o.config.Betas[0], Beta2: o.config.Betas[1], Eps: o.config.Eps, Step: o.steps, GradScale: scale,
	}
	o.pool.Run(len(o.parts), o.update)
	for _, p := range o.params {
		p.Changed()
	}
}

func (o *AdamW) updatePart(_, i int) {
	p, s := o.parts[i], o.step
	s.WeightDecay, s.LR = p.decay, s.LR*p.scale
	q := o.params[p.param]
	kernels.AdamW(q.Data()[p.from:p.to], q.GradData()[p.from:p.to], o.first[p.param][p.from:p.to], o.second[p.param][p.from:p.to], s)
}

// The optimizer's tensors in a checkpoint have the parameter's name behind
// these.
const (
	firstPrefix  = model.OptimizerPrefix + "exp_avg."
	secondPrefix = model.OptimizerPrefix + "exp_avg_sq."
	stepsName    = model.OptimizerPrefix + "step"
)

// Tensors is the state for a checkpoint. It shares memory with the optimizer.
func (o *AdamW) Tensors() []checkpoints.Tensor {
	ts := []checkpoints.Tensor{{Name: stepsName, Shape: []int{}, I64: []int64{int64(o.steps)}}}
	for i, p := range o.params {
		shape := slices.Clone([]int(p.Shape()))
		ts = append(ts,
			checkpoints.Tensor{Name: firstPrefix + p.Name, Shape: shape, F32: o.first[i]},
			checkpoints.Tensor{Name: secondPrefix + p.Name, Shape: shape, F32: o.second[i]})
	}
	return ts
}

// Restore takes the state from a checkpoint.
func (o *AdamW) Restore(f *checkpoints.File) error {
	byName := map[string]checkpoints.Tensor{}
	for _, t := range f.Tensors {
		byName[t.Name] = t
	}
	steps, ok := byName[stepsName]
	if !ok || len(steps.I64) != 1 {
		return fmt.Errorf("the checkpoint has no optimizer state (%s)", stepsName)
	}
	for i, p := range o.params {
		for name, dst := range map[string][]float32{firstPrefix + p.Name: o.first[i], secondPrefix + p.Name: o.second[i]} {
			t, ok := byName[name]
			if !ok || len(t.F32) != len(dst) {
				return fmt.Errorf("the checkpoint's optimizer state does not fit: %s", name)
			}
			copy(dst, t.F32)
		}
	}
	o.steps = int(steps.I64[0])
	return nil
}
