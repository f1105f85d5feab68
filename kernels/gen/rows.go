package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of this file work on one row at a time, which stays in the first-level cache for all
// passes over it.

// at returns vector i of the group at off of a row.
func (s *isa) at(row, off reg.GPVirtual, i int) Mem {
	if s.arm != nil {
		return Mem{Base: s.arm.sum(row, off), Disp: i * s.bytes()}
	}
	return Mem{Base: row, Index: off, Scale: 1, Disp: i * s.bytes()}
}

// lanesOf clears the lanes of v that the mask leaves out.
func (s *isa) lanesOf(v reg.Register, k mask) {
	switch {
	case k.full:
	case s.arm != nil:
		s.arm.keepLanes(v, k)
	case s.wide():
		VMOVAPS_Z(v, k.r, v)
	default:
		VANDPS(k.r, v, v)
	}
}

// spread adds the lanes of v, multiplies by the parameter factor if there is one, and returns the
// result in every lane.
func (s *isa) spread(v reg.VecVirtual, factor string) reg.VecVirtual {
	x := s.sumLanes(v).(reg.VecVirtual)
	if s.arm != nil {
		if factor != "" {
			s.mul(x, s.param(factor), x)
		}
		return x
	}
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

// eachRow emits a loop over the rows. step moves the pointers by the named strides.
func (s *isa) eachRow(pointers []reg.GPVirtual, strides []string, body func()) {
	ld := map[int]reg.GPVirtual{} // x86 has no registers left for them
	if s.arm != nil {
		for i, name := range strides {
			ld[i] = s.loadStride(name)
		}
	}
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		body()
		for i, p := range pointers {
			step, ok := ld[i]
			if !ok {
				step = s.loadStride(strides[i])
			}
			s.increase(p, step)
		}
	})
}

// layerNorm generates the forward pass of a layer norm.
func (s *isa) layerNorm() {
	s.text("layerNorm",
		"func(rows, cols int, y *float32, ldy int, x *float32, ldx int, w, b, stats *float32, eps, inv float32)",
		"computes, row by row, y = (x - mean)·rstd·w + b and stores mean and rstd; inv is 1/cols.")
	s.flushDenormals()
	y, x, stats := s.loadGP("y"), s.loadGP("x"), s.loadGP("stats")
	s.eachRow([]reg.GPVirtual{y, x}, []string{"ldy", "ldx"}, func() {
		sum := s.newSums()
		s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v := s.vec()
				s.load(s.at(x, off, i), k, v)
				s.add(v, sum.of(i), sum.of(i))
			}
		})
		mean := s.spread(s.total(sum), "inv")
		square := s.newSums()
		s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v := s.vec()
				s.load(s.at(x, off, i), k, v)
				s.sub(v, mean, v)
				s.lanesOf(v, k)
				s.addProduct(square.of(i), v, v)
			}
		})
		scalar := s.reciprocalRoot(s.sumLanes(s.total(square)).(reg.VecVirtual))
		s.storeLane(mean, Mem{Base: stats})
		s.storeLane(scalar, Mem{Base: stats, Disp: 4})
		s.increase(stats, U32(8))
		rstd := s.vec()
		s.spreadLane(scalar, rstd)
		w, b := s.loadGP("w"), s.loadGP("b")
		s.columns(s.loadGP("cols"), s.orNEON(s.pick(4, 2), 8), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v, wv, bv := s.vec(), s.vec(), s.vec()
				s.load(s.at(x, off, i), k, v)
				s.load(s.at(w, off, i), k, wv)
				s.load(s.at(b, off, i), k, bv)
				s.sub(v, mean, v)
				s.mul(rstd, v, v)
				s.store(s.mulAddLast(v, wv, bv), k, s.at(y, off, i))
			}
		})
	})
	s.done()
}

// reciprocalRoot computes 1/√(inv·v + eps) of lane 0, with parameters. It changes v.
func (s *isa) reciprocalRoot(v reg.VecVirtual) reg.VecVirtual {
	if s.arm != nil {
		s.mul(v, s.param("inv"), v)
		s.add(v, s.param("eps"), v)
		s.sqrt(v, v)
		s.div(s.splat(1), v, v)
		return v
	}
	inv, err := Param("inv").Resolve()
	if err != nil {
		panic(err)
	}
	eps, err := Param("eps").Resolve()
	if err != nil {
		panic(err)
	}
	VMULSS(inv.Addr, v, v)
	VADDSS(eps.Addr, v, v)
	VSQRTSS(v, v, v)
	one := XMM()
	VMOVSS(s.float(1), one)
	VDIVSS(v, one, one)
	return one
}

// storeLane stores lane 0.
func (s *isa) storeLane(v reg.VecVirtual, m Mem) {
	if s.arm != nil {
		at, registers := s.arm.address(m)
		s.arm.text("FMOVS F%d, "+at, append([]operand{read(v)}, registers...)...)
		return
	}
	VMOVSS(v.AsX(), m)
}

// layerNormGrad generates the backward pass of a layer norm.
func (s *isa) layerNormGrad() {
	s.text("layerNormGrad",
		"func(rows, cols int, dx *float32, lddx int, dy *float32, lddy int, x *float32, ldx int, "+
			"add *float32, ldadd int, w, stats, dw, db *float32, inv float32)",
		"computes, with h = (x - mean)·rstd and g = dy·w: "+
			"dx = rstd·(g - Σg/n - h·Σgh/n) + add, dw += Σ dy·h, db += Σ dy; add may be nil.")
	s.flushDenormals()
	dx, dy, x, add, stats := s.loadGP("dx"), s.loadGP("dy"), s.loadGP("x"), s.loadGP("add"), s.loadGP("stats")
	s.eachRow([]reg.GPVirtual{dx, dy, x, add}, []string{"lddx", "lddy", "ldx", "ldadd"}, func() {
		mean, rstd := s.vec(), s.vec()
		s.broadcast(Mem{Base: stats}, mean)
		s.broadcast(Mem{Base: stats, Disp: 4}, rstd)
		s.increase(stats, U32(8))
		sum, dot := s.newSums(), s.newSums()
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
		s.columns(s.loadGP("cols"), s.orNEON(2, 4), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				h, g := normalised(i, k, off)
				wv := s.vec()
				s.load(s.at(w, off, i), k, wv)
				s.mul(wv, g, g)
				s.add(g, sum.of(i), sum.of(i))
				s.addProduct(dot.of(i), g, h)
			}
		})
		m1, m2 := s.spread(s.total(sum), "inv"), s.spread(s.total(dot), "inv")
		pass := func(added bool) {
			w, dw, db := s.loadGP("w"), s.loadGP("dw"), s.loadGP("db")
			s.columns(s.loadGP("cols"), s.orNEON(s.pick(2, 1), 4), func(ks []mask, off reg.GPVirtual) {
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
						g = s.mulAddLast(g, rstd, acc)
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
	exps := s.expNEON()
	s.eachRow([]reg.GPVirtual{x}, []string{"ldx"}, func() {
		first := s.vec()
		s.broadcast(Mem{Base: x}, first)
		tops := s.copies(first)
		s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				v, top := s.vec(), tops.of(i)
				s.loadOver(top, s.at(x, off, i), k, v)
				s.max(v, top, top)
			}
		})
		highest := s.maxLanes(s.join(tops, s.max))
		shift := s.vec()
		s.spreadLane(highest, shift)
		if s.arm != nil {
			s.finishSoftmaxNEON(exps, x, shift)
			return
		}
		sum := s.zero()
		s.columns(s.loadGP("cols"), s.pick(4, 2), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				u := s.vec()
				s.load(s.at(x, off, i), k, u)
				s.sub(u, shift, u)
				s.mulC(math.Log2E, u, u)
				low := s.splat(leastExponent)
				s.max(u, low, u) // if one is NaN, x86 returns the second source
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
		"turns the gradient d of the softmax p into its input's: p·(d - Σ p·d), row by row.")
	s.flushDenormals()
	p, d := s.loadGP("p"), s.loadGP("d")
	s.eachRow([]reg.GPVirtual{p, d}, []string{"ldp", "ldd"}, func() {
		dot := s.newSums()
		s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
			for i, k := range ks {
				pv, dv := s.vec(), s.vec()
				s.load(s.at(p, off, i), k, pv)
				s.load(s.at(d, off, i), k, dv)
				s.addProduct(dot.of(i), pv, dv)
			}
		})
		mean := s.spread(s.total(dot), "")
		s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
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
