package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	line = 64 // bytes of a cache line

	// panelAhead is how far ahead of its use a panel of B is fetched, in bytes. The
	// processor's own prefetching stops at the end of a page of 4 KiB, and a long
	// panel has many.
	panelAhead = 4096
)

// tileRows is the number of rows of the register tile of a panel that is nv
// vectors wide: as many accumulators as the registers hold, less the vectors
// of B and one broadcast.
func (s *isa) tileRows(nv int) int {
	if s.wide() {
		return []int{0, 14, 14, 9}[nv]
	}
	return []int{0, 6, 6, 4}[nv]
}

// tileRegisters returns the cleared accumulators, the vectors of B and the
// broadcast of A. They fill the register file to the last, which is too tight
// for avo's allocator: they are assigned by hand.
func (s *isa) tileRegisters(nv, rows int) (acc [][]reg.Register, bv []reg.Register, av reg.Register) {
	next := 0
	take := func() reg.Register {
		next++
		return s.register(next - 1)
	}
	for j := 0; j < nv; j++ {
		bv = append(bv, take())
	}
	av = take()
	for i := 0; i < rows; i++ {
		row := make([]reg.Register, nv)
		for j := range row {
			row[j] = take()
			s.clear(row[j])
		}
		acc = append(acc, row)
	}
	return acc, bv, av
}

// maskRegister is a register for the mask at the end of a tile, when those of
// B are free again but for the first.
func (s *isa) maskRegister(nv int, bv []reg.Register) reg.Register {
	if nv > 1 {
		return bv[1]
	}
	return s.register(s.registers() - 1)
}

// rowPointers addresses rows p, p+ld, p+2ld … with few registers: a base
// serves five rows.
type rowPointers struct {
	base    []reg.GPVirtual
	ld, ld3 reg.GPVirtual
}

func newRowPointers(rows int, ld, ld3 reg.GPVirtual) rowPointers {
	p := rowPointers{ld: ld, ld3: ld3}
	for i := 0; i < rows; i += 5 {
		p.base = append(p.base, GP64())
	}
	return p
}

// set points the rows at a, a+ld, …; rows are those in use.
func (p rowPointers) set(a reg.GPVirtual, rows int) {
	MOVQ(a, p.base[0])
	for i := 5; i < rows; i += 5 {
		prev := p.base[i/5-1]
		LEAQ(Mem{Base: prev, Index: p.ld, Scale: 4}, p.base[i/5])
		ADDQ(p.ld, p.base[i/5])
	}
}

func (p rowPointers) at(i int) Mem {
	b := p.base[i/5]
	switch i % 5 {
	case 0:
		return Mem{Base: b}
	case 1, 2, 4:
		return Mem{Base: b, Index: p.ld, Scale: uint8(i % 5)}
	}
	return Mem{Base: b, Index: p.ld3, Scale: 1}
}

func (p rowPointers) advance(rows int, by Op) {
	for i := 0; i < rows; i += 5 {
		ADDQ(by, p.base[i/5])
	}
}

// gemmNN generates the product of a row-major matrix with one packed panel.
// Every step of a tile fetches a line at next, and moves next by step bytes.
//
// The inner index runs over segs segments of segLen values, segStride apart
// in A: one segment is a plain product; three are the rows of a 3×3
// convolution over a padded map.
func (s *isa) gemmNN(nv int) {
	s.text(fmt.Sprintf("gemmNN%d", nv),
		"func(m int, a *float32, lda, segs, segLen, segStride int, b *float32, c *float32, ldc int, d *float32, ldd int, alpha float32, cols int, next *float32, step int)",
		fmt.Sprintf("computes C = alpha·A·B + D for one panel of B, %d vectors wide.", nv))
	rows := s.tileRows(nv)
	s.flushDenormals()
	m, a, lda := loadGP("m"), loadGP("a"), loadStride("lda")
	lda3 := GP64()
	LEAQ(Mem{Base: lda, Index: lda, Scale: 2}, lda3)
	c, ldc, d, ldd := loadGP("c"), loadStride("ldc"), loadGP("d"), loadStride("ldd")
	p := newRowPointers(rows, lda, lda3)
	next := loadGP("next")

	// What a row pointer still lacks at the end of a segment.
	jump := AllocLocal(8)
	left := AllocLocal(8) // segments to go
	{
		t, u := loadStride("segStride"), loadStride("segLen")
		SUBQ(u, t)
		MOVQ(t, jump)
	}
	Label("tiles")
	CMPQ(m, U32(rows))
	JLT(LabelRef("rest"))
	s.tileNN(nv, rows, a, c, d, ldc, ldd, next, p, jump, left)
	IMUL3Q(U32(rows), lda, p.base[0])
	ADDQ(p.base[0], a)
	SUBQ(U32(rows), m)
	JMP(LabelRef("tiles"))
	Label("rest")
	for r := rows - 1; r > 0; r-- {
		CMPQ(m, U32(r))
		JEQ(LabelRef(fmt.Sprintf("rest%d", r)))
	}
	JMP(LabelRef("done"))
	for r := rows - 1; r > 0; r-- {
		Label(fmt.Sprintf("rest%d", r))
		s.tileNN(nv, r, a, c, d, ldc, ldd, next, p, jump, left)
		JMP(LabelRef("done"))
	}
	Label("done")
	s.done()
}

func (s *isa) tileNN(nv, rows int, a, c, d, ldc, ldd, next reg.GPVirtual, p rowPointers, jump, left Mem) {
	id := label("nn")
	acc, bv, av := s.tileRegisters(nv, rows)
	s.prefetchTile(nv, rows, c, d, ldc, ldd, p.base[0])
	p.set(a, rows)
	b := loadGP("b")
	k := loadGP("segs")
	step := s.stepOperand()
	MOVQ(k, left)
	Label(id + "_seg")
	Load(Param("segLen"), k)
	Label(id + "_k")
	for j := range bv {
		VMOVUPS(Mem{Base: b, Disp: j * s.bytes()}, bv[j])
	}
	for l := 0; l < nv*s.bytes(); l += line {
		PREFETCHT0(Mem{Base: b, Disp: panelAhead + l})
	}
	PREFETCHT1(Mem{Base: next})
	ADDQ(step, next)
	for i := 0; i < rows; i++ {
		VBROADCASTSS(p.at(i), av)
		for j := range bv {
			VFMADD231PS(bv[j], av, acc[i][j])
		}
	}
	p.advance(rows, U32(4))
	ADDQ(U32(nv*s.bytes()), b)
	DECQ(k)
	JNZ(LabelRef(id + "_k"))
	p.advance(rows, jump)
	DECQ(left)
	JNZ(LabelRef(id + "_seg"))

	s.finishTile(id, nv, acc, bv, av, c, d, ldc, ldd)
}

// stepOperand is what a tile adds to the address that it fetches from. The tile of AVX-512 leaves
// no register for it; the one of AVX2 has no load to spare.
func (s *isa) stepOperand() Op {
	if !s.wide() {
		return loadGP("step")
	}
	step, err := Param("step").Resolve()
	if err != nil {
		panic(err)
	}
	return step.Addr
}

// finishTile stores a tile as alpha·tile + D. It moves c and d to the rows behind
// the tile.
func (s *isa) finishTile(id string, nv int, acc [][]reg.Register, bv []reg.Register, av reg.Register, c, d, ldc, ldd reg.GPVirtual) {
	alpha, dv := av, bv[0]
	alphaAddr := s.loadParam("alpha", alpha)
	cols := loadGP("cols")
	SUBQ(U32((nv-1)*s.lanes), cols)
	last := s.tailIn(cols, s.maskRegister(nv, bv))
	maskOf := func(j int) mask {
		if j == nv-1 {
			return last
		}
		return s.fullMask()
	}
	TESTQ(d, d)
	JZ(LabelRef(id + "_plain"))
	for i := range acc {
		for j, v := range acc[i] {
			s.load(Mem{Base: d, Disp: j * s.bytes()}, maskOf(j), dv)
			VFMADD213PS(dv, alpha, v)
			s.store(v, maskOf(j), Mem{Base: c, Disp: j * s.bytes()})
		}
		ADDQ(ldc, c)
		ADDQ(ldd, d)
	}
	JMP(LabelRef(id + "_end"))
	Label(id + "_plain")
	CMPL(alphaAddr, U32(0x3f800000)) // 1: the usual case, without a multiplication
	JEQ(LabelRef(id + "_bare"))
	for i := range acc {
		for _, v := range acc[i] {
			VMULPS(alpha, v, v)
		}
	}
	Label(id + "_bare")
	for i := range acc {
		for j, v := range acc[i] {
			s.store(v, maskOf(j), Mem{Base: c, Disp: j * s.bytes()})
		}
		ADDQ(ldc, c)
	}
	Label(id + "_end")
}

// prefetchTile fetches what a tile will write, and add, while it is computed:
// both often lie in memory, and the stores of a whole tile come at once.
func (s *isa) prefetchTile(nv, rows int, c, d, ldc, ldd, at reg.GPVirtual) {
	id := label("prefetch")
	s.prefetchRows(nv, rows, c, ldc, at)
	TESTQ(d, d)
	JZ(LabelRef(id))
	s.prefetchRows(nv, rows, d, ldd, at)
	Label(id)
}

func (s *isa) prefetchRows(nv, rows int, base, ld, at reg.GPVirtual) {
	MOVQ(base, at)
	for i := range rows {
		for l := 0; l < nv*s.bytes(); l += line {
			PREFETCHT0(Mem{Base: at, Disp: l})
		}
		if i < rows-1 {
			ADDQ(ld, at)
		}
	}
}

// gemmTN generates the update of a panel of columns of C by Aᵀ·B. The rows of
// A and B are walked in two nested loops, so that the rows of a map can be
// taken out of a padded one.
func (s *isa) gemmTN(nv int) {
	s.text(fmt.Sprintf("gemmTN%d", nv),
		"func(ka int, a *float32, lda, outerA int, b *float32, ldb, outerB int, outer, inner int, c *float32, ldc int, cols int)",
		fmt.Sprintf("computes C += Aᵀ·B for one panel of columns, %d vectors wide.", nv))
	rows := s.tileRows(nv)
	if !s.wide() && nv == 3 {
		rows-- // a register for the mask
	}
	s.flushDenormals()
	ka, a, lda, ldb := loadGP("ka"), loadGP("a"), loadStride("lda"), loadStride("ldb")
	c, ldc := loadGP("c"), loadStride("ldc")
	jumpA, jumpB := AllocLocal(8), AllocLocal(8)
	for _, j := range []struct {
		ld, outer string
		to        Mem
	}{{"lda", "outerA", jumpA}, {"ldb", "outerB", jumpB}} {
		t, u, n := loadStride(j.outer), loadStride(j.ld), loadGP("inner")
		IMULQ(n, u)
		SUBQ(u, t)
		MOVQ(t, j.to)
	}
	cols := loadGP("cols")
	SUBQ(U32((nv-1)*s.lanes), cols)
	last := s.tailIn(cols, s.register(s.registers()-1))
	pa, pb := GP64(), GP64()
	Label("tiles")
	CMPQ(ka, U32(rows))
	JLT(LabelRef("rest"))
	s.tileTN(nv, rows, a, pa, lda, pb, ldb, c, ldc, jumpA, jumpB, last)
	ADDQ(U32(4*rows), a)
	SUBQ(U32(rows), ka)
	JMP(LabelRef("tiles"))
	Label("rest")
	for r := rows - 1; r > 0; r-- {
		CMPQ(ka, U32(r))
		JEQ(LabelRef(fmt.Sprintf("rest%d", r)))
	}
	JMP(LabelRef("done"))
	for r := rows - 1; r > 0; r-- {
		Label(fmt.Sprintf("rest%d", r))
		s.tileTN(nv, r, a, pa, lda, pb, ldb, c, ldc, jumpA, jumpB, last)
		JMP(LabelRef("done"))
	}
	Label("done")
	s.done()
}

func (s *isa) tileTN(nv, rows int, a, pa, lda, pb, ldb, c, ldc reg.GPVirtual, jumpA, jumpB Mem, last mask) {
	id := label("tn")
	aheadA, aheadB := GP64(), GP64() // 16 rows of A, most of which is in the second-level cache; 32 of B
	MOVQ(lda, aheadA)
	SHLQ(U8(4), aheadA)
	MOVQ(ldb, aheadB)
	SHLQ(U8(5), aheadB)
	acc, bv, av := s.tileRegisters(nv, rows)
	maskOf := func(j int) mask {
		if j == nv-1 {
			return last
		}
		return s.fullMask()
	}
	s.prefetchRows(nv, rows, c, ldc, pa)
	MOVQ(a, pa)
	Load(Param("b"), pb)
	outer := loadGP("outer")
	Label(id + "_outer")
	inner := loadGP("inner")
	Label(id + "_inner")
	for j := range bv {
		s.load(Mem{Base: pb, Disp: j * s.bytes()}, maskOf(j), bv[j])
	}
	PREFETCHT0(Mem{Base: pa, Index: aheadA, Scale: 1})
	for l := 0; l < nv*s.bytes(); l += line {
		PREFETCHT0(Mem{Base: pb, Index: aheadB, Scale: 1, Disp: l})
	}
	for i := 0; i < rows; i++ {
		VBROADCASTSS(Mem{Base: pa, Disp: 4 * i}, av)
		for j := range bv {
			VFMADD231PS(bv[j], av, acc[i][j])
		}
	}
	ADDQ(lda, pa)
	ADDQ(ldb, pb)
	DECQ(inner)
	JNZ(LabelRef(id + "_inner"))
	ADDQ(jumpA, pa)
	ADDQ(jumpB, pb)
	DECQ(outer)
	JNZ(LabelRef(id + "_outer"))
	cv := av
	for i := range acc {
		for j, v := range acc[i] {
			s.load(Mem{Base: c, Disp: j * s.bytes()}, maskOf(j), cv)
			VADDPS(cv, v, v)
			s.store(v, maskOf(j), Mem{Base: c, Disp: j * s.bytes()})
		}
		ADDQ(ldc, c)
	}
}
