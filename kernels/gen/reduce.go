package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columnSums generates the sum over the rows of every column.
func (s *isa) columnSums() {
	s.text("columnSums", "func(rows, cols int, x *float32, ldx int, sum *float32)",
		"computes sum += Σ x over the rows of every column.")
	s.flushDenormals()
	x := newMatrix("x", "ldx")
	s.columns(loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
		acc := s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				v := s.vec()
				s.load(x.mem(s, i), k, v)
				VADDPS(v, acc[i], acc[i])
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
	x := newMatrix("x", "ldx")
	s.columns(loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
		mean, acc := s.vectorsAt("mean", off, ks), s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				v := s.vec()
				s.load(x.mem(s, i), k, v)
				VSUBPS(mean[i], v, v)
				VFMADD231PS(v, v, acc[i])
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
	dy, x := newMatrix("dy", "lddy"), newMatrix("x", "ldx")
	s.columns(loadGP("cols"), s.pick(4, 2), func(ks []mask, off reg.GPVirtual) {
		mean, sum, dot := s.vectorsAt("mean", off, ks), s.zeros(ks), s.zeros(ks)
		s.rowsOf(off, func() {
			for i, k := range ks {
				gv, xv := s.vec(), s.vec()
				s.load(dy.mem(s, i), k, gv)
				s.load(x.mem(s, i), k, xv)
				VADDPS(gv, sum[i], sum[i])
				VSUBPS(mean[i], xv, xv)
				VFMADD231PS(gv, xv, dot[i])
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
	x := loadGP("x")
	VBROADCASTSS(Mem{Base: x}, acc)
	s.vectors(func(k mask, off reg.GPVirtual) {
		v := s.vec()
		m := Mem{Base: x, Index: off, Scale: 1}
		if k.full {
			VMOVUPS(m, v)
			VMAXPS(v, acc, acc)
			return
		}
		// The lanes beyond the end must not take part.
		if s.wide() {
			VMOVAPS(acc, v)
			VMOVUPS(m, k.r, v)
		} else {
			s.load(m, k, v)
			VBLENDVPS(k.r, v, acc, v)
		}
		VMAXPS(v, acc, acc)
	})
	Store(s.maxLanes(acc), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// expSum generates the exponentials of a softmax and their sum.
func (s *isa) expSum() {
	s.text("expSum", "func(n int, dst, x *float32, shift float32) float32",
		"computes dst = exp(x - shift) and returns the sum. x - shift must not exceed 80.")
	s.flushDenormals()
	dst, x := loadGP("dst"), loadGP("x")
	shift, acc := s.param("shift"), s.zero()
	s.vectors(func(k mask, off reg.GPVirtual) {
		u := s.vec()
		s.load(Mem{Base: x, Index: off, Scale: 1}, k, u)
		VSUBPS(shift, u, u)
		s.mulC(1.4426950408889634, u, u)
		low := s.splat(-126)
		VMAXPS(u, low, u) // the second source is returned for NaN
		s.exp2(u)
		s.store(u, k, Mem{Base: dst, Index: off, Scale: 1})
		if !k.full { // the lanes beyond the end hold exp(0 - shift)
			if s.wide() {
				VMOVAPS_Z(u, k.r, u)
			} else {
				VANDPS(k.r, u, u)
			}
		}
		VADDPS(u, acc, acc)
	})
	Store(s.sumLanes(acc), ReturnIndex(0))
	s.done()
}

// dot generates the inner product of two vectors.
func (s *isa) dot() {
	s.text("dot", "func(n int, x, y *float32) float32", "returns Σ x·y.")
	s.flushDenormals()
	x, y, acc := loadGP("x"), loadGP("y"), s.zero()
	s.vectors(func(k mask, off reg.GPVirtual) {
		u, v := s.vec(), s.vec()
		s.load(Mem{Base: x, Index: off, Scale: 1}, k, u)
		s.load(Mem{Base: y, Index: off, Scale: 1}, k, v)
		VFMADD231PS(u, v, acc)
	})
	Store(s.sumLanes(acc), ReturnIndex(0))
	s.done()
}

// sumSquares generates Σ x² in float64.
func (s *isa) sumSquares() {
	s.text("sumSquares", "func(n int, x *float32) float64", "returns Σ x², summed in float64.")
	x, lo, hi := loadGP("x"), s.zero(), s.zero()
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
	Store(r.AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}
