package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// adamW generates one update of AdamW (Loshchilov and Hutter, 2019) in one
// pass over the memory of weights, gradient and moments.
func (s *isa) adamW() {
	s.text("adamW",
		"func(n int, w, grad, m, v *float32, scale, decay, beta1, beta2, step, correct2, eps float32)",
		"updates w, m and v by the gradient scale·grad; see AdamW.")
	s.flushDenormals()
	w, g, m, v := loadGP("w"), loadGP("grad"), loadGP("m"), loadGP("v")
	scale, decay, beta1, beta2 := s.param("scale"), s.param("decay"), s.param("beta1"), s.param("beta2")
	step, correct2, eps := s.param("step"), s.param("correct2"), s.param("eps")
	rest1, rest2 := s.splat(1), s.splat(1)
	VSUBPS(beta1, rest1, rest1)
	VSUBPS(beta2, rest2, rest2)
	s.vectors(func(k mask, off reg.GPVirtual) {
		at := func(base reg.GPVirtual) Mem { return Mem{Base: base, Index: off, Scale: 1} }
		gv, mv, vv, t := s.vec(), s.vec(), s.vec(), s.vec()
		s.load(at(g), k, gv)
		VMULPS(scale, gv, gv)
		s.load(at(m), k, mv)
		VMULPS(beta1, mv, mv)
		VFMADD231PS(rest1, gv, mv)
		s.store(mv, k, at(m))
		s.load(at(v), k, vv)
		VMULPS(beta2, vv, vv)
		VMULPS(gv, gv, gv)
		VFMADD231PS(rest2, gv, vv)
		s.store(vv, k, at(v))
		VSQRTPS(vv, vv)
		VFMADD213PS(eps, correct2, vv) // sqrt(v)/sqrt(1-beta2^t) + eps
		VMULPS(step, mv, mv)
		VDIVPS(vv, mv, mv)
		s.load(at(w), k, t)
		VMULPS(decay, t, t)
		VSUBPS(mv, t, t)
		s.store(t, k, at(w))
	})
	s.done()
}
