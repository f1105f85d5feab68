package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// orient generates magnitudes and orientations of gradients. Nothing is fused, and denormals are
// kept, so that plain Go gives the same bits.
func (s *isa) orient() {
	s.text("orient",
		"func(n int, mag *float32, bin *int32, above, here, below *float32, step int, "+
			"edges *float32, count int, bias0, bias1 float32)",
		"writes magnitude and bin of n gradients; see Orientations.")
	mag, bin := s.loadGP("mag"), s.loadGP("bin")
	above, here, below := s.loadGP("above"), s.loadGP("here"), s.loadGP("below")
	step, edges, count := s.loadStride("step"), s.loadGP("edges"), s.loadGP("count")
	bias0, bias1 := s.param("bias0"), s.param("bias1")
	one, sign, group := s.vec(), s.vec(), 1
	if s.arm != nil {
		group = 4
		s.arm.loadConstant(1<<31, sign)
	} else {
		VBROADCASTSS(s.constant(1), one)
	}
	s.columns(s.loadGP("n"), group, func(ks []mask, off reg.GPVirtual) {
		middle, right := s.gp(), s.gp()
		s.address(Mem{Base: off, Index: step, Scale: 1}, middle)
		s.address(Mem{Base: middle, Index: step, Scale: 1}, right)
		at := func(row, distance reg.GPVirtual) Mem { return s.near(Mem{Base: row, Index: distance, Scale: 1}) }
		magAt, binAt := at(mag, off), at(bin, off)
		a0At, a1At, a2At := at(above, off), at(above, middle), at(above, right)
		h0At, h2At := at(here, off), at(here, right)
		b0At, b1At, b2At := at(below, off), at(below, middle), at(below, right)
		// gradient computes one gradient of a vector, and stores its magnitude.
		gradient := func(i int) (g0, g1, t, u reg.VecVirtual) {
			read := func(m Mem) reg.VecVirtual {
				v := s.vec()
				s.load(m.Offset(i*s.bytes()), ks[i], v)
				return v
			}
			// sum is x + 2·y + z; it changes y.
			sum := func(x, y, z reg.VecVirtual) reg.VecVirtual {
				s.add(y, y, y)
				s.add(y, x, y)
				s.add(z, y, y)
				return y
			}
			a0, a2, b0, b2 := read(a0At), read(a2At), read(b0At), read(b2At)
			g0, g1 = sum(a0, read(h0At), b0), sum(a0, read(a1At), a2)
			s.sub(g0, sum(a2, read(h2At), b2), g0)
			s.add(bias0, g0, g0)
			s.sub(g1, sum(b0, read(b1At), b2), g1)
			s.add(bias1, g1, g1)
			t, u = s.vec(), s.vec()
			s.mul(g0, g0, t)
			s.mul(g1, g1, u)
			s.add(u, t, t)
			s.sqrt(t, t)
			s.store(t, ks[i], magAt.Offset(i*s.bytes()))
			return g0, g1, t, u
		}
		if s.arm != nil {
			s.binsOfQuads(ks, gradient, sign, edges, count, binAt)
			return
		}
		g0, g1, t, u := gradient(0)
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
		s.store(passed, ks[0], binAt)
	})
	s.ret()
}

// binsOfQuads is the rest of orient for some vectors. It loads an edge once for all of them.
func (s *isa) binsOfQuads(
	ks []mask,
	gradient func(i int) (g0, g1, t, u reg.VecVirtual),
	sign reg.Register,
	edges, count reg.GPVirtual,
	bin Mem,
) {
	a := s.arm
	var g0, g1, passed []reg.VecVirtual
	for i := range ks {
		x, y, t, _ := gradient(i)
		a.and(x, sign, t)
		a.word(0x4ea0f800, "fabs v%d.4s, v%d.4s", written(x), read(x))
		a.word(0x6e201c00, "eor v%d.16b, v%d.16b, v%d.16b", written(y), read(y), read(t))
		g0, g1, passed = append(g0, x), append(g1, y), append(passed, s.zero())
	}
	e, edge := s.gp(), s.vec()
	s.move(edges, e)
	s.repeat(label("edge"), count, func() {
		a.text("FMOVD.P 8(R%d), F%d", changed(e), written(edge))
		for i := range ks {
			t, u := s.vec(), s.vec()
			a.word(0x4f809000, "fmul v%d.4s, v%d.4s, v%d.s[0]", written(t), read(g0[i]), read(edge))
			a.word(0x4fa09000, "fmul v%d.4s, v%d.4s, v%d.s[1]", written(u), read(g1[i]), read(edge))
			a.word(0x6e20e400, "fcmge v%d.4s, v%d.4s, v%d.4s", written(t), read(t), read(u))
			a.word(0x6ea08400, "sub v%d.4s, v%d.4s, v%d.4s", written(passed[i]), read(passed[i]), read(t))
		}
	})
	for i, k := range ks {
		t := s.vec()
		a.word(0x4ea0d800, "fcmeq v%d.4s, v%d.4s, #0.0", written(t), read(g0[i]))
		a.word(0x4e601c00, "bic v%d.16b, v%d.16b, v%d.16b", written(passed[i]), read(passed[i]), read(t))
		s.store(passed[i], k, bin.Offset(i*s.bytes()))
	}
}
