package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// adamW generates one update of AdamW (Loshchilov and Hutter, 2019), in one pass over the memory
// of weights, gradient and moments.
func (s *isa) adamW() {
	s.text("adamW",
		"func(n int, w, grad, m, v *float32, scale, decay, beta1, beta2, step, correct2, eps float32)",
		"updates w, m and v by the gradient scale·grad; see AdamW.")
	s.flushDenormals()
	w, g, m, v := s.loadGP("w"), s.loadGP("grad"), s.loadGP("m"), s.loadGP("v")
	scale, decay, beta1, beta2 := s.param("scale"), s.param("decay"), s.param("beta1"), s.param("beta2")
	step, correct2, eps := s.param("step"), s.param("correct2"), s.param("eps")
	rest1, rest2 := s.splat(1), s.splat(1)
	s.sub(rest1, beta1, rest1)
	s.sub(rest2, beta2, rest2)
	s.vectorGroups(4, func(ks []mask, off reg.GPVirtual) {
		for i, k := range ks {
			at := func(base reg.GPVirtual) Mem { return s.at(base, off, i) }
			gv, mv, vv, t := s.vec(), s.vec(), s.vec(), s.vec()
			s.load(at(g), k, gv)
			s.mul(scale, gv, gv)
			s.load(at(m), k, mv)
			s.mul(beta1, mv, mv)
			s.addProduct(mv, rest1, gv)
			s.store(mv, k, at(m))
			s.load(at(v), k, vv)
			s.mul(beta2, vv, vv)
			s.mul(gv, gv, gv)
			s.addProduct(vv, rest2, gv)
			s.store(vv, k, at(v))
			s.sqrt(vv, vv)
			root := s.mulAddOf(vv, correct2, eps) // sqrt(v)/sqrt(1-beta2^t) + eps
			s.mul(step, mv, mv)
			s.div(mv, root, mv)
			s.load(at(w), k, t)
			s.mul(decay, t, t)
			s.sub(t, mv, t)
			s.store(t, k, at(w))
		}
	})
	s.done()
}
