package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The part of an instruction set that computes with vectors of float32. The last operand is the
// result; a sum to which products are added is the first operand.

// add computes dst = a + b.
func (s *isa) add(a, b, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4e20d400, "fadd v%d.4s, v%d.4s, v%d.4s", written(dst), read(a), read(b))
		return
	}
	VADDPS(a, b, dst)
}

// sub computes dst = a - b.
func (s *isa) sub(a, b, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4ea0d400, "fsub v%d.4s, v%d.4s, v%d.4s", written(dst), read(a), read(b))
		return
	}
	VSUBPS(b, a, dst)
}

// mul computes dst = a · b.
func (s *isa) mul(a, b, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x6e20dc00, "fmul v%d.4s, v%d.4s, v%d.4s", written(dst), read(a), read(b))
		return
	}
	VMULPS(a, b, dst)
}

// div computes dst = a / b.
func (s *isa) div(a, b, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x6e20fc00, "fdiv v%d.4s, v%d.4s, v%d.4s", written(dst), read(a), read(b))
		return
	}
	VDIVPS(b, a, dst)
}

// sqrt computes dst = √a.
func (s *isa) sqrt(a, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x6ea1f800, "fsqrt v%d.4s, v%d.4s", written(dst), read(a))
		return
	}
	VSQRTPS(a, dst)
}

// max computes the larger of a and b. If a is NaN, so is the result; b must not be NaN.
func (s *isa) max(a, b, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4e20f400, "fmax v%d.4s, v%d.4s, v%d.4s", written(dst), read(a), read(b))
		return
	}
	VMAXPS(a, b, dst)
}

// min computes the smaller of a and b. If a is NaN, so is the result; b must not be NaN.
func (s *isa) min(a, b, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4ea0f400, "fmin v%d.4s, v%d.4s, v%d.4s", written(dst), read(a), read(b))
		return
	}
	VMINPS(a, b, dst)
}

// addProduct computes sum += a · b, rounded once.
func (s *isa) addProduct(sum, a, b reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4e20cc00, "fmla v%d.4s, v%d.4s, v%d.4s", changed(sum), read(a), read(b))
		return
	}
	VFMADD231PS(a, b, sum)
}

// subProduct computes sum -= a · b, rounded once.
func (s *isa) subProduct(sum, a, b reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4ea0cc00, "fmls v%d.4s, v%d.4s, v%d.4s", changed(sum), read(a), read(b))
		return
	}
	VFNMADD231PS(a, b, sum)
}

// mulAdd computes x = x · a + b, rounded once.
func (s *isa) mulAdd(x, a, b reg.Register) {
	if s.arm != nil {
		t := s.vec()
		s.copyTo(b, t)
		s.addProduct(t, x, a)
		s.copyTo(t, x)
		return
	}
	VFMADD213PS(b, a, x)
}

// mulAddOf returns x · a + b, rounded once. On x86 the result replaces x.
func (s *isa) mulAddOf(x, a, b reg.Register) reg.Register {
	if s.arm != nil {
		t := s.vec()
		s.copyTo(b, t)
		s.addProduct(t, x, a)
		return t
	}
	s.mulAdd(x, a, b)
	return x
}

// mulAddLast is mulAddOf for the last use of b: on arm64 the result replaces b.
func (s *isa) mulAddLast(x, a, b reg.Register) reg.Register {
	if s.arm != nil {
		s.addProduct(b, x, a)
		return b
	}
	s.mulAdd(x, a, b)
	return x
}

// copyTo computes dst = src.
func (s *isa) copyTo(src, dst reg.Register) {
	if s.arm != nil {
		s.arm.text("VMOV V%d.B16, V%d.B16", read(src), written(dst))
		return
	}
	VMOVAPS(src, dst)
}

// broadcast loads one value into all lanes.
func (s *isa) broadcast(m Mem, dst reg.Register) {
	if s.arm != nil {
		at, registers := s.arm.address(m)
		s.arm.text("FMOVS "+at+", F%d", append(registers, written(dst))...)
		s.spreadLane(dst, dst)
		return
	}
	VBROADCASTSS(m, dst)
}

// spreadLane copies lane 0 to all lanes. On x86 the register may have 128 bits.
func (s *isa) spreadLane(src, dst reg.Register) {
	if s.arm != nil {
		s.arm.word(0x4e040400, "dup v%d.4s, v%d.s[0]", written(dst), read(src))
		return
	}
	VBROADCASTSS(src, dst)
}

// result returns r, or the number in its lane 0, from the function.
func (s *isa) result(r reg.Register) {
	if s.arm == nil {
		Store(r, ReturnIndex(0))
		return
	}
	c := s.arm.function.Signature.Results().At(0)
	b, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	s.arm.text(map[string]string{
		"float32": "FMOVS F",
		"float64": "FMOVD F",
		"int":     "MOVD R",
	}[b.Type.Name()]+"%d, "+s.arm.component(c), read(r))
}

// ret leaves a function.
func (s *isa) ret() {
	if s.arm != nil {
		s.arm.ret()
		return
	}
	VZEROUPPER()
	RET()
}
