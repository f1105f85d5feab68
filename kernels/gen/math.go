package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exp2Polynomial has the coefficients of 2^f for -½ <= f <= ½, from degree six to zero. They were
// fitted for the least relative error and then rounded to float32. In exact arithmetic the error of
// the rounded ones is at most 1.6e-8 (compared at 200,001 points in float64), a quarter of float32's
// unit roundoff.
var exp2Polynomial = [7]float64{
	0.0001535337360110134, 0.001339887734502554, 0.00961843691766262, 0.055503323674201965,
	0.24022647738456726, 0.6931471824645996, 1,
}

// The upper tail of the normal distribution at y >= 0 is exp(-y²/2)·t·Q(t) with t = 1/(1 + tailScale·y).
// That is the form of Abramowitz and Stegun 7.1.26 with two more terms. tailPolynomial has the
// coefficients of Q from degree six to zero. They and tailScale were fitted for the absolute error of
// the tail. It is at most 4.8e-8 in exact arithmetic, and y times it at most 1.8e-8 (compared with erfc
// at 40,001 points up to 13.3), so GELU is the exact erf form up to float32 rounding.
var tailPolynomial = [7]float64{
	-0.08195620775222778, 0.2811245620250702, -0.1774713546037674, 0.2150888293981552,
	0.05325064808130264, 0.10871002078056335, 0.10125352442264557,
}

const (
	leastExponent = -126 // of a normal float32

	tailScale = 0.255

	densityExponent = -math.Log2E / 2    // exp(-y²/2) is 2^(densityExponent·y²)
	densityFactor   = 0.3989422804014327 // 1/√2π
)

// exp2 replaces u by 2^u. u must not be above 127; at and below -127 the result is 0 or tiny. NaN
// stays NaN.
//
// 2^u = 2^n · 2^f with n = round(u), and exp2Polynomial for 2^f.
func (s *isa) exp2(u reg.Register) {
	n, f := s.vec(), s.vec()
	s.round(u, n)
	s.sub(u, n, f)
	s.splatTo(exp2Polynomial[0], u)
	for _, c := range exp2Polynomial[1:] {
		s.fmaC(c, f, u)
	}
	if s.wide() {
		VSCALEFPS(n, u, u)
		return
	}
	VCVTPS2DQ(n, n)
	VPSLLD(U8(23), n, n)
	VPADDD(n, u, u)
}

func (s *isa) round(src, dst reg.Register) {
	if s.wide() {
		VRNDSCALEPS(U8(8), src, dst)
	} else {
		VROUNDPS(U8(8), src, dst)
	}
}

// normal evaluates the standard normal distribution at z: its cumulative distribution function (cdf)
// and, if pdf is not nil, its density. AVX-512 has tables instead: see gelu.go.
//
// For y = |z| it computes the upper tail with tailPolynomial.
func (s *isa) normal(z, cdf, pdf reg.Register) {
	y, t, d := s.vec(), s.vec(), s.vec()
	s.bitsAnd(0x7fffffff, z, y)
	// From 13.22 on exp(-y²/2) is below the smallest normal number, and read as zero: the tail and
	// the density may be multiplied by any number. Larger y would not fit the exponent.
	s.splatTo(13.26, t)
	s.min(y, t, y) // if one is NaN, x86 returns the second source
	s.splatTo(1, d)
	s.addProduct(d, s.splat(tailScale), y)
	s.reciprocal(d, t)
	s.mul(y, y, y)
	s.mulC(densityExponent, y, y)
	s.exp2(y)
	q := d
	s.splatTo(tailPolynomial[0], q)
	for _, c := range tailPolynomial[1:] {
		s.fmaC(c, t, q)
	}
	s.mul(t, q, q)
	s.mul(y, q, q)
	if pdf != nil {
		s.mulC(densityFactor, y, pdf)
	}
	s.splatTo(1, t)
	s.sub(t, q, t)
	VBLENDVPS(z, q, t, cdf)
}

// reciprocal computes dst = 1/d to float32 rounding: an estimate and a Newton step.
func (s *isa) reciprocal(d, dst reg.Register) {
	if s.wide() {
		VRCP14PS(d, dst)
	} else {
		VRCPPS(d, dst)
	}
	e := s.splat(1)
	s.subProduct(e, d, dst) // e = 1 - d·r
	s.mulAdd(dst, e, dst)   // r = r·e + r
}

// sumLanes adds the float32 lanes of v and leaves the sum in lane 0 of the
// register returned, on arm64 in all lanes. It overwrites v.
func (s *isa) sumLanes(v reg.VecVirtual) reg.Register {
	if s.arm != nil {
		for range 2 {
			s.arm.word(0x6e20d400, "faddp v%d.4s, v%d.4s, v%d.4s", written(v), read(v), read(v))
		}
		return v
	}
	return s.foldLanes(v, VADDPS, VADDPS)
}

// maxLanes does the same with the maximum.
func (s *isa) maxLanes(v reg.VecVirtual) reg.Register {
	if s.arm != nil {
		for range 2 {
			s.arm.word(0x6e20f400, "fmaxp v%d.4s, v%d.4s, v%d.4s", written(v), read(v), read(v))
		}
		return v
	}
	return s.foldLanes(v, VMAXPS, VMAXPS)
}

// sums are registers for partial sums: one on x86. On arm64 vectors are short, and with one register
// each addition would wait for the one before.
type sums []reg.VecVirtual

func (s *isa) newSums() (out sums) {
	for range s.orNEON(1, 4) {
		out = append(out, s.zero())
	}
	return out
}

// copies returns such registers with the value of r.
func (s *isa) copies(r reg.VecVirtual) sums {
	out := sums{r}
	for range s.orNEON(1, 4) - 1 {
		t := s.vec()
		s.copyTo(r, t)
		out = append(out, t)
	}
	return out
}

// of returns the register for vector i of a group.
func (a sums) of(i int) reg.VecVirtual { return a[i%len(a)] }

// total adds the registers up into the first one.
func (s *isa) total(a sums) reg.VecVirtual {
	return s.join(a, s.add)
}

// join combines the registers into the first one, in pairs.
func (s *isa) join(a sums, combine func(x, y, dst reg.Register)) reg.VecVirtual {
	for n := len(a) / 2; n > 0; n /= 2 {
		for i := range n {
			combine(a[i+n], a[i], a[i])
		}
	}
	return a[0]
}

func (s *isa) foldLanes(v reg.VecVirtual, wide func(...Op), narrow func(...Op)) reg.Register {
	r := v
	t := XMM()
	if s.wide() {
		h := YMM()
		VEXTRACTF64X4(U8(1), r.AsZ(), h)
		wide(h, r.AsY(), r.AsY())
	}
	VEXTRACTF128(U8(1), r.AsY(), t)
	x := r.AsX()
	narrow(t, x, x)
	VPSHUFD(U8(0x4e), x, t)
	narrow(t, x, x)
	VPSHUFD(U8(0xb1), x, t)
	narrow(t, x, x)
	return x
}
