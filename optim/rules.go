package optim

import (
	"fasternet/configs"
	"fasternet/kernels"
)

// row returns a slice as a matrix, for the kernels.
func row(s []float32) kernels.Matrix { return kernels.NewMatrix(s, 1, len(s)) }

// adamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
type adamW struct{ config configs.Optim }

func (adamW) States(shape []int) []State { return like(shape, "exp_avg", "exp_avg_sq") }

func (r adamW) Move(v Values, u Update) {
	u.Kernels.AdamW(v.Weights, v.Grad, v.States[0], v.States[1], kernels.AdamWStep{
		LR:          u.LR,
		WeightDecay: u.WeightDecay,
		Beta1:       r.config.Betas[0],
		Beta2:       r.config.Betas[1],
		Eps:         r.config.Eps,
		Step:        u.Step,
		GradScale:   u.Scale,
	})
}

// sgd is stochastic gradient descent as in PyTorch, with Nesterov momentum (Sutskever et al., 2013)
// or plain momentum. Weight decay is part of the gradient:
//
//	d = g + wd·w;  μ ← m·μ + d;  w ← w - lr·(d + m·μ), or w - lr·μ
type sgd struct {
	momentum float64
	nesterov bool
}

func (sgd) States(shape []int) []State { return like(shape, "momentum_buffer") }

func (r sgd) Move(v Values, u Update) {
	w, d, m := row(v.Weights), row(v.Grad), row(v.States[0])
	u.Kernels.Combine(d, d, w, float32(u.Scale), float32(u.WeightDecay))
	u.Kernels.Combine(m, m, d, float32(r.momentum), 1)
	if r.nesterov {
		u.Kernels.Combine(d, d, m, 1, float32(r.momentum))
		m = d
	}
	u.Kernels.Combine(w, w, m, 1, -float32(u.LR))
}

// lars is LARS (You, Gitman and Ginsburg, 2017) as in the code of MAE: tensors of one dimension
// have neither weight decay nor a trust ratio, and the trust coefficient is 0.001.
//
//	d = g + wd·w;  q = 0.001·‖w‖/‖d‖;  μ ← m·μ + q·d;  w ← w - lr·μ
type lars struct{ momentum float64 }

func (lars) States(shape []int) []State { return like(shape, "momentum_buffer") }

func (lars) Direct(v Values, u Update) bool {
	if len(v.Shape) <= 1 {
		u.WeightDecay = 0
	}
	u.Kernels.Combine(row(v.Grad), row(v.Grad), row(v.Weights), float32(u.Scale), float32(u.WeightDecay))
	return len(v.Shape) > 1
}

func (lars) Ratio(weights, direction float64) float64 {
	const trust = 0.001
	return trust * weights / direction
}

func (r lars) Move(v Values, u Update) {
	w, d, m := row(v.Weights), row(v.Grad), row(v.States[0])
	u.Kernels.Combine(m, m, d, float32(r.momentum), float32(u.Trust))
	u.Kernels.Combine(w, w, m, 1, -float32(u.LR))
}

// lamb is LAMB (You et al., 2020) as in timm: tensors without weight decay have no trust ratio, and
// the norm of all gradients is limited (optim.max_grad_norm).
//
//	d = m̂/(√v̂ + ε) + wd·w;  w ← w - lr·‖w‖/‖d‖·d
type lamb struct{ config configs.Optim }

func (lamb) States(shape []int) []State { return like(shape, "exp_avg", "exp_avg_sq") }

// Direct lets AdamW make a step of size -1 from 0, and write it over the gradient, which the kernel
// has read before.
func (r lamb) Direct(v Values, u Update) bool {
	u.Kernels.AdamW(v.Grad, v.Grad, v.States[0], v.States[1], kernels.AdamWStep{
		LR:          -1,
		WeightDecay: -1,
		Beta1:       r.config.Betas[0],
		Beta2:       r.config.Betas[1],
		Eps:         r.config.Eps,
		Step:        u.Step,
		GradScale:   u.Scale,
	})
	u.Kernels.Combine(row(v.Grad), row(v.Grad), row(v.Weights), 1, float32(u.WeightDecay))
	return u.WeightDecay != 0
}

func (lamb) Ratio(weights, direction float64) float64 { return weights / direction }

func (lamb) Move(v Values, u Update) {
	u.Kernels.Combine(row(v.Weights), row(v.Weights), row(v.Grad), 1, -float32(u.LR*u.Trust))
}

// GradLimit implements Limited.
func (r lamb) GradLimit() float64 { return r.config.MaxGradNorm }
