package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products in bfloat16 with the tiles of AMX. A tile has 16 rows of 64 bytes. All eight tiles
// have that size in every kernel, and operands are padded to it.

// The tiles: four sums, two of A below each other, two of B next to each other.
const (
	tileA = 4
	tileB = 6
)

// amxTiles generates the product of rows of bfloat16 with nv vectors of a panel of pairs, 16
// columns each.
func (s *isa) amxTiles(nv int) {
	TEXT(fmt.Sprintf("tiles%d%s", nv, s.name), 4, // NOSPLIT
		"func(m int, a *uint16, lda int, b *float32, ldb, steps int, c *float32, ldc, add int)")
	Pragma("noescape")
	Doc(fmt.Sprintf(
		"tiles%d%s computes C = A·B, or C += A·B if add is not 0, for m rows, a multiple of 16, "+
			"of 32·steps values, and %d columns.",
		nv, s.name, 16*nv,
	))
	config := s.tileConfig()
	// Instructions name these registers by their number.
	a := [2]reg.Register{reg.R8, reg.R9}
	b := [2]reg.Register{reg.R10, reg.R11}
	c := [2]reg.Register{reg.R12, reg.R13}
	lda, ldb, ldc := reg.RSI, reg.RDI, reg.RDX
	m, nextA, nextC, k, t := GP64(), GP64(), GP64(), GP64(), GP64()

	LEAQ(config, a[0])
	raw(vexMemory(0, 0x49, 0, a[0], nil), []reg.Register{a[0]}, nil) // LDTILECFG
	for _, p := range []struct {
		name  string
		r     reg.Register
		shift uint8
	}{{"lda", lda, 1}, {"ldb", ldb, 2}, {"ldc", ldc, 2}} {
		Load(Param(p.name), t)
		SHLQ(U8(p.shift), t)
		MOVQ(t, p.r)
	}
	Load(Param("m"), m)
	Load(Param("a"), nextA)
	Load(Param("c"), nextC)
	for _, high := range []int{2, 1} { // tiles below each other
		loop, end := fmt.Sprintf("rows%d", high), fmt.Sprintf("end%d", high)
		Label(loop)
		CMPQ(m, U32(16*high))
		JLT(LabelRef(end))
		MOVQ(nextA, a[0])
		MOVQ(nextC, c[0])
		for _, p := range []struct {
			at, next reg.Register
			ld, from reg.Register
		}{{a[1], nextA, lda, a[0]}, {c[1], nextC, ldc, c[0]}} {
			MOVQ(p.ld, t)
			SHLQ(U8(4), t) // 16 rows
			ADDQ(t, p.next)
			if high == 2 {
				MOVQ(p.next, p.at)
				ADDQ(t, p.next)
			}
		}
		Load(Param("b"), t)
		MOVQ(t, b[0])
		ADDQ(U32(64), t)
		MOVQ(t, b[1])
		sums := func(prefix byte) {
			for i := range high {
				for j := range nv {
					if j == 1 {
						ADDQ(U32(64), c[i])
					}
					s.tileMemory(prefix, 2*i+j, c[i], ldc)
				}
				if nv == 2 {
					SUBQ(U32(64), c[i])
				}
			}
		}
		Load(Param("add"), t)
		TESTQ(t, t)
		JZ(LabelRef(loop + "_zero"))
		sums(tileLoad)
		JMP(LabelRef(loop + "_start"))
		Label(loop + "_zero")
		for i := range high {
			for j := range nv {
				raw(vexTiles(0xf2, 0x49, 2*i+j, 0, 0), nil, nil) // TILEZERO
			}
		}
		Label(loop + "_start")
		MOVQ(ldb, t)
		SHLQ(U8(4), t) // 16 pairs of rows of B
		Load(Param("steps"), k)
		Label(loop + "_k")
		for i := range high {
			s.tileMemory(tileLoad, tileA+i, a[i], lda)
			for j := range nv {
				if i == 0 {
					s.tileMemory(tileLoad, tileB+j, b[j], ldb)
				}
				raw(vexTiles(0xf3, 0x5c, 2*i+j, tileA+i, tileB+j), nil, nil) // TDPBF16PS
			}
		}
		for i := range high {
			ADDQ(U32(64), a[i])
		}
		for j := range nv {
			ADDQ(t, b[j])
		}
		DECQ(k)
		JNZ(LabelRef(loop + "_k"))
		sums(tileStore)
		SUBQ(U32(16*high), m)
		JMP(LabelRef(loop))
		Label(end)
	}
	raw(vexTiles(0, 0x49, 0, 0, 0), nil, nil) // TILERELEASE
	RET()
}

// tileConfig returns the operand of LDTILECFG: palette 1, eight tiles of 16 rows.
func (s *isa) tileConfig() Mem {
	if s.config.Base == nil && s.config.Symbol.Name == "" {
		s.config = GLOBL("tileConfig", 8|16) // RODATA|NOPTR
		var words [16]uint32
		words[0] = 1
		for i := 4; i < 8; i++ {
			words[i] = 64 | 64<<16 // bytes of a row
		}
		for i := 12; i < 14; i++ {
			words[i] = 0x10101010 // rows
		}
		for i, w := range words {
			DATA(4*i, U32(w))
		}
	}
	return s.config
}

// The prefixes that tell TILELOADD from TILESTORED.
const (
	tileLoad  = 0xf2
	tileStore = 0xf3
)

// tileMemory loads or stores a tile whose rows lie ld bytes apart.
func (s *isa) tileMemory(prefix byte, tile int, at, ld reg.Register) {
	raw(vexMemory(prefix, 0x4b, tile, at, ld), []reg.Register{at, ld}, nil)
}

// vexMemory encodes an instruction of the opcode map 0F38 on a tile and memory at base. index holds
// the distance of rows, or is nil if there are none.
func vexMemory(prefix, opcode byte, tile int, base, index reg.Register) []byte {
	b, x := number(base), byte(0)
	modrm, sib := byte(tile)<<3|b&7, []byte(nil)
	if index != nil {
		x = number(index)
		modrm, sib = byte(tile)<<3|4, []byte{x&7<<3 | b&7}
	}
	if b&7 == 5 || index == nil && b&7 == 4 { // without a displacement these mean something else
		modrm |= 1 << 6
		sib = append(sib, 0)
	}
	return append(append(vex(prefix, 0, 0, x, b), opcode, modrm), sib...)
}

// vexTiles encodes such an instruction on three tiles or fewer.
func vexTiles(prefix, opcode byte, dst, first, second int) []byte {
	return append(vex(prefix, second, 0, 0, 0), opcode, 3<<6|byte(dst)<<3|byte(first))
}

func vex(prefix byte, vvvv int, r, x, b byte) []byte {
	not := func(n byte) byte { return n>>3&1 ^ 1 }
	pp := map[byte]byte{0: 0, 0x66: 1, 0xf3: 2, 0xf2: 3}[prefix]
	return []byte{0xc4, not(r)<<7 | not(x)<<6 | not(b)<<5 | 2, ^byte(vvvv)&15<<3 | pp}
}

// xcr0 generates the reading of XCR0, which says which registers the system saves.
func (s *isa) xcr0() {
	TEXT("xcr0"+s.name, 4, "func() uint32") // NOSPLIT
	Doc("xcr0" + s.name + " is the low half of XCR0, which says what registers the system saves.")
	XORL(reg.ECX, reg.ECX)
	raw([]byte{0x0f, 0x01, 0xd0, 0x90}, []reg.Register{reg.ECX}, []reg.Register{reg.EAX, reg.EDX}) // XGETBV; NOP
	Store(reg.EAX, ReturnIndex(0))
	RET()
}
