package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columnSums generates the sum over the rows of every column.
func (s *isa) columnSums() {
	s.text("columnSums", "func(rows, cols int, x *float32, ldx int, sum *float32)",
		"computes sum += Σ x over the rows of every column.")
	s.flushDenormals()
	x := s.newMatrix("x", "ldx")
	s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
		acc := s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				v := s.vec()
				s.load(x.mem(s, i), k, v)
				s.add(v, acc[i], acc[i])
			}
		}, x)
		s.accumulate("sum", off, ks, acc)
	})
	s.done()
}

// columnDeviations generates the sum of the squared distances to a mean.
func (s *isa) columnDeviations() {
	s.text("columnDeviations", "func(rows, cols int, x *float32, ldx int, mean, sum *float32)",
		"computes sum += Σ (x - mean)² over the rows of every column.")
	s.flushDenormals()
	x := s.newMatrix("x", "ldx")
	s.columns(s.loadGP("cols"), s.orNEON(4, 8), func(ks []mask, off reg.GPVirtual) {
		mean, acc := s.vectorsAt("mean", off, ks), s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				v := s.vec()
				s.load(x.mem(s, i), k, v)
				s.sub(v, mean[i], v)
				s.addProduct(acc[i], v, v)
			}
		}, x)
		s.accumulate("sum", off, ks, acc)
	})
	s.done()
}

// columnDots generates the two sums that a batch norm's backward pass needs.
func (s *isa) columnDots() {
	s.text("columnDots", "func(rows, cols int, dy *float32, lddy int, x *float32, ldx int, mean, sum, dot *float32)",
		"computes sum += Σ dy and dot += Σ dy·(x - mean) over the rows of every column.")
	s.flushDenormals()
	dy, x := s.newMatrix("dy", "lddy"), s.newMatrix("x", "ldx")
	s.columns(s.loadGP("cols"), s.orNEON(s.pick(4, 2), 8), func(ks []mask, off reg.GPVirtual) {
		mean, sum, dot := s.vectorsAt("mean", off, ks), s.zeros(ks), s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				gv, xv := s.vec(), s.vec()
				s.load(dy.mem(s, i), k, gv)
				s.load(x.mem(s, i), k, xv)
				s.add(gv, sum[i], sum[i])
				s.sub(xv, mean[i], xv)
				s.addProduct(dot[i], gv, xv)
			}
		}, dy, x)
		s.accumulate("sum", off, ks, sum)
		s.accumulate("dot", off, ks, dot)
	})
	s.done()
}

// vectorMax generates the largest value of a vector.
func (s *isa) vectorMax() {
	s.text("vectorMax", "func(n int, x *float32) float32", "returns the largest of n > 0 values.")
	acc := s.vec()
	x := s.loadGP("x")
	s.broadcast(Mem{Base: x}, acc)
	highest := s.copies(acc)
	s.vectorGroups(8, func(ks []mask, off reg.GPVirtual) {
		for i, k := range ks {
			v, top := s.vec(), highest.of(i)
			s.loadOver(top, s.at(x, off, i), k, v) // the lanes past the end must not take part
			s.max(v, top, top)
		}
	})
	s.result(s.maxLanes(s.join(highest, s.max)))
	s.ret()
}

// expSum generates the exponentials of a softmax and their sum.
func (s *isa) expSum() {
	s.text("expSum", "func(n int, dst, x *float32, shift float32) float32",
		"computes dst = exp(x - shift) and returns the sum. x - shift must not exceed 80.")
	s.flushDenormals()
	dst, x := s.loadGP("dst"), s.loadGP("x")
	if s.arm != nil {
		s.expSumNEON(dst, x)
		return
	}
	shift, acc := s.param("shift"), s.zero()
	s.vectors(func(k mask, off reg.GPVirtual) {
		u := s.vec()
		s.load(Mem{Base: x, Index: off, Scale: 1}, k, u)
		s.sub(u, shift, u)
		s.mulC(math.Log2E, u, u)
		low := s.splat(leastExponent)
		s.max(u, low, u) // if one is NaN, x86 returns the second source
		s.exp2(u)
		s.store(u, k, Mem{Base: dst, Index: off, Scale: 1})
		if !k.full { // the lanes past the end hold exp(0 - shift)
			if s.wide() {
				VMOVAPS_Z(u, k.r, u)
			} else {
				VANDPS(k.r, u, u)
			}
		}
		s.add(u, acc, acc)
	})
	s.result(s.sumLanes(acc))
	s.done()
}

// dot generates the inner product of two vectors.
func (s *isa) dot() {
	s.text("dot", "func(n int, x, y *float32) float32", "returns Σ x·y.")
	s.flushDenormals()
	x, y, acc := s.loadGP("x"), s.loadGP("y"), s.newSums()
	s.vectorGroups(8, func(ks []mask, off reg.GPVirtual) {
		for i, k := range ks {
			u, v := s.vec(), s.vec()
			s.load(s.at(x, off, i), k, u)
			s.load(s.at(y, off, i), k, v)
			s.addProduct(acc.of(i), u, v)
		}
	})
	s.result(s.sumLanes(s.total(acc)))
	s.done()
}

// sumSquares generates Σ x² in float64.
func (s *isa) sumSquares() {
	s.text("sumSquares", "func(n int, x *float32) float64", "returns Σ x², summed in float64.")
	if s.arm != nil {
		s.sumSquaresNEON()
		return
	}
	x, lo, hi := s.loadGP("x"), s.zero(), s.zero()
	s.vectors(func(k mask, off reg.GPVirtual) {
		v := s.vec()
		s.load(Mem{Base: x, Index: off, Scale: 1}, k, v)
		d, h := s.vec(), s.vec()
		if s.wide() {
			VCVTPS2PD(v.AsY(), d)
			VFMADD231PD(d, d, lo)
			VEXTRACTF64X4(U8(1), v, h.AsY())
			VCVTPS2PD(h.AsY(), d)
		} else {
			VCVTPS2PD(v.AsX(), d)
			VFMADD231PD(d, d, lo)
			VEXTRACTF128(U8(1), v, h.AsX())
			VCVTPS2PD(h.AsX(), d)
		}
		VFMADD231PD(d, d, hi)
	})
	VADDPD(hi, lo, lo)
	r := lo
	t := XMM()
	if s.wide() {
		h := YMM()
		VEXTRACTF64X4(U8(1), r.AsZ(), h)
		VADDPD(h, r.AsY(), r.AsY())
	}
	VEXTRACTF128(U8(1), r.AsY(), t)
	VADDPD(t, r.AsX(), r.AsX())
	VPSHUFD(U8(0x4e), r.AsX(), t)
	VADDPD(t, r.AsX(), r.AsX())
	s.result(r.AsX())
	s.ret()
}
