package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// orient generates magnitudes and orientations of gradients. Nothing is fused
// and denormals are kept, so that the plain form gives the same bits.
func (s *isa) orient() {
	s.text("orient",
		"func(n int, mag *float32, bin *int32, above, here, below *float32, step int, edges *float32, count int, bias0, bias1 float32)",
		"writes magnitude and bin of n gradients; see Orientations.")
	mag, bin := s.loadGP("mag"), s.loadGP("bin")
	above, here, below := s.loadGP("above"), s.loadGP("here"), s.loadGP("below")
	step, edges, count := s.loadStride("step"), s.loadGP("edges"), s.loadGP("count")
	bias0, bias1 := s.param("bias0"), s.param("bias1")
	one := s.vec()
	VBROADCASTSS(s.constant(1), one)
	s.vectors(func(k mask, off reg.GPVirtual) {
		middle, right := s.gp(), s.gp()
		s.address(Mem{Base: off, Index: step, Scale: 1}, middle)
		s.address(Mem{Base: middle, Index: step, Scale: 1}, right)
		read := func(row, at reg.GPVirtual) reg.VecVirtual {
			v := s.vec()
			s.load(Mem{Base: row, Index: at, Scale: 1}, k, v)
			return v
		}
		// sum is x + 2·y + z; it changes y.
		sum := func(x, y, z reg.VecVirtual) reg.VecVirtual {
			s.add(y, y, y)
			s.add(y, x, y)
			s.add(z, y, y)
			return y
		}
		a0, a2, b0, b2 := read(above, off), read(above, right), read(below, off), read(below, right)
		g0, g1 := sum(a0, read(here, off), b0), sum(a0, read(above, middle), a2)
		s.sub(g0, sum(a2, read(here, right), b2), g0)
		s.add(bias0, g0, g0)
		s.sub(g1, sum(b0, read(below, middle), b2), g1)
		s.add(bias1, g1, g1)
		t, u := s.vec(), s.vec()
		s.mul(g0, g0, t)
		s.mul(g1, g1, u)
		s.add(u, t, t)
		s.sqrt(t, t)
		s.store(t, k, Mem{Base: mag, Index: off, Scale: 1})
		// Turn to the side where g0 is not negative.
		s.bitsAnd(0x80000000, g0, t)
		if s.wide() {
			VPXORD(t, g0, g0)
			VPXORD(t, g1, g1)
		} else {
			VXORPS(t, g0, g0)
			VXORPS(t, g1, g1)
		}
		passed := s.zero()
		e := s.gp()
		s.move(edges, e)
		s.repeat(label("edge"), count, func() {
			const greaterOrEqual = 13
			s.broadcast(Mem{Base: e}, t)
			s.broadcast(Mem{Base: e, Disp: 4}, u)
			s.mul(g0, t, t)
			s.mul(g1, u, u)
			if s.wide() {
				c := K()
				VCMPPS(U8(greaterOrEqual), u, t, c)
				VPADDD(one, passed, c, passed)
			} else {
				VCMPPS(U8(greaterOrEqual), u, t, t)
				VPSUBD(t, passed, passed)
			}
			s.increase(e, U32(8))
		})
		const notEqual = 4
		zero := s.zero()
		if s.wide() {
			c := K()
			VCMPPS(U8(notEqual), zero, g0, c)
			VMOVDQA32_Z(passed, c, passed)
		} else {
			VCMPPS(U8(notEqual), zero, g0, t)
			VANDPS(t, passed, passed)
		}
		s.store(passed, k, Mem{Base: bin, Index: off, Scale: 1})
	})
	s.ret()
}
