package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// inverseDCT generates the inverse transform of a block of a JPEG file. A vector has a column of
// coefficients, so that the pass over rows needs no transposition before it.
func (s *isa) inverseDCT() {
	s.text("inverseDCT",
		"func(block *int32, out *uint8, stride int)",
		"writes 8 rows of 8 values, and clears the block; see InverseDCT.")
	block, out, stride := loadGP("block"), loadGP("out"), loadGP("stride")
	eight := func(name string, v int32) Mem {
		u := uint32(v)
		return dwords(name, u, u, u, u, u, u, u, u)
	}
	var v [8]reg.VecVirtual
	least, most, zero := eight("dctLeast", -8192), eight("dctMost", 8192), YMM()
	VPXOR(zero, zero, zero)
	for i := range v {
		v[i] = YMM()
		VMOVDQU(Mem{Base: block, Disp: 32 * i}, v[i])
		VMOVDQU(zero, Mem{Base: block, Disp: 32 * i})
		VPMAXSD(least, v[i], v[i])
		VPMINSD(most, v[i], v[i])
	}

	times := map[int32]Mem{}
	for _, c := range []struct {
		name  string
		value int32
	}{{"dctW7", 565}, {"dctW1less7", 2276}, {"dctW1and7", 3406}, {"dctW3", 2408}, {"dctW3less5", 799}, {"dctW3and5", 4017},
		{"dctW6", 1108}, {"dctW2and6", 3784}, {"dctW2less6", 1568}, {"dct181", 181}} {
		times[c.value] = eight(c.name, c.value)
	}
	half, four, round := eight("dctHalf", 128), eight("dctFour", 4), eight("dctRound", 8192)

	// pair sets a and b to (w·(a+b)+r + ca·a) >> n and (w·(a+b)+r - cb·b) >> n.
	pair := func(a, b reg.VecVirtual, w, ca, cb int32, second bool) {
		sum := YMM()
		VPADDD(b, a, sum)
		VPMULLD(times[w], sum, sum)
		if second {
			VPADDD(four, sum, sum)
		}
		VPMULLD(times[ca], a, a)
		VPMULLD(times[cb], b, b)
		VPADDD(a, sum, a)
		VPSUBD(b, sum, b)
		if second {
			VPSRAD(U8(3), a, a)
			VPSRAD(U8(3), b, b)
		}
	}
	// butterfly sets a to a+b and b to a−b.
	butterfly := func(a, b reg.VecVirtual) {
		sum := YMM()
		VPADDD(b, a, sum)
		VPSUBD(b, a, b)
		VMOVDQA(sum, a)
	}
	pass := func(second bool) {
		x0, x1, x2, x3, x4, x5, x6, x7 := v[0], v[4], v[6], v[2], v[1], v[7], v[5], v[3]
		scale, rounding := uint8(11), half
		if second {
			scale, rounding = 8, round
		}
		VPSLLD(U8(scale), x0, x0)
		VPSLLD(U8(scale), x1, x1)
		VPADDD(rounding, x0, x0)
		pair(x4, x5, 565, 2276, 3406, second)
		// For the other two pairs the first factor is subtracted as well, or the roles are exchanged.
		sum := YMM()
		VPADDD(x7, x6, sum)
		VPMULLD(times[2408], sum, sum)
		if second {
			VPADDD(four, sum, sum)
		}
		VPMULLD(times[799], x6, x6)
		VPMULLD(times[4017], x7, x7)
		VPSUBD(x6, sum, x6)
		VPSUBD(x7, sum, x7)
		if second {
			VPSRAD(U8(3), x6, x6)
			VPSRAD(U8(3), x7, x7)
		}
		pair(x3, x2, 1108, 1568, 3784, second)

		butterfly(x0, x1) // x0+x1, x0−x1
		butterfly(x4, x6)
		butterfly(x5, x7)
		// Now x4 is x1 of the scalar code, x6 is x4, x5 is x6, and x7 is x5.
		butterfly(x0, x3)
		butterfly(x1, x2)
		// The rotation of x6 and x7.
		butterfly(x6, x7)
		for _, x := range []reg.VecVirtual{x6, x7} {
			VPMULLD(times[181], x, x)
			VPADDD(half, x, x)
			VPSRAD(U8(8), x, x)
		}
		butterfly(x0, x4)
		butterfly(x1, x6)
		butterfly(x2, x7)
		butterfly(x3, x5)
		v = [8]reg.VecVirtual{x0, x1, x2, x3, x5, x7, x6, x4}
		shift := uint8(8)
		if second {
			shift = 14
		}
		for _, x := range v {
			VPSRAD(U8(shift), x, x)
		}
	}
	pass(false)

	var t [8]reg.VecVirtual
	for i := range t {
		t[i] = YMM()
	}
	for i := 0; i < 8; i += 2 {
		VPUNPCKLDQ(v[i+1], v[i], t[i])
		VPUNPCKHDQ(v[i+1], v[i], t[i+1])
	}
	for i := 0; i < 8; i += 4 {
		VPUNPCKLQDQ(t[i+2], t[i], v[i])
		VPUNPCKHQDQ(t[i+2], t[i], v[i+1])
		VPUNPCKLQDQ(t[i+3], t[i+1], v[i+2])
		VPUNPCKHQDQ(t[i+3], t[i+1], v[i+3])
	}
	for i := 0; i < 4; i++ {
		VPERM2I128(U8(0x20), v[i+4], v[i], t[i])
		VPERM2I128(U8(0x31), v[i+4], v[i], t[i+4])
	}
	v = t
	pass(true)

	order, shift := YMM(), YMM()
	VMOVDQU(dwords("dctOrder", 0, 4, 1, 5, 2, 6, 3, 7), order)
	VPBROADCASTD(dwords("dctShift", 128|128<<16), shift)
	for i := 0; i < 8; i += 4 {
		VPACKSSDW(v[i+1], v[i], v[i])
		VPACKSSDW(v[i+3], v[i+2], v[i+2])
		VPADDSW(shift, v[i], v[i])
		VPADDSW(shift, v[i+2], v[i+2])
		VPACKUSWB(v[i+2], v[i], v[i])
		VPERMD(v[i], order, v[i])
		upper := XMM()
		VEXTRACTI128(U8(1), v[i], upper)
		for _, two := range []reg.VecVirtual{v[i].AsX().(reg.VecVirtual), upper} {
			VMOVQ(two, Mem{Base: out})
			ADDQ(stride, out)
			VMOVHPS(two, Mem{Base: out})
			ADDQ(stride, out)
		}
	}
	VZEROUPPER()
	RET()
}
