package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products in bfloat16 for AVX512_BF16. A value of B, and of the transposed left-hand side, is
// a pair: the bfloat16 values of two steps of the inner index in 32 bits, the first in the low half.

// bf16Kernels generates all kernels of bf16.
func (s *isa) bf16Kernels() {
	for nv := 1; nv <= 3; nv++ {
		s.halfNN(nv, false)
		s.halfTN(nv)
	}
	s.toHalf()
	s.fromHalf()
	s.interleave()
	for nv := 1; nv <= 3; nv++ {
		s.halfNN(nv, true)
	}
	s.copyHalf()
	for _, rounded := range []bool{false, true} {
		for _, act := range []string{"", "ReLU", "GELU"} {
			s.affineHalf(act, rounded)
		}
	}
}

// loadHalves loads a stride given in 16-bit elements as bytes.
func (s *isa) loadHalves(name string) reg.GPVirtual {
	r := s.loadGP(name)
	s.shiftLeft(1, r)
	return r
}

// signatureHalfNN is the signature of products of bfloat16 with a packed panel.
const signatureHalfNN = "func(m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *float32, ldc int, " +
	"d *float32, ldd int, alpha float32, cols int, next *float32, step int)"

// halfNN generates the product of a row-major matrix of bfloat16 with one packed panel of pairs; see
// gemmNN. If rounded is set, C is bfloat16 too.
func (s *isa) halfNN(nv int, rounded bool) {
	if rounded {
		s.text(fmt.Sprintf("halfNNHalf%d", nv),
			"func(m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *uint16, ldc int, "+
				"d *float32, ldd int, cols int, next *float32, step int)",
			fmt.Sprintf("computes C = A·B + D, rounded to bfloat16, for one panel of B, %d vectors wide.", nv))
	} else {
		s.text(fmt.Sprintf("halfNN%d", nv),
			signatureHalfNN,
			fmt.Sprintf("computes C = alpha·A·B + D for one panel of B, %d vectors wide.", nv))
	}
	rows := s.tileRows(panelShape{vectors: nv})
	s.flushDenormals()
	m, a, lda := s.loadGP("m"), s.loadGP("a"), s.loadHalves("lda")
	lda3 := GP64()
	LEAQ(Mem{Base: lda, Index: lda, Scale: 2}, lda3)
	c, d, ldd := s.loadGP("c"), s.loadGP("d"), s.loadStride("ldd")
	ldc := s.loadGP("ldc")
	if rounded {
		SHLQ(U8(1), ldc)
	} else {
		SHLQ(U8(2), ldc)
	}
	p := s.newRowPointers(rows, lda, lda3)
	next := s.loadGP("next")
	jump, left := AllocLocal(8), AllocLocal(8)
	t, u := s.loadHalves("segStride"), s.loadStride("segPairs")
	SUBQ(u, t)
	MOVQ(t, jump)
	s.inTiles(rows, m, func(r int) {
		s.halfTileNN(panelShape{vectors: nv}, r, a, c, d, ldc, ldd, next, p, jump, left, rounded)
		IMUL3Q(U32(r), lda, p.base[0])
		ADDQ(p.base[0], a)
	})
	s.done()
}

func (s *isa) halfTileNN(
	shape panelShape,
	rows int,
	a, c, d, ldc, ldd, next reg.GPVirtual,
	p rowPointers,
	jump, left Op,
	rounded bool,
) {
	id := label("nn")
	t := s.tileRegisters(shape, rows)
	if rounded {
		s.prefetchRows((shape.vectors+1)/2, rows, c, ldc, p.base[0])
	} else {
		s.prefetchTile(shape.vectors, rows, c, d, ldc, ldd, p.base[0])
	}
	p.set(a, rows)
	b := s.loadGP("b")
	k := s.loadGP("segs")
	step := s.stepOperand()
	MOVQ(k, left)
	Label(id + "_seg")
	Load(Param("segPairs"), k)
	Label(id + "_k")
	for j := range t.b {
		VMOVUPS(Mem{Base: b, Disp: j * s.bytes()}, t.b[j])
	}
	for j := range t.b {
		PREFETCHT0(Mem{Base: b, Disp: panelAhead + j*s.bytes()})
	}
	PREFETCHT1(Mem{Base: next})
	ADDQ(step, next)
	for i := range rows {
		s.addRow(t, i, p.at(i), nil, dotPairs)
	}
	p.advance(rows, U32(4))
	ADDQ(U32(shape.vectors*s.bytes()), b)
	DECQ(k)
	JNZ(LabelRef(id + "_k"))
	p.advance(rows, jump)
	DECQ(left)
	JNZ(LabelRef(id + "_seg"))
	if rounded {
		s.finishHalfTile(id, shape, t, c, d, ldc, ldd)
	} else {
		s.finishTile(id, shape, t, c, d, ldc, ldd)
	}
}

// finishHalfTile stores a tile plus D as bfloat16. It moves c and d to the rows after the tile.
func (s *isa) finishHalfTile(id string, shape panelShape, t registerTile, c, d, ldc, ldd reg.GPVirtual) {
	nv, spare := shape.vectors, t.a[0]
	cols := s.loadGP("cols")
	last := GP64()
	MOVQ(cols, last)
	SUBQ(U32((nv-1)*s.lanes), last)
	end := s.tail(last)
	maskOf := func(j int) mask {
		if j == nv-1 {
			return end
		}
		return s.fullMask()
	}
	TESTQ(d, d)
	JZ(LabelRef(id + "_bare"))
	for i := range t.acc {
		for j, v := range t.acc[i] {
			s.load(Mem{Base: d, Disp: j * s.bytes()}, maskOf(j), t.b[0])
			VADDPS(t.b[0], v, v)
		}
		ADDQ(ldd, d)
	}
	Label(id + "_bare")
	if nv == 3 {
		SUBQ(U32(halfStrip), cols)
	}
	_, _, both := halfMasks(cols)
	for i := range t.acc {
		at := Mem{Base: c}
		row := t.acc[i]
		if nv == 3 {
			pairHalves(row[0], row[1], spare)
			VMOVUPS(spare, at)
			at.Disp += 2 * halfStrip
			row = row[2:]
		}
		pairHalves(row[0], row[len(row)-1], spare)
		VMOVDQU16(spare, both, at)
		ADDQ(ldc, c)
	}
}

// halfTN generates the update of a panel of columns of C by Aᵀ·B, both in pairs of rows: the rows
// are the inner index of a product for gradients.
func (s *isa) halfTN(nv int) {
	s.text(fmt.Sprintf("halfTN%d", nv),
		"func(ka int, a *float32, lda int, b *float32, pairs int, c *float32, ldc int, cols int)",
		fmt.Sprintf("computes C += Aᵀ·B for one panel of B, %d vectors wide, A and B in pairs of rows.", nv))
	rows := s.tileRows(panelShape{vectors: nv})
	s.flushDenormals()
	ka, a, lda := s.loadGP("ka"), s.loadGP("a"), s.loadStride("lda")
	c, ldc := s.loadGP("c"), s.loadStride("ldc")
	cols := s.loadGP("cols")
	SUBQ(U32((nv-1)*s.lanes), cols)
	last := s.tail(cols)
	pa, pb := GP64(), GP64()
	s.inTiles(rows, ka, func(r int) {
		id := label("tn")
		t := s.tileRegisters(panelShape{vectors: nv}, r)
		s.prefetchRows(nv, r, c, ldc, pa)
		MOVQ(a, pa)
		Load(Param("b"), pb)
		s.repeat(id, s.loadGP("pairs"), func() {
			for j := range t.b {
				VMOVUPS(Mem{Base: pb, Disp: j * s.bytes()}, t.b[j])
			}
			for i := range r {
				s.addRow(t, i, Mem{Base: pa, Disp: 4 * i}, nil, dotPairs)
			}
			ADDQ(lda, pa)
			ADDQ(U32(nv*s.bytes()), pb)
		})
		for i := range t.acc {
			for _, p := range s.parts(t, i, last, nil) {
				m := Mem{Base: c, Disp: p.disp}
				s.load(m, p.k, t.a[0])
				VADDPS(t.a[0], p.v, p.v)
				s.store(p.v, p.k, m)
			}
			ADDQ(ldc, c)
		}
		ADDQ(U32(4*r), a)
	})
	s.done()
}

// halfMasks returns the masks of the first n of 32 columns, as two vectors of 32-bit values and as
// one of 16-bit values. n may be more than 32, but at most 255: BZHI reads eight bits of it.
func halfMasks(n reg.GPVirtual) (low, high, both reg.Register) {
	ones, bits := GP64(), GP64()
	MOVQ(I32(-1), ones)
	BZHIQ(n, ones, bits)
	low, high, both = K(), K(), K()
	KMOVD(bits.As32(), both)
	KMOVW(bits.As32(), low)
	SHRQ(U8(16), bits)
	KMOVW(bits.As32(), high)
	return low, high, both
}

// toHalf generates the conversion of rows to bfloat16. It walks narrow matrices in strips, and wide
// ones row by row.
func (s *isa) toHalf() {
	s.text("toHalf", "func(rows, cols, fill int, dst *uint16, ldd int, src *float32, lds int)",
		"converts rows to bfloat16 and writes zeros from column cols to column fill.")
	dst, ldd, src, lds := s.loadGP("dst"), s.loadHalves("ldd"), s.loadGP("src"), s.loadStride("lds")
	x, h, t := s.register(0), s.register(1), s.register(2)
	narrow, end := label("narrow"), label("end")
	cols, fill := s.loadGP("cols"), s.loadGP("fill")
	CMPQ(fill, U32(4*halfStrip))
	JLE(LabelRef(narrow))
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		in, out := GP64(), GP64()
		MOVQ(src, in)
		MOVQ(dst, out)
		Load(Param("cols"), cols)
		Load(Param("fill"), fill)
		s.convertStrips(cols, fill, in, out, func(k halfColumns) {
			s.loadFloats(k, Mem{Base: in}, x, h)
			pairHalves(x, h, t)
			storeHalves(k, t, Mem{Base: out})
		})
		ADDQ(lds, src)
		ADDQ(ldd, dst)
	})
	JMP(LabelRef(end))
	Label(narrow)
	in, out := GP64(), GP64()
	s.convertStrips(cols, fill, src, dst, func(k halfColumns) {
		MOVQ(src, in)
		MOVQ(dst, out)
		s.repeat(label("rows"), s.loadGP("rows"), func() {
			s.loadFloats(k, Mem{Base: in}, x, h)
			pairHalves(x, h, t)
			storeHalves(k, t, Mem{Base: out})
			ADDQ(lds, in)
			ADDQ(ldd, out)
		})
	})
	Label(end)
	VZEROUPPER()
	RET()
}

// convertStrips emits body for the strips of cols columns, of which fill are written. It moves in
// and out from strip to strip.
func (s *isa) convertStrips(cols, fill, in, out reg.GPVirtual, body func(k halfColumns)) {
	whole, rest, end := label("whole"), label("rest"), label("end")
	next := func() {
		ADDQ(U32(4*halfStrip), in)
		ADDQ(U32(2*halfStrip), out)
		SUBQ(U32(halfStrip), cols)
		SUBQ(U32(halfStrip), fill)
	}
	Label(whole)
	CMPQ(cols, U32(halfStrip))
	JLT(LabelRef(rest))
	body(halfColumns{full: true})
	next()
	JMP(LabelRef(whole))
	Label(rest)
	TESTQ(fill, fill)
	JLE(LabelRef(end))
	zero := GP64()
	XORQ(zero, zero)
	TESTQ(cols, cols)
	CMOVQLT(zero, cols)
	low, high, _ := halfMasks(cols)
	n := GP64()
	MOVQ(U32(halfStrip), n)
	CMPQ(fill, n)
	CMOVQLT(fill, n)
	_, _, both := halfMasks(n)
	body(halfColumns{low: low, high: high, both: both})
	next()
	JMP(LabelRef(rest))
	Label(end)
}

// fromHalf generates the conversion from bfloat16 to float32.
func (s *isa) fromHalf() {
	s.text("fromHalf", "func(rows, cols int, dst *float32, ldd int, src *uint16, lds int)",
		"converts rows of bfloat16 to float32.")
	rows := s.loadGP("rows")
	dst := s.loadGP("dst")
	ldd := s.loadStride("ldd")
	src := s.loadGP("src")
	lds := s.loadHalves("lds")
	s.repeat(label("rows"), rows, func() {
		v := s.register(0)
		in, out, left := GP64(), GP64(), s.loadGP("cols")
		MOVQ(src, in)
		MOVQ(dst, out)
		whole, rest, end := label("whole"), label("rest"), label("end")
		Label(whole)
		CMPQ(left, U32(s.lanes))
		JLT(LabelRef(rest))
		VPMOVZXWD(Mem{Base: in}, v)
		VPSLLD(U8(16), v, v)
		VMOVUPS(v, Mem{Base: out})
		ADDQ(U32(s.bytes()/2), in)
		ADDQ(U32(s.bytes()), out)
		SUBQ(U32(s.lanes), left)
		JMP(LabelRef(whole))
		Label(rest)
		TESTQ(left, left)
		JLE(LabelRef(end))
		k := s.tail(left)
		VPMOVZXWD_Z(Mem{Base: in}, k.r, v)
		VPSLLD(U8(16), v, v)
		VMOVUPS(v, k.r, Mem{Base: out})
		Label(end)
		ADDQ(lds, src)
		ADDQ(ldd, dst)
	})
	VZEROUPPER()
	RET()
}

// interleave generates the conversion of two rows at a time to pairs.
func (s *isa) interleave() {
	order := GLOBL("interleaved", 8|16) // RODATA|NOPTR
	for i := range 16 {
		DATA(4*i, U32(i|(16+i)<<16))
	}
	s.text("interleave", "func(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int)",
		"converts rows 2·p and 2·p+1 to row p of pairs; rows that are not there are zero.")
	pairs := s.loadGP("pairs")
	rows := s.loadGP("rows")
	dst := s.loadGP("dst")
	ldd := s.loadStride("ldd")
	src := s.loadGP("src")
	lds := s.loadStride("lds")
	x, y, v, perm := s.register(0), s.register(1), s.register(2), s.register(3)
	VMOVUPS(order, perm)
	s.repeat(label("pairs"), pairs, func() {
		in, second, out, left := GP64(), GP64(), GP64(), s.loadGP("cols")
		MOVQ(src, in)
		LEAQ(Mem{Base: src, Index: lds, Scale: 1}, second)
		MOVQ(dst, out)
		whole, rest, end := label("whole"), label("rest"), label("end")
		few, one := label("few"), label("one")
		CMPQ(rows, U32(2))
		JLT(LabelRef(few))
		Label(whole)
		CMPQ(left, U32(s.lanes))
		JLT(LabelRef(rest))
		VMOVUPS(Mem{Base: in}, x)
		VMOVUPS(Mem{Base: second}, y)
		pairHalves(x, y, v)
		VPERMW(v, perm, v)
		VMOVUPS(v, Mem{Base: out})
		for _, p := range []reg.GPVirtual{in, second, out} {
			ADDQ(U32(s.bytes()), p)
		}
		SUBQ(U32(s.lanes), left)
		JMP(LabelRef(whole))
		Label(rest)
		TESTQ(left, left)
		JLE(LabelRef(end))
		k := s.tail(left)
		VMOVUPS_Z(Mem{Base: in}, k.r, x)
		VMOVUPS_Z(Mem{Base: second}, k.r, y)
		pairHalves(x, y, v)
		VPERMW(v, perm, v)
		VMOVUPS(v, k.r, Mem{Base: out})
		JMP(LabelRef(end))
		Label(few) // one row, or none
		s.clear(y)
		Label(one)
		TESTQ(left, left)
		JLE(LabelRef(end))
		n := GP64() // BZHI reads eight bits: 256 columns would become none
		MOVQ(U32(s.lanes), n)
		CMPQ(left, n)
		CMOVQLT(left, n)
		k = s.tail(n)
		s.clear(x)
		skip := label("none")
		TESTQ(rows, rows)
		JLE(LabelRef(skip))
		VMOVUPS_Z(Mem{Base: in}, k.r, x)
		Label(skip)
		pairHalves(x, y, v)
		VPERMW(v, perm, v)
		VMOVUPS(v, k.r, Mem{Base: out})
		ADDQ(U32(s.bytes()), in)
		ADDQ(U32(s.bytes()), out)
		SUBQ(U32(s.lanes), left)
		JMP(LabelRef(one))
		Label(end)
		LEAQ(Mem{Base: src, Index: lds, Scale: 2}, src)
		ADDQ(ldd, dst)
		SUBQ(U32(2), rows)
	})
	VZEROUPPER()
	RET()
}

// dotPairs adds the two products of the pairs of x and y to acc, lane by lane: VDPBF16PS.
func dotPairs(x, y, acc reg.Register) {
	raw(evex(0xf3, 0x52, acc, y, x), []reg.Register{x, y, acc}, []reg.Register{acc})
}

// pairHalves rounds low and high to bfloat16, with low in the lower half of dst: VCVTNE2PS2BF16.
func pairHalves(low, high, dst reg.Register) {
	raw(evex(0xf2, 0x72, dst, high, low), []reg.Register{low, high}, []reg.Register{dst})
}

// evex encodes an instruction of the opcode map 0F38 on three registers of 512 bits: the destination,
// and the two sources in the order of Intel's manual.
func evex(prefix, opcode byte, dst, first, second reg.Register) []byte {
	d, f, s := number(dst), number(first), number(second)
	not := func(bit byte) byte { return bit&1 ^ 1 }
	pp := map[byte]byte{0: 0, 0x66: 1, 0xf3: 2, 0xf2: 3}[prefix]
	return []byte{
		0x62,
		not(d>>3)<<7 | not(s>>4)<<6 | not(s>>3)<<5 | not(d>>4)<<4 | 2,
		(^f&15)<<3 | 1<<2 | pp,
		2<<5 | not(f>>4)<<3,
		opcode,
		3<<6 | d&7<<3 | s&7,
	}
}

func number(r reg.Register) byte { return byte(reg.ToPhysical(r).PhysicalIndex()) }

// raw emits an instruction that Go's assembler does not know, as its 4 to 7 bytes.
func raw(code []byte, in, out []reg.Register) {
	word := func(opcode string, n int, regs bool) {
		var v uint64
		for i := range n {
			v |= uint64(code[i]) << (8 * i)
		}
		code = code[n:]
		var imm Op = U8(v)
		switch n {
		case 2:
			imm = U16(v)
		case 4:
			imm = U32(v)
		}
		i := &ir.Instruction{Opcode: opcode, Operands: []Op{imm}}
		if regs {
			for _, r := range in {
				i.Inputs = append(i.Inputs, r)
			}
			for _, r := range out {
				i.Outputs = append(i.Outputs, r)
			}
		}
		Instruction(i)
	}
	word("LONG", 4, true)
	if len(code) >= 2 {
		word("WORD", 2, false)
	}
	if len(code) == 1 {
		word("BYTE", 1, false)
	}
}
