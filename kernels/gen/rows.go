package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of this file work on one row at a time, which stays in the
// first-level cache for all passes over it.

// at is vector i of the group at off of a row.
func (s *isa) at(row, off reg.GPVirtual, i int) Mem {
	return Mem{Base: row, Index: off, Scale: 1, Disp: i * s.bytes()}
}

// lanesOf clears the lanes of v that the mask leaves out.
func (s *isa) lanesOf(v reg.Register, k mask) {
	switch {
	case k.full:
	case s.wide():
		VMOVAPS_Z(v, k.r, v)
	default:
		VANDPS(k.r, v, v)
	}
}

// spread adds the lanes of v, multiplies by the parameter factor if there is
// one, and returns the result in every lane.
func (s *isa) spread(v reg.VecVirtual, factor string) reg.VecVirtual {
	x := s.sumLanes(v).(reg.VecVirtual)
	if factor != "" {
		m, err := Param(factor).Resolve()
		if err != nil {
			panic(err)
		}
		VMULSS(m.Addr, x, x)
	}
	out := s.vec()
	VBROADCASTSS(x, out)
	return out
}

// eachRow emits a loop over the rows; step moves the pointers on by the strides
// named.
func (s *isa) eachRow(pointers []reg.GPVirtual, strides []string, body func()) {
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		body()
		for i, p := range pointers {
			s.increase(p, s.loadStride(strides[i]))
		}
	})
}

// layerNorm generates the forward pass of a layer norm.
func (s *isa) layerNorm() {
	s.text("layerNorm", "func(rows, cols int, y *float32, ldy int, x *float32, ldx int, w, b, stats *float32, eps, inv float32)",
		"computes, row by row, y = (x - mean)·rstd·w + b and stores mean and rstd; inv is 1/cols.")
	s.flushDenormals()
	y, x, stats := s.loadGP("y"), s.loadGP("x"), s.loadGP("stats")
	s.eachRow([]reg.GPVirtual{y, x}, []string{"ldy", "ldx"}, func() {
		sum := s.zero()
		s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v := s.vec()
				s.load(s.at(x, off, i), k, v)
				s.add(v, sum, sum)
			}
		})
		mean := s.spread(sum, "inv")
		square := s.zero()
		s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v := s.vec()
				s.load(s.at(x, off, i), k, v)
				s.sub(v, mean, v)
				s.lanesOf(v, k)
				s.addProduct(square, v, v)
			}
		})
		// Scalars until the reciprocal root is there.
		variance := s.sumLanes(square).(reg.VecVirtual)
		inv, err := Param("inv").Resolve()
		if err != nil {
			panic(err)
		}
		eps, err := Param("eps").Resolve()
		if err != nil {
			panic(err)
		}
		VMULSS(inv.Addr, variance, variance)
		VADDSS(eps.Addr, variance, variance)
		VSQRTSS(variance, variance, variance)
		one := XMM()
		VMOVSS(s.float(1), one)
		VDIVSS(variance, one, one)
		VMOVSS(mean.AsX(), Mem{Base: stats})
		VMOVSS(one, Mem{Base: stats, Disp: 4})
		s.increase(stats, U32(8))
		rstd := s.vec()
		VBROADCASTSS(one, rstd)
		w, b := s.loadGP("w"), s.loadGP("b")
		s.columns(s.loadGP("cols"), s.pick(4, 2), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v, wv, bv := s.vec(), s.vec(), s.vec()
				s.load(s.at(x, off, i), k, v)
				s.load(s.at(w, off, i), k, wv)
				s.load(s.at(b, off, i), k, bv)
				s.sub(v, mean, v)
				s.mul(rstd, v, v)
				s.mulAdd(v, wv, bv)
				s.store(v, k, s.at(y, off, i))
			}
		})
	})
	s.done()
}

// layerNormGrad generates the backward pass of a layer norm.
func (s *isa) layerNormGrad() {
	s.text("layerNormGrad",
		"func(rows, cols int, dx *float32, lddx int, dy *float32, lddy int, x *float32, ldx int, add *float32, ldadd int, w, stats, dw, db *float32, inv float32)",
		"computes, with h = (x - mean)·rstd and g = dy·w: dx = rstd·(g - Σg/n - h·Σgh/n) + add, dw += Σ dy·h, db += Σ dy; add may be nil.")
	s.flushDenormals()
	dx, dy, x, add, stats := s.loadGP("dx"), s.loadGP("dy"), s.loadGP("x"), s.loadGP("add"), s.loadGP("stats")
	s.eachRow([]reg.GPVirtual{dx, dy, x, add}, []string{"lddx", "lddy", "ldx", "ldadd"}, func() {
		mean, rstd := s.vec(), s.vec()
		s.broadcast(Mem{Base: stats}, mean)
		s.broadcast(Mem{Base: stats, Disp: 4}, rstd)
		s.increase(stats, U32(8))
		sum, dot := s.zero(), s.zero()
		// hidden loads the normalised input, and the gradient.
		normalised := func(i int, k mask, off reg.GPVirtual) (h, g reg.Register) {
			h, g = s.vec(), s.vec()
			s.load(s.at(x, off, i), k, h)
			s.load(s.at(dy, off, i), k, g)
			s.sub(h, mean, h)
			s.mul(rstd, h, h)
			return h, g
		}
		w := s.loadGP("w")
		s.columns(s.loadGP("cols"), 2, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				h, g := normalised(i, k, off)
				wv := s.vec()
				s.load(s.at(w, off, i), k, wv)
				s.mul(wv, g, g)
				s.add(g, sum, sum)
				s.addProduct(dot, g, h)
			}
		})
		m1, m2 := s.spread(sum, "inv"), s.spread(dot, "inv")
		pass := func(added bool) {
			w, dw, db := s.loadGP("w"), s.loadGP("dw"), s.loadGP("db")
			s.columns(s.loadGP("cols"), s.pick(2, 1), func(ks []mask, off reg.GPVirtual) {
				for i, k := range ks {
					h, g := normalised(i, k, off)
					acc := s.vec()
					s.load(s.at(db, off, i), k, acc)
					s.add(g, acc, acc)
					s.store(acc, k, s.at(db, off, i))
					s.load(s.at(dw, off, i), k, acc)
					s.addProduct(acc, g, h)
					s.store(acc, k, s.at(dw, off, i))
					wv := s.vec()
					s.load(s.at(w, off, i), k, wv)
					s.mul(wv, g, g)
					s.sub(g, m1, g)
					s.subProduct(g, m2, h)
					if added {
						s.load(s.at(add, off, i), k, acc)
						s.mulAdd(g, rstd, acc)
					} else {
						s.mul(rstd, g, g)
					}
					s.store(g, k, s.at(dx, off, i))
				}
			})
		}
		id := label("add")
		given := s.loadGP("add")
		s.jumpIfZero(given, id+"_none")
		pass(true)
		s.jump(id + "_end")
		s.place(id + "_none")
		pass(false)
		s.place(id + "_end")
	})
	s.done()
}

// softmaxRows generates the softmax of every row, in place.
func (s *isa) softmaxRows() {
	s.text("softmaxRows", "func(rows, cols int, x *float32, ldx int)",
		"replaces every row of x by its softmax.")
	s.flushDenormals()
	x := s.loadGP("x")
	s.eachRow([]reg.GPVirtual{x}, []string{"ldx"}, func() {
		top := s.vec()
		s.broadcast(Mem{Base: x}, top)
		s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v, m := s.vec(), s.at(x, off, i)
				switch {
				case k.full:
					VMOVUPS(m, v)
				case s.wide():
					s.copyTo(top, v)
					VMOVUPS(m, k.r, v)
				default:
					s.load(m, k, v)
					VBLENDVPS(k.r, v, top, v)
				}
				s.max(v, top, top)
			}
		})
		highest := s.maxLanes(top)
		shift := s.vec()
		VBROADCASTSS(highest, shift)
		sum := s.zero()
		s.columns(s.loadGP("cols"), s.pick(4, 2), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				u := s.vec()
				s.load(s.at(x, off, i), k, u)
				s.sub(u, shift, u)
				s.mulC(1.4426950408889634, u, u)
				low := s.splat(-126)
				s.max(u, low, u) // the second source is returned for NaN
				s.exp2(u)
				s.store(u, k, s.at(x, off, i))
				s.lanesOf(u, k)
				s.add(u, sum, sum)
			}
		})
		total := s.sumLanes(sum).(reg.VecVirtual)
		one := XMM()
		VMOVSS(s.float(1), one)
		VDIVSS(total, one, one)
		scale := s.vec()
		VBROADCASTSS(one, scale)
		s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v := s.vec()
				s.load(s.at(x, off, i), k, v)
				s.mul(scale, v, v)
				s.store(v, k, s.at(x, off, i))
			}
		})
	})
	s.done()
}

// softmaxRowsGrad generates the backward pass of softmaxRows.
func (s *isa) softmaxRowsGrad() {
	s.text("softmaxRowsGrad", "func(rows, cols int, p *float32, ldp int, d *float32, ldd int)",
		"replaces the gradient d of the softmax p by that of its input, p·(d - Σ p·d), row by row.")
	s.flushDenormals()
	p, d := s.loadGP("p"), s.loadGP("d")
	s.eachRow([]reg.GPVirtual{p, d}, []string{"ldp", "ldd"}, func() {
		dot := s.zero()
		s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				pv, dv := s.vec(), s.vec()
				s.load(s.at(p, off, i), k, pv)
				s.load(s.at(d, off, i), k, dv)
				s.addProduct(dot, pv, dv)
			}
		})
		mean := s.spread(dot, "")
		s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				pv, dv := s.vec(), s.vec()
				s.load(s.at(p, off, i), k, pv)
				s.load(s.at(d, off, i), k, dv)
				s.sub(dv, mean, dv)
				s.mul(pv, dv, dv)
				s.store(dv, k, s.at(d, off, i))
			}
		})
	})
	s.done()
}
