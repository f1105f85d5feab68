package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose8 generates the transposition of blocks of 8×8 values.
func (s *isa) transpose8() {
	s.text("transpose8", "func(blocks int, dst *float32, ldd int, src *float32, lds int)",
		"transposes 8×8 blocks: dst[c][r] = src[r][c]; "+
			"the blocks lie side by side in src and below each other in dst.")
	blocks := s.loadGP("blocks")
	dst := s.loadGP("dst")
	ldd := s.loadStride("ldd")
	src := s.loadGP("src")
	lds := s.loadStride("lds")
	if s.arm != nil {
		s.repeat(label("blocks"), blocks, func() { s.transpose8Quads(dst, ldd, src, lds) })
		s.ret()
		return
	}
	in, out := s.gp(), s.gp()
	s.repeat(label("blocks"), blocks, func() {
		var r, t [8]reg.Register
		s.move(src, in)
		for i := range r {
			r[i], t[i] = YMM(), YMM()
			VMOVUPS(Mem{Base: in}, r[i])
			s.increase(in, lds)
		}
		for i := 0; i < 8; i += 2 {
			VUNPCKLPS(r[i+1], r[i], t[i])
			VUNPCKHPS(r[i+1], r[i], t[i+1])
		}
		for i := 0; i < 8; i += 4 {
			VSHUFPS(U8(0x44), t[i+2], t[i], r[i])
			VSHUFPS(U8(0xee), t[i+2], t[i], r[i+1])
			VSHUFPS(U8(0x44), t[i+3], t[i+1], r[i+2])
			VSHUFPS(U8(0xee), t[i+3], t[i+1], r[i+3])
		}
		for i := 0; i < 4; i++ {
			VPERM2F128(U8(0x20), r[i+4], r[i], t[i])
			VPERM2F128(U8(0x31), r[i+4], r[i], t[i+4])
		}
		s.move(dst, out)
		for i := range t {
			VMOVUPS(t[i], Mem{Base: out})
			s.increase(out, ldd)
		}
		s.increase(src, U32(32))
		s.move(out, dst)
	})
	s.ret()
}
