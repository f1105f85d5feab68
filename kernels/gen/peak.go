package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Loops that measure how many operations the processor can do: products in registers, without memory.
// Each has a sum of its own, so that none waits for another.

// peak generates a loop of n rounds that returns the number of its operations. step is an instruction
// that adds the products of x and y to a sum; it does ops operations.
func (s *isa) peak(name, doc string, ops int, step func(x, y, sum reg.Register)) {
	s.text(name, "func(n int) (ops int)", doc)
	sums := s.pick(24, 12)
	x, y := s.register(sums), s.register(sums+1)
	s.splatTo(1.0/1024, x)
	s.splatTo(1.0/1024, y)
	for i := range sums {
		s.clear(s.register(i))
	}
	n := s.loadGP("n")
	s.repeat("rounds", n, func() {
		for i := range sums {
			step(x, y, s.register(i))
		}
	})
	if s.arm == nil {
		VZEROUPPER()
	}
	s.multiplyBy(ops*sums, n, n)
	s.result(n)
	if s.arm != nil {
		s.ret()
		return
	}
	RET()
}

// peaksNEON generates the loops for arm64. Matrix instructions add the products of two rows of x with
// two of y to four sums.
func (s *isa) peaksNEON() {
	for _, l := range []struct {
		name, doc string
		ops       int // of an instruction
		code      uint32
		text      string
	}{
		{"peakFloat", "multiplies and adds float32 values for n rounds.", 2 * 4,
			0x4e20cc00, "fmla v%d.4s, v%d.4s, v%d.4s"},
		{"peakBF16", "multiplies matrices of bfloat16 values for n rounds. It needs BF16.", 2 * 4 * 4,
			0x6e40ec00, "bfmmla v%d.4s, v%d.8h, v%d.8h"},
		{"peakPairs",
			"multiplies bfloat16 values, and adds two products at a time, for n rounds. It needs BF16.", 2 * 2 * 4,
			0x6e40fc00, "bfdot v%d.4s, v%d.8h, v%d.8h"},
		{"peakBytes", "multiplies bytes, and adds four products at a time, for n rounds. It needs DotProd.", 2 * 4 * 4,
			0x4e809400, "sdot v%d.4s, v%d.16b, v%d.16b"},
		{"peakBytesI8MM", "multiplies matrices of bytes for n rounds. It needs I8MM.", 2 * 8 * 4,
			0x4e80a400, "smmla v%d.4s, v%d.16b, v%d.16b"},
	} {
		s.peak(l.name, l.doc, l.ops, func(x, y, sum reg.Register) {
			s.arm.word(l.code, l.text, changed(sum), read(x), read(y))
		})
	}
}

// peaks generates the loops for float32 and for bytes.
func (s *isa) peaks() {
	s.peak("peakFloat", "multiplies and adds float32 values for n rounds.", 2*s.lanes, func(x, y, sum reg.Register) {
		VFMADD231PS(x, y, sum)
	})
	const bytes = "multiplies bytes, and adds four products at a time, for n rounds. It needs VNNI."
	s.peak("peakBytes", bytes, 2*4*s.lanes, func(x, y, sum reg.Register) {
		if s.wide() {
			VPDPBUSD(x, y, sum)
		} else {
			raw(vexBytes(x, y, sum), []reg.Register{x, y, sum}, []reg.Register{sum})
		}
	})
}

// vexBytes encodes VPDPBUSD on registers of 256 bits with a VEX prefix, for processors without
// AVX-512.
func vexBytes(x, y, sum reg.Register) []byte {
	d, f, s := number(sum), number(y), number(x)
	code := vex(0x66, int(f), d, 0, s)
	code[2] |= 1 << 2 // 256 bits
	return append(code, 0x50, 3<<6|d&7<<3|s&7)
}

// bf16Peak generates the loop for VDPBF16PS.
func (s *isa) bf16Peak() {
	s.peak("peak", "multiplies bfloat16 values, and adds two products at a time, for n rounds.", 2*2*s.lanes, dotPairs)
}

// amxPeak generates the loop for an instruction on tiles with values of this many bytes.
func (s *isa) amxPeak(name, values string, size int, prefix, opcode byte) {
	const sums, rows, bytes = 4, 16, 64
	TEXT(name+s.name, 4, "func(n int) (ops int)") // NOSPLIT
	Doc(fmt.Sprintf("%s%s multiplies tiles of %s for n rounds.", name, s.name, values))
	LEAQ(s.tileConfig(), reg.R8)
	raw(vexMemory(0, 0x49, 0, reg.R8, nil), []reg.Register{reg.R8}, nil) // LDTILECFG
	for tile := range 8 {
		raw(vexTiles(0xf2, 0x49, tile, 0, 0), nil, nil) // TILEZERO
	}
	n, k := GP64(), GP64()
	Load(Param("n"), n)
	MOVQ(n, k)
	TESTQ(k, k)
	JZ(LabelRef("end"))
	Label("rounds")
	for i := range sums {
		raw(vexTiles(prefix, opcode, i, tileA+i/2, tileB+i%2), nil, nil)
	}
	DECQ(k)
	JNZ(LabelRef("rounds"))
	Label("end")
	raw(vexTiles(0, 0x49, 0, 0, 0), nil, nil) // TILERELEASE
	IMUL3Q(U32(2*sums*rows*rows*bytes/size), n, n)
	Store(n, ReturnIndex(0))
	RET()
}

// amxPeaks generates the loops for TDPBF16PS and TDPBUSD.
func (s *isa) amxPeaks() {
	s.amxPeak("peak", "bfloat16 values", 2, 0xf3, 0x5c)
	s.amxPeak("peakBytes", "bytes", 1, 0x66, 0x5e)
}
