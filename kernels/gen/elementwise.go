package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// matrix walks the rows of a matrix parameter, one vector of columns at a time.
type matrix struct {
	s      *isa
	base   string // parameter with the address
	p, ld  reg.GPVirtual
	offset reg.GPVirtual
}

func (s *isa) newMatrix(base, stride string) *matrix {
	return &matrix{s: s, base: base, p: s.gp(), ld: s.loadStride(stride)}
}

// start moves to the first row of the vector of columns at off.
func (m *matrix) start(off reg.GPVirtual) {
	m.s.loadGPTo(m.base, m.p)
	m.s.increase(m.p, off)
}

func (m *matrix) next() { m.s.increase(m.p, m.ld) }

// mem returns vector i of the group at the current row.
func (m *matrix) mem(s *isa, i int) Mem { return Mem{Base: m.p, Disp: i * s.bytes()} }

// fetch brings vector i of the group into the cache eight rows ahead, the largest factor of an
// address. The rows of a wide map lie on pages of their own, where the processor does not prefetch.
func (m *matrix) fetch(s *isa, i int) {
	if i*s.bytes()%line > 0 && s.arm != nil {
		return
	}
	s.prefetch(Mem{Base: m.p, Index: m.ld, Scale: 8, Disp: i * s.bytes()})
}

// vectorsAt loads the vectors at off of a parameter with one value per column.
func (s *isa) vectorsAt(param string, off reg.GPVirtual, ks []mask) []reg.Register {
	t := s.loadGP(param)
	var vs []reg.Register
	for i, k := range ks {
		v := s.vec()
		s.load(s.at(t, off, i), k, v)
		vs = append(vs, v)
	}
	return vs
}

// zeros returns cleared registers, one for every mask.
func (s *isa) zeros(ks []mask) []reg.Register {
	var vs []reg.Register
	for range ks {
		vs = append(vs, s.zero())
	}
	return vs
}

// accumulate adds vs to the vectors at off of a parameter.
func (s *isa) accumulate(param string, off reg.GPVirtual, ks []mask, vs []reg.Register) {
	t, old := s.loadGP(param), s.vec()
	for i, k := range ks {
		m := s.at(t, off, i)
		s.load(m, k, old)
		s.add(old, vs[i], vs[i])
		s.store(vs[i], k, m)
	}
}

// startAt moves matrices to the first row of the vector of columns at off.
func startAt(off reg.GPVirtual, ms ...*matrix) {
	for _, m := range ms {
		m.start(off)
	}
}

// rowsOf emits a loop over the rows of the matrices at one vector of columns.
func (s *isa) rowsOf(off reg.GPVirtual, body func(), ms ...*matrix) {
	startAt(off, ms...)
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		body()
		for _, m := range ms {
			m.next()
		}
	})
}

// affine generates dst = act(a·src + b), with a and b per column.
func (s *isa) affine(act string) {
	s.text("affine"+act, "func(rows, cols int, dst *float32, ldd int, src *float32, lds int, a, b *float32)",
		"computes dst = act(a·src + b), a and b per column.")
	s.flushDenormals()
	dst, src := s.newMatrix("dst", "ldd"), s.newMatrix("src", "lds")
	if s.arm != nil && act == "GELU" {
		s.affineGELUNEON(dst, src)
		return
	}
	if act == "GELU" && s.wide() {
		s.affineGELU(dst, src)
		return
	}
	none := s.noneNEON()
	s.columns(s.loadGP("cols"), s.orNEON(s.pick(4, 2), 8), func(ks []mask, off reg.GPVirtual) {
		a, b := s.vectorsAt("a", off, ks), s.vectorsAt("b", off, ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				z := s.vec()
				s.load(src.mem(s, i), k, z)
				s.store(s.activate(act, s.mulAddOf(z, a[i], b[i]), none), k, dst.mem(s, i))
			}
		}, dst, src)
	})
	s.done()
}

// activate replaces z by act(z). none is the result of noneNEON.
func (s *isa) activate(act string, z, none reg.Register) reg.Register {
	switch act {
	case "": // the identity
	case "ReLU":
		zero := s.zeroOr(none)
		s.max(z, zero, z) // if one is NaN, x86 returns the second source
	case "GELU":
		cdf := s.vec()
		s.normal(z, cdf, nil)
		s.mul(z, cdf, z)
	default:
		panic("no activation " + act)
	}
	return z
}

// affineGrad generates the backward pass of affine before an activation. It computes the activation
// again, and so needs only the input of affine.
func (s *isa) affineGrad(act string) {
	s.text("affine"+act+"Grad",
		"func(rows, cols int, y *float32, ldy int, dz *float32, lddz int, x *float32, ldx int, "+
			"dy *float32, lddy int, a, b, mean, sum, dot *float32)",
		"computes, with z = a·x + b: y = act(z), dz = dy·act'(z), sum += Σ dz, dot += Σ dz·(x - mean).")
	s.flushDenormals()
	y := s.newMatrix("y", "ldy")
	dz := s.newMatrix("dz", "lddz")
	x := s.newMatrix("x", "ldx")
	dy := s.newMatrix("dy", "lddy")
	if s.arm != nil && act == "GELU" {
		s.affineGELUGradNEON(y, dz, x, dy)
		return
	}
	if act == "GELU" && s.wide() {
		s.affineGELUGrad(y, dz, x, dy)
		return
	}
	none := s.noneNEON()
	s.columns(s.loadGP("cols"), s.orNEON(s.pick(2, 1), 4), func(ks []mask, off reg.GPVirtual) {
		a, b, mean := s.vectorsAt("a", off, ks), s.vectorsAt("b", off, ks), s.vectorsAt("mean", off, ks)
		sum, dot := s.zeros(ks), s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				xv, z, g := s.vec(), s.vec(), s.vec()
				s.load(x.mem(s, i), k, xv)
				if s.arm != nil {
					z = s.mulAddOf(xv, a[i], b[i]).(reg.VecVirtual)
				} else {
					s.copyTo(xv, z)
					s.mulAdd(z, a[i], b[i])
				}
				s.load(dy.mem(s, i), k, g)
				x.fetch(s, i)
				dz.fetch(s, i)
				s.activateGrad(act, z, g, none)
				s.store(z, k, y.mem(s, i))
				s.store(g, k, dz.mem(s, i))
				s.add(g, sum[i], sum[i])
				s.sub(xv, mean[i], xv)
				s.addProduct(dot[i], g, xv)
			}
		}, y, dz, x, dy)
		s.accumulate("sum", off, ks, sum)
		s.accumulate("dot", off, ks, dot)
	})
	s.done()
}

// activateGrad replaces z by act(z) and g by g·act'(z). none is the result of noneNEON.
func (s *isa) activateGrad(act string, z, g, none reg.Register) {
	switch act {
	case "ReLU":
		zero := s.zeroOr(none)
		switch {
		case s.arm != nil:
			drop := s.vec()
			s.arm.word(0x6ea0d800, "fcmle v%d.4s, v%d.4s, #0.0", written(drop), read(z)) // false for NaN
			s.arm.word(0x4e601c00, "bic v%d.16b, v%d.16b, v%d.16b", written(g), read(g), read(drop))
		case s.wide():
			keep := K()
			VCMPPS(U8(6), zero, z, keep) // not z <= 0, true for NaN
			VMOVAPS_Z(g, keep, g)
		default:
			keep := s.vec()
			VCMPPS(U8(6), zero, z, keep)
			VANDPS(keep, g, g)
		}
		s.max(z, zero, z)
	case "GELU":
		cdf, pdf := s.vec(), s.vec()
		s.normal(z, cdf, pdf)
		s.mulAdd(pdf, z, cdf) // z·pdf + cdf
		s.mul(pdf, g, g)
		s.mul(z, cdf, z)
	default:
		panic("no activation " + act)
	}
}

// noneNEON returns a register of zeros for a whole function of arm64.
func (s *isa) noneNEON() reg.Register {
	if s.arm == nil {
		return nil
	}
	return s.zero()
}

// zeroOr returns none, or zeros if it is nil.
func (s *isa) zeroOr(none reg.Register) reg.Register {
	if none == nil {
		return s.zero()
	}
	return none
}

// combineColumns generates dst = a·x + p·y + q, with a, p, q per column: the gradient of the input
// of a batch norm.
func (s *isa) combineColumns() {
	s.text("combineColumns",
		"func(rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int, a, p, q *float32)",
		"computes dst = a·x + p·y + q, a, p and q per column.")
	s.flushDenormals()
	dst, x, y := s.newMatrix("dst", "ldd"), s.newMatrix("x", "ldx"), s.newMatrix("y", "ldy")
	s.columns(s.loadGP("cols"), s.orNEON(s.pick(4, 2), 8), func(ks []mask, off reg.GPVirtual) {
		a, p, q := s.vectorsAt("a", off, ks), s.vectorsAt("p", off, ks), s.vectorsAt("q", off, ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				xv, yv := s.vec(), s.vec()
				s.load(x.mem(s, i), k, xv)
				s.load(y.mem(s, i), k, yv)
				sum := s.mulAddOf(yv, p[i], q[i])
				s.addProduct(sum, a[i], xv)
				s.store(sum, k, dst.mem(s, i))
			}
		}, dst, x, y)
	})
	s.done()
}

// sweep emits body for all vectors of some matrices. It walks a narrow matrix in strips of columns,
// with few jumps and masks. It walks a wide one row by row, because strips would touch a page per
// row again and again.
func (s *isa) sweep(body func(ks []mask, at func(m *matrix, i int) Mem), ms ...*matrix) {
	cols, id := s.loadGP("cols"), label("sweep")
	group := s.orNEON(4, 8)
	s.jumpIf(cols, greater, U32(group*s.lanes), id+"_wide")
	s.columns(cols, group, func(ks []mask, off reg.GPVirtual) {
		s.rowsOf(off, func() {
			body(ks, func(m *matrix, i int) Mem { return m.mem(s, i) })
		}, ms...)
	})
	s.jump(id + "_end")
	s.place(id + "_wide")
	for _, m := range ms {
		s.loadGPTo(m.base, m.p)
	}
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		s.columns(s.loadGP("cols"), group, func(ks []mask, off reg.GPVirtual) {
			body(ks, func(m *matrix, i int) Mem { return s.at(m.p, off, i) })
		})
		for _, m := range ms {
			m.next()
		}
	})
	s.place(id + "_end")
}

// combine generates dst = alpha·x + beta·y.
func (s *isa) combine() {
	s.text("combine",
		"func(rows, cols int, dst *float32, ldd int, x *float32, ldx int, y *float32, ldy int, alpha, beta float32)",
		"computes dst = alpha·x + beta·y.")
	s.flushDenormals()
	dst, x, y := s.newMatrix("dst", "ldd"), s.newMatrix("x", "ldx"), s.newMatrix("y", "ldy")
	alpha, beta := s.param("alpha"), s.param("beta")
	s.sweep(func(ks []mask, at func(m *matrix, i int) Mem) {
		for i, k := range ks {
			xv, yv := s.vec(), s.vec()
			s.load(at(x, i), k, xv)
			s.load(at(y, i), k, yv)
			s.mul(yv, beta, yv)
			s.addProduct(yv, alpha, xv)
			s.store(yv, k, at(dst, i))
		}
	}, dst, x, y)
	s.done()
}

// copyRows generates the copy of a matrix of short rows, for which a call of memmove for each row
// would cost more than the copy.
func (s *isa) copyRows() {
	s.text("copyRows", "func(rows, cols int, dst *float32, ldd int, src *float32, lds int)", "copies a matrix.")
	dst, src := s.newMatrix("dst", "ldd"), s.newMatrix("src", "lds")
	s.sweep(func(ks []mask, at func(m *matrix, i int) Mem) {
		for i, k := range ks {
			v := s.vec()
			s.load(at(src, i), k, v)
			s.store(v, k, at(dst, i))
		}
	}, dst, src)
	s.ret()
}
