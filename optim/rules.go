package optim

import (
	"fasternet/configs"
	"fasternet/kernels"
)

// row is a slice as a matrix, for the kernels.
func row(s []float32) kernels.Matrix { return kernels.NewMatrix(s, 1, len(s)) }

// adamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
type adamW struct{ config configs.Optim }

func (adamW) states() []string { return []string{"exp_avg", "exp_avg_sq"} }

func (r adamW) move(v values, u update) {
	kernels.AdamW(v.w, v.g, v.state[0], v.state[1], kernels.AdamWStep{
		LR: u.lr, WeightDecay: u.decay, Beta1: r.config.Betas[0], Beta2: r.config.Betas[1], Eps: r.config.Eps, Step: u.step, GradScale: u.scale,
	})
}

// sgd is stochastic gradient descent as in PyTorch, with the momentum of Nesterov
// (Sutskever et al., 2013) or a plain one; weight decay is part of the gradient:
//
//	d = g + wd·w;  μ ← m·μ + d;  w ← w - lr·(d + m·μ), or w - lr·μ
type sgd struct {
	momentum float64
	nesterov bool
}

func (sgd) states() []string { return []string{"momentum_buffer"} }

func (r sgd) move(v values, u update) {
	w, d, m := row(v.w), row(v.g), row(v.state[0])
	kernels.Combine(d, d, w, float32(u.scale), float32(u.decay))
	kernels.Combine(m, m, d, float32(r.momentum), 1)
	if r.nesterov {
		kernels.Combine(d, d, m, 1, float32(r.momentum))
		m = d
	}
	kernels.Combine(w, w, m, 1, -float32(u.lr))
}

// lars is LARS (You, Gitman and Ginsburg, 2017) as MAE has it: tensors of one
// dimension have neither weight decay nor a trust ratio.
//
//	d = g + wd·w;  q = 0.001·‖w‖/‖d‖;  μ ← m·μ + q·d;  w ← w - lr·μ
type lars struct{ momentum float64 }

func (lars) states() []string { return []string{"momentum_buffer"} }

func (lars) direct(v values, u update) bool {
	if v.dims <= 1 {
		u.decay = 0
	}
	kernels.Combine(row(v.g), row(v.g), row(v.w), float32(u.scale), float32(u.decay))
	return v.dims > 1
}

func (lars) ratio(weights, direction float64) float64 {
	const trust = 0.001
	return trust * weights / direction
}

func (r lars) move(v values, u update) {
	w, d, m := row(v.w), row(v.g), row(v.state[0])
	kernels.Combine(m, m, d, float32(r.momentum), float32(u.trust))
	kernels.Combine(w, w, m, 1, -float32(u.lr))
}

// lamb is LAMB (You et al., 2020) as timm has it: tensors without weight decay have
// no trust ratio, and the norm of all gradients is limited (optim.max_grad_norm).
//
//	d = m̂/(√v̂ + ε) + wd·w;  w ← w - lr·‖w‖/‖d‖·d
type lamb struct{ config configs.Optim }

func (lamb) states() []string { return []string{"exp_avg", "exp_avg_sq"} }

// direct lets AdamW make a step of size -1 from 0 in the place of the gradient,
// which the kernel has read before it writes there.
func (r lamb) direct(v values, u update) bool {
	kernels.AdamW(v.g, v.g, v.state[0], v.state[1], kernels.AdamWStep{
		LR: -1, WeightDecay: -1, Beta1: r.config.Betas[0], Beta2: r.config.Betas[1], Eps: r.config.Eps, Step: u.step, GradScale: u.scale,
	})
	kernels.Combine(row(v.g), row(v.g), row(v.w), 1, float32(u.decay))
	return u.decay != 0
}

func (lamb) ratio(weights, direction float64) float64 { return weights / direction }

func (lamb) move(v values, u update) {
	kernels.Combine(row(v.w), row(v.w), row(v.g), 1, -float32(u.lr*u.trust))
}
