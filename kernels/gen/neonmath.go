package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Exponentials and GELU for NEON. Its multiply-add overwrites the sum, so Horner's scheme would cost
// a copy for each coefficient. Here the even coefficients are loaded into the registers of the sums,
// the odd ones are lanes of a register that products read, and pairs of terms are combined by the
// square of the variable. Each step is emitted for two vectors before the next step, because the steps
// of one vector wait for each other. The coefficients are in math.go.

// interleaved is the number of vectors that take a step one after the other.
const interleaved = 2

// exps is what exponentials keep in registers.
type exps struct {
	*isa
	lanes reg.Register // the coefficients of degree 2, 4 and 6, and the factor of the exponent
	whole reg.Register // wholeBits
}

// wholeBits is 3·2^22. float32 numbers near it are 1 apart, so the last bit of a sum with it is
// worth one.
const wholeBits = 3 << 22

// newExps prepares exponentials 2^(factor·x), between flushDenormals and restoreDenormals.
func (s *isa) newExps(factor float64) *exps {
	// All NaN become the default NaN, whose low bits are zero.
	const defaultNaN = 1 << 25
	s.arm.text("MOVD FPCR, " + scratch)
	s.arm.text(fmt.Sprintf("ORR $%d, %s", defaultNaN, scratch))
	s.arm.text("MOVD " + scratch + ", FPCR")
	c := exp2Polynomial
	e := &exps{s, s.laneConstants(c[4], c[2], c[0], factor), s.vec()}
	s.splatTo(wholeBits, e.whole)
	return e
}

// expNEON prepares exponentials on arm64.
func (s *isa) expNEON() *exps {
	if s.arm == nil {
		return nil
	}
	return s.newExps(math.Log2E)
}

// of replaces x by 2^(factor·x). The exponent must not be above 127; below -126.5 the result is
// undefined. NaN stays NaN.
//
// 2^u = 2^n · 2^f with n = round(u), which is in the low bits of the sum of u and whole. The
// polynomial is the one of exp2.
func (e *exps) of(xs []reg.Register) {
	s := e.isa
	u, f, f2 := s.vecs(len(xs)), s.vecs(len(xs)), s.vecs(len(xs))
	p, q, r := s.vecs(len(xs)), s.vecs(len(xs)), s.vecs(len(xs))
	for i, x := range xs {
		s.splatTo(wholeBits, u[i])
		s.arm.addLane(u[i], x, e.lanes, 3)
	}
	for i := range xs {
		s.sub(e.whole, u[i], f[i])
	}
	for i, x := range xs {
		s.arm.addLane(f[i], x, e.lanes, 3)
	}
	for i := range xs {
		s.mul(f[i], f[i], f2[i])
	}
	term := func(sum []reg.Register, odd float64, lane int) {
		for i := range xs {
			s.splatTo(odd, sum[i])
			s.arm.addLane(sum[i], f[i], e.lanes, lane)
		}
	}
	term(r, exp2Polynomial[1], 2)
	term(q, exp2Polynomial[3], 1)
	for i := range xs {
		s.addProduct(q[i], r[i], f2[i])
	}
	term(p, exp2Polynomial[5], 0)
	for i := range xs {
		s.addProduct(p[i], q[i], f2[i])
	}
	for i, x := range xs {
		s.splatTo(1, x)
		s.addProduct(x, p[i], f[i])
		s.arm.text("VSHL $23, V%d.S4, V%d.S4", read(u[i]), written(u[i]))
	}
	for i, x := range xs {
		s.arm.text("VADD V%d.S4, V%d.S4, V%d.S4", read(u[i]), read(x), written(x))
	}
}

// shifted loads vectors of x and replaces them by exp(x - shift).
func (e *exps) shifted(ks []mask, at func(i int) reg.Register, shift, low reg.Register) {
	for from := 0; from < len(ks); from += interleaved {
		var us []reg.Register
		for i := from; i < min(from+interleaved, len(ks)); i++ {
			u := at(i)
			e.sub(u, shift, u)
			e.max(u, low, u)
			us = append(us, u)
		}
		e.of(us)
	}
}

// lowestExponent keeps 2^u from leaving the range of normal numbers.
const lowestExponent = leastExponent / math.Log2E

// sumExps emits the loop of a softmax: it writes exp(x - shift), and returns the sum in all lanes.
func (e *exps) sumExps(cols, dst, x reg.GPVirtual, shift, low reg.Register) reg.VecVirtual {
	s, acc := e.isa, e.newSums()
	s.columns(cols, 4, func(ks []mask, off reg.GPVirtual) {
		us := s.vecs(len(ks))
		e.shifted(ks, func(i int) reg.Register {
			s.load(s.at(x, off, i), ks[i], us[i])
			return us[i]
		}, shift, low)
		for i, k := range ks {
			s.store(us[i], k, s.at(dst, off, i))
			s.lanesOf(us[i], k) // the lanes past the end hold exp(0 - shift)
			s.add(us[i], acc.of(i), acc.of(i))
		}
	})
	return s.sumLanes(s.total(acc)).(reg.VecVirtual)
}

// expSumNEON is expSum after its parameters.
func (s *isa) expSumNEON(dst, x reg.GPVirtual) {
	e := s.expNEON()
	s.result(e.sumExps(s.loadGP("n"), dst, x, s.param("shift"), s.splat(lowestExponent)))
	s.done()
}

// finishSoftmaxNEON is the part of softmaxRows after the maximum of a row.
func (s *isa) finishSoftmaxNEON(e *exps, x reg.GPVirtual, shift reg.Register) {
	scale := e.sumExps(s.loadGP("cols"), x, x, shift, s.splat(lowestExponent))
	s.div(s.splat(1), scale, scale)
	s.columns(s.loadGP("cols"), 8, func(ks []mask, off reg.GPVirtual) {
		for i, k := range ks {
			v := s.vec()
			s.load(s.at(x, off, i), k, v)
			s.mul(scale, v, v)
			s.store(v, k, s.at(x, off, i))
		}
	})
}

// laneConstants loads four constants into a register.
func (s *isa) laneConstants(v ...float64) reg.Register {
	var lanes [4]uint32
	for i := range v {
		lanes[i] = math.Float32bits(float32(v[i]))
	}
	r := s.vec()
	s.arm.loadVector(lanes, r)
	return r
}

// vecs returns n registers.
func (s *isa) vecs(n int) (out []reg.Register) {
	for range n {
		out = append(out, s.vec())
	}
	return out
}

// sumSquaresNEON is sumSquares: it converts halves of a vector to float64.
func (s *isa) sumSquaresNEON() {
	x, acc := s.loadGP("x"), s.newSums()
	add := func(format string, code uint32, v, sum reg.Register) {
		d := s.vec()
		s.arm.word(code, format, written(d), read(v))
		s.arm.word(0x4e60cc00, "fmla v%d.2d, v%d.2d, v%d.2d", changed(sum), read(d), read(d))
	}
	s.vectorGroups(4, func(ks []mask, off reg.GPVirtual) {
		for i, k := range ks {
			v := s.vec()
			s.load(s.at(x, off, i), k, v)
			add("fcvtl v%d.2d, v%d.2s", 0x0e617800, v, acc.of(2*i))
			add("fcvtl2 v%d.2d, v%d.4s", 0x4e617800, v, acc.of(2*i+1))
		}
	})
	r := s.join(acc, func(a, b, dst reg.Register) {
		s.arm.word(0x4e60d400, "fadd v%d.2d, v%d.2d, v%d.2d", written(dst), read(a), read(b))
	})
	s.arm.word(0x7e70d800, "faddp d%d, v%d.2d", written(r), read(r))
	s.result(r)
	s.ret()
}

// tails is what GELU keeps in registers. With y = |z|, the upper tail q of the normal distribution is
// exp(-y²/2)·p with p = t·Q(t), t = 1/(1 + tailScale·y): see normal. Then
//
//	gelu(z)  = max(z, 0) - y·q
//	gelu'(z) = q + y·q' = exp(-y²/2)·(p - y/√2π) for z < 0, and 1 minus that for others
type tails struct {
	*exps
	odd              reg.Register // the coefficients of Q of degree 1, 3, 5 and 6
	other            reg.Register // tailScale and densityFactor
	none, one, limit reg.Register
}

func (s *isa) newTails() *tails {
	q := tailPolynomial
	return &tails{
		exps:  s.newExps(densityExponent),
		odd:   s.laneConstants(q[5], q[3], q[1], q[0]),
		other: s.laneConstants(tailScale, densityFactor),
		none:  s.splat(math.Copysign(0, -1)), // so that -0 stays -0
		one:   s.splat(1),
		limit: s.splat(13.15), // from there on y·q is below the smallest normal float32
	}
}

// of returns y, p and exp(-y²/2).
func (t *tails) of(zs []reg.Register) (y, p, e []reg.Register) {
	s, n := t.isa, len(zs)
	y, p, e = s.vecs(n), s.vecs(n), s.vecs(n)
	d, d2, q, r := s.vecs(n), s.vecs(n), s.vecs(n), s.vecs(n)
	for i, z := range zs {
		s.arm.word(0x4ea0f800, "fabs v%d.4s, v%d.4s", written(y[i]), read(z))
		s.min(y[i], t.limit, y[i])
	}
	for i := range zs {
		s.splatTo(1, d[i])
		s.arm.addLane(d[i], y[i], t.other, 0)
		s.mul(y[i], y[i], e[i])
	}
	for i := range zs {
		s.div(t.one, d[i], d[i])
	}
	t.exps.of(e)
	for i := range zs {
		s.mul(d[i], d[i], d2[i])
		s.splatTo(tailPolynomial[2], r[i])
		s.arm.addLane(r[i], d[i], t.odd, 2)
		s.splatTo(tailPolynomial[4], q[i])
		s.arm.addLane(q[i], d[i], t.odd, 1)
		s.splatTo(tailPolynomial[6], p[i])
		s.arm.addLane(p[i], d[i], t.odd, 0)
	}
	for i := range zs {
		s.arm.addLane(r[i], d2[i], t.odd, 3)
	}
	for i := range zs {
		s.addProduct(q[i], r[i], d2[i])
	}
	for i := range zs {
		s.addProduct(p[i], q[i], d2[i])
	}
	for i := range zs {
		s.mul(p[i], d[i], p[i])
	}
	return y, p, e
}

// gelu replaces z by gelu(z).
func (t *tails) gelu(zs []reg.Register) {
	y, p, e := t.of(zs)
	for i, z := range zs {
		t.mul(y[i], e[i], y[i])
		t.max(z, t.none, z)
	}
	for i, z := range zs {
		t.subProduct(z, p[i], y[i])
	}
}

// geluGrad replaces z by gelu(z), and returns gelu'(z).
func (t *tails) geluGrad(zs []reg.Register) (slopes []reg.Register) {
	s := t.isa
	y, p, e := t.of(zs)
	w, below := s.vecs(len(zs)), s.vecs(len(zs))
	for i, z := range zs {
		s.copyTo(p[i], w[i])
		s.arm.subLane(w[i], y[i], t.other, 1)
		s.arm.word(0x4ea0a800, "cmlt v%d.4s, v%d.4s, #0", written(below[i]), read(z))
		s.mul(y[i], e[i], y[i])
		s.max(z, t.none, z)
	}
	for i, z := range zs {
		s.mul(w[i], e[i], w[i])
		s.subProduct(z, p[i], y[i])
	}
	for i := range zs {
		s.sub(t.one, w[i], e[i])
		s.arm.word(0x6e601c00, "bsl v%d.16b, v%d.16b, v%d.16b", changed(below[i]), read(w[i]), read(e[i]))
	}
	return below
}

// subLane subtracts from sum the products of b with a lane of a.
func (a *arm64) subLane(sum, b, of reg.Register, lane int) {
	code := uint32(0x4f805000) | uint32(lane&1)<<21 | uint32(lane>>1)<<11
	a.word(code, fmt.Sprintf("fmls v%%d.4s, v%%d.4s, v%%d.s[%d]", lane), changed(sum), read(b), read(of))
}

// perColumn is a parameter with a value for each column: in a register if there is one vector, and in
// memory if there are several, for which GELU leaves too few registers.
type perColumn struct {
	s    *isa
	held []reg.Register
	p    reg.GPVirtual
}

func (s *isa) perColumn(param string, off reg.GPVirtual, ks []mask) perColumn {
	if len(ks) == 1 {
		return perColumn{s: s, held: s.vectorsAt(param, off, ks)}
	}
	p := s.loadGP(param)
	s.increase(p, off)
	return perColumn{s: s, p: p}
}

// of returns a register with the values of vector i. It may be overwritten if it is a copy.
func (c perColumn) of(i int, copied bool) reg.Register {
	if c.held != nil && !copied {
		return c.held[i]
	}
	v := c.s.vec()
	if c.held != nil {
		c.s.copyTo(c.held[i], v)
	} else {
		c.s.load(Mem{Base: c.p, Disp: i * c.s.bytes()}, c.s.fullMask(), v)
	}
	return v
}

// interleave calls body for some vectors of a group at a time.
func interleave(ks []mask, body func(first int, ks []mask)) {
	for i := 0; i < len(ks); i += interleaved {
		body(i, ks[i:min(i+interleaved, len(ks))])
	}
}

// affineGELUNEON emits the loops of affine with GELU, and ends the function.
func (s *isa) affineGELUNEON(dst, src *matrix) {
	t := s.newTails()
	s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
		a, b := s.vectorsAt("a", off, ks), s.perColumn("b", off, ks)
		s.rowsOf(off, func() {
			interleave(ks, func(first int, ks []mask) {
				zs := s.vecs(len(ks))
				for i, k := range ks {
					x := s.vec()
					s.load(src.mem(s, first+i), k, x)
					zs[i] = b.of(first+i, true)
					s.addProduct(zs[i], x, a[first+i])
				}
				t.gelu(zs)
				for i, k := range ks {
					s.store(zs[i], k, dst.mem(s, first+i))
				}
			})
		}, dst, src)
	})
	s.done()
}

// affineGELUGradNEON emits the loops of affineGrad with GELU, and ends the function.
func (s *isa) affineGELUGradNEON(y, dz, x, dy *matrix) {
	t := s.newTails()
	s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
		a, b, mean := s.perColumn("a", off, ks), s.perColumn("b", off, ks), s.perColumn("mean", off, ks)
		sum, dot := s.zeros(ks), s.zeros(ks)
		s.rowsOf(off, func() {
			interleave(ks, func(first int, ks []mask) {
				zs := s.vecs(len(ks))
				for i, k := range ks {
					xv := s.vec()
					s.load(x.mem(s, first+i), k, xv)
					x.fetch(s, first+i)
					dz.fetch(s, first+i)
					zs[i] = b.of(first+i, true)
					s.addProduct(zs[i], xv, a.of(first+i, false))
				}
				slopes := t.geluGrad(zs)
				for i, k := range ks {
					n, g, xv := first+i, s.vec(), s.vec()
					s.load(x.mem(s, n), k, xv) // y and dz are other matrices
					s.load(dy.mem(s, n), k, g)
					s.mul(slopes[i], g, g)
					s.store(zs[i], k, y.mem(s, n))
					s.store(g, k, dz.mem(s, n))
					s.add(g, sum[n], sum[n])
					s.sub(xv, mean.of(n, false), xv)
					s.addProduct(dot[n], g, xv)
				}
			})
		}, y, dz, x, dy)
		s.accumulate("sum", off, ks, sum)
		s.accumulate("dot", off, ks, dot)
	})
	s.done()
}
