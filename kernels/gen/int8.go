package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products of 8-bit values. A is unsigned and B signed; sums are exact 32-bit integers. A value
// of B is a quad: four steps of the inner index of one column, in 32 bits. The sums are converted to
// float32, scaled and shifted by column, and stored as bytes or as float32.

// byteDots says how a processor multiplies bytes.
type byteDots struct {
	suffix string // of the names of functions
	doc    string
	exact  bool // without VPDPBUSD: A is made signed, and the sums start with the correction
}

// int8Kernels generates the kernels for AVX-512 or for AVX2.
func (s *isa) int8Kernels() {
	ways := []byteDots{{doc: " It needs VNNI."}}
	if !s.wide() {
		ways = append(ways, byteDots{suffix: "Exact", exact: true})
	}
	for _, w := range ways {
		for nv := 1; nv <= 3; nv++ {
			s.dotNN(nv, w, true)
			s.dotNN(nv, w, false)
		}
	}
	s.toBytes()
}

// dotRows returns the number of rows of a tile. Exact products need three more of the 16 registers of AVX2.
func (s *isa) dotRows(nv int, w byteDots) int {
	if w.exact {
		return []int{0, 6, 5, 3}[nv]
	}
	return s.tileRows(panelShape{vectors: nv})
}

// The signatures of products with a result in bytes and in float32.
const (
	dotInputs = "m int, a *uint8, lda, segs, segQuads, segStride int, b *int8, begin *int32, "

	signatureDots = "func(" + dotInputs + "c *uint8, ldc int, d *uint8, ldd int, dscale float32, " +
		"scale, shift *float32, table *uint8, cols int, next *int8, step int)"
	signatureFloatDots = "func(" + dotInputs + "c *float32, ldc int, d *float32, ldd int, " +
		"scale, shift *float32, cols int, next *int8, step int)"
)

// dotNN generates the product of rows of bytes with one packed panel of quads; see gemmNN. The
// result is stored as bytes, or as float32.
func (s *isa) dotNN(nv int, w byteDots, bytes bool) {
	if bytes {
		s.text(fmt.Sprintf("dotNN%s%d", w.suffix, nv),
			signatureDots,
			fmt.Sprintf("computes C = table[round(scale·(A·B) + shift + dscale·D)] for one panel of B, "+
				"%d vectors wide.%s", nv, w.doc))
	} else {
		s.text(fmt.Sprintf("dotNNFloat%s%d", w.suffix, nv),
			signatureFloatDots,
			fmt.Sprintf("computes C = scale·(A·B) + shift + D for one panel of B, %d vectors wide.%s", nv, w.doc))
	}
	rows := s.dotRows(nv, w)
	m, a, lda := s.loadGP("m"), s.loadGP("a"), s.loadGP("lda")
	lda3 := GP64()
	LEAQ(Mem{Base: lda, Index: lda, Scale: 2}, lda3)
	c, d, ldc, ldd := s.loadGP("c"), s.loadGP("d"), s.loadGP("ldc"), s.loadGP("ldd")
	if !bytes {
		SHLQ(U8(2), ldc)
		SHLQ(U8(2), ldd)
	}
	p := s.newRowPointers(rows, lda, lda3)
	next := s.loadGP("next")
	jump, left := AllocLocal(8), AllocLocal(8)
	t, u := s.loadGP("segStride"), s.loadStride("segQuads")
	SUBQ(u, t)
	MOVQ(t, jump)
	s.inTiles(rows, m, func(r int) {
		s.dotTile(nv, r, w, bytes, a, c, d, ldc, ldd, next, p, jump, left)
		IMUL3Q(U32(r), lda, p.base[0])
		ADDQ(p.base[0], a)
	})
	VZEROUPPER()
	RET()
}

func (s *isa) dotTile(
	nv, rows int,
	w byteDots,
	bytes bool,
	a, c, d, ldc, ldd, next reg.GPVirtual,
	p rowPointers,
	jump, left Op,
) {
	id := label("dot")
	t := s.tileRegisters(panelShape{vectors: nv}, rows)
	var signed, abs, product reg.Register // of exact products
	if w.exact {
		at := s.loadGP("begin")
		for j := range nv {
			for i := range t.acc {
				VMOVDQU(Mem{Base: at, Disp: j * s.bytes()}, t.acc[i][j])
			}
		}
		n := s.registers()
		signed, abs, product = t.a[0], s.register(n-1), s.register(n-2)
	}
	width := nv * s.lanes
	if !bytes {
		width *= 4
	}
	s.move(c, p.base[0])
	for i := range rows {
		for l := 0; l < width; l += line {
			s.prefetch(Mem{Base: p.base[0], Disp: l})
		}
		if i < rows-1 {
			s.increase(p.base[0], ldc)
		}
	}
	p.set(a, rows)
	b := s.loadGP("b")
	k := s.loadGP("segs")
	step := s.stepOperand()
	MOVQ(k, left)
	Label(id + "_seg")
	Load(Param("segQuads"), k)
	Label(id + "_k")
	for j := range t.b {
		VMOVUPS(Mem{Base: b, Disp: j * s.bytes()}, t.b[j])
	}
	for l := 0; l < nv*s.bytes(); l += line {
		PREFETCHT0(Mem{Base: b, Disp: panelAhead + l})
	}
	PREFETCHT1(Mem{Base: next})
	ADDQ(step, next)
	for i := range rows {
		if !w.exact {
			s.addRow(t, i, p.at(i), nil, s.dotQuads)
			continue
		}
		VPBROADCASTD(p.at(i), signed)
		VPXOR(s.constant(0x80808080), signed, signed)
		VPABSB(signed, abs)
		for j, v := range t.acc[i] { // |a|·(sign of a · b): at most 2·128·127, which 16 bits hold
			VPSIGNB(signed, t.b[j], product)
			VPMADDUBSW(product, abs, product)
			VPMADDWD(s.constant(0x00010001), product, product)
			VPADDD(product, v, v)
		}
	}
	p.advance(rows, U32(4))
	ADDQ(U32(nv*s.bytes()), b)
	DECQ(k)
	JNZ(LabelRef(id + "_k"))
	p.advance(rows, jump)
	DECQ(left)
	JNZ(LabelRef(id + "_seg"))
	s.scaleTile(t)
	if bytes {
		s.finishByteTile(id, t, c, d, ldc, ldd)
	} else {
		s.finishFloatTile(id, t, c, d, ldc, ldd)
	}
}

// dotQuads adds the four products of the signed b with a to sum, lane by lane: VPDPBUSD.
func (s *isa) dotQuads(b, a, sum reg.Register) {
	if s.wide() {
		VPDPBUSD(b, a, sum)
	} else {
		raw(vexBytes(b, a, sum), []reg.Register{b, a, sum}, []reg.Register{sum})
	}
}

// scaleTile converts the sums of a tile to float32, times scale plus shift, rounded once.
func (s *isa) scaleTile(t registerTile) {
	scale, shift := s.loadGP("scale"), s.loadGP("shift")
	for j := range t.b {
		VMOVUPS(Mem{Base: scale, Disp: j * s.bytes()}, t.b[j])
		for i := range t.acc {
			v := t.acc[i][j]
			VCVTDQ2PS(v, v)
			VFMADD213PS(Mem{Base: shift, Disp: j * s.bytes()}, t.b[j], v)
		}
	}
}

// lastColumns returns the mask of the last vector of a tile, for AVX-512.
func (s *isa) lastColumns(vectors int) (last mask) {
	if !s.wide() {
		return s.fullMask()
	}
	cols := s.loadGP("cols")
	SUBQ(U32((vectors-1)*s.lanes), cols)
	return s.tail(cols)
}

// finishFloatTile stores a tile plus D. For AVX2 the panel must be whole.
func (s *isa) finishFloatTile(id string, t registerTile, c, d, ldc, ldd reg.GPVirtual) {
	last := s.lastColumns(len(t.b))
	maskOf := func(j int) mask {
		if j == len(t.b)-1 {
			return last
		}
		return s.fullMask()
	}
	TESTQ(d, d)
	JZ(LabelRef(id + "_bare"))
	for i := range t.acc {
		for j, v := range t.acc[i] {
			s.load(Mem{Base: d, Disp: j * s.bytes()}, maskOf(j), t.a[0])
			VADDPS(t.a[0], v, v)
		}
		ADDQ(ldd, d)
	}
	Label(id + "_bare")
	for i := range t.acc {
		for j, v := range t.acc[i] {
			s.store(v, maskOf(j), Mem{Base: c, Disp: j * s.bytes()})
		}
		ADDQ(ldc, c)
	}
}

// finishByteTile adds dscale·D, rounds, looks the bytes up in a table, and stores them. For AVX2
// the panel must be whole, and there is no table.
func (s *isa) finishByteTile(id string, t registerTile, c, d, ldc, ldd reg.GPVirtual) {
	nv := len(t.b)
	TESTQ(d, d)
	JZ(LabelRef(id + "_bare"))
	s.loadParam("dscale", t.a[0])
	last := s.lastColumns(nv)
	for i := range t.acc {
		for j, v := range t.acc[i] {
			from, x := Mem{Base: d, Disp: j * s.lanes}, t.b[0]
			if s.wide() && j == nv-1 {
				VPMOVZXBD_Z(from, last.r, x)
			} else {
				VPMOVZXBD(from, x)
			}
			VCVTDQ2PS(x, x)
			VFMADD231PS(t.a[0], x, v)
		}
		ADDQ(ldd, d)
	}
	Label(id + "_bare")
	each := []int{0, 4, 2, 1}[nv] // rows whose bytes share a register
	var groups [][]reg.Register
	for i := 0; i < len(t.acc); i += each {
		var g []reg.Register
		for _, row := range t.acc[i:min(i+each, len(t.acc))] {
			g = append(g, row...)
		}
		groups = append(groups, g)
		for _, v := range g {
			VCVTPS2DQ(v, v)
		}
		of := func(i int) reg.Register { return g[min(i, len(g)-1)] }
		if len(g) > 2 {
			VPACKSSDW(of(3), of(2), of(2))
		}
		VPACKSSDW(of(1), of(0), of(0))
		VPACKUSWB(of(min(2, len(g)-1)/2*2), of(0), of(0))
	}
	if s.wide() {
		s.lookUp(id, groups)
	}
	order := t.b[0]
	VMOVUPS(s.byteOrder(), order)
	for _, g := range groups {
		VPERMD(g[0], order, g[0])
	}
	if s.wide() {
		s.storeByteRows(id, nv, len(t.acc), groups, c, ldc, t.a[0])
		return
	}
	for i, g := range groups {
		high := reg.LookupPhysical(reg.KindVector, t.a[0].(reg.Physical).PhysicalIndex(), reg.S128)
		low := s.lower(g[0])
		n := min(each, len(t.acc)-i*each)
		switch {
		case nv == 3:
			VMOVDQU(low, Mem{Base: c})
			VEXTRACTI128(U8(1), g[0], high)
			VMOVQ(high, Mem{Base: c, Disp: 16})
			ADDQ(ldc, c)
		case nv == 2:
			VMOVDQU(low, Mem{Base: c})
			ADDQ(ldc, c)
			if n > 1 {
				VEXTRACTI128(U8(1), g[0], Mem{Base: c})
				ADDQ(ldc, c)
			}
		default:
			VEXTRACTI128(U8(1), g[0], high)
			for r := range n {
				from := []reg.Register{low, high}[r/2]
				if r%2 == 0 {
					VMOVQ(from, Mem{Base: c})
				} else {
					VPEXTRQ(U8(1), from, Mem{Base: c})
				}
				ADDQ(ldc, c)
			}
		}
	}
}

// byteOrder returns the permutation that restores the order after packing four vectors to bytes: it takes
// the 32-bit pieces of the first vector first.
func (s *isa) byteOrder() Mem {
	const key = 0 // no other constant is 0, so its place in known is free
	m, ok := s.known[key]
	if !ok {
		m = GLOBL("byteOrder", 8|16) // RODATA|NOPTR
		parts := s.lanes / 4
		for i := range s.lanes {
			DATA(4*i, U32(i%parts*4+i/parts))
		}
		s.known[key] = m
	}
	return m
}

// lookUp replaces the bytes of the first register of each group by bytes of the table, if there is
// one.
func (s *isa) lookUp(id string, groups [][]reg.Register) {
	used := map[byte]bool{}
	for _, g := range groups {
		used[number(g[0])] = true
	}
	var free []reg.Register
	for i := range s.registers() {
		if r := s.register(i); !used[number(r)] {
			free = append(free, r)
		}
	}
	table := s.loadGP("table")
	TESTQ(table, table)
	JZ(LabelRef(id + "_ordered"))
	for q := range 4 {
		VMOVUPS(Mem{Base: table, Disp: 64 * q}, free[q])
	}
	upper := K()
	for i, g := range groups {
		x := free[4+i%4]
		VMOVDQA64(g[0], x)
		VPMOVB2M(g[0], upper)
		VPERMI2B(free[1], free[0], g[0])
		VPERMI2B(free[3], free[2], x)
		VMOVDQU8(x, upper, g[0])
	}
	Label(id + "_ordered")
}

// storeByteRows stores groups of rows of bytes.
func (s *isa) storeByteRows(
	id string,
	nv, rows int,
	groups [][]reg.Register,
	c, ldc reg.GPVirtual,
	spare reg.Register,
) {
	each := []int{0, 4, 2, 1}[nv]
	cols := s.loadGP("cols")
	// row returns a register that begins with the bytes of row r of a group.
	row := func(g reg.Register, r int) reg.Register {
		switch {
		case r == 0 && nv == 1:
			return reg.LookupPhysical(reg.KindVector, g.(reg.Physical).PhysicalIndex(), reg.S128)
		case r == 0 && nv == 2:
			return s.lower(g)
		case r == 0:
			return g
		case nv == 1:
			x := reg.LookupPhysical(reg.KindVector, spare.(reg.Physical).PhysicalIndex(), reg.S128)
			VEXTRACTI32X4(U8(r), g, x)
			return x
		}
		VEXTRACTI64X4(U8(r), g, s.lower(spare))
		return s.lower(spare)
	}
	CMPQ(cols, U32(nv*s.lanes))
	JLT(LabelRef(id + "_some"))
	at := GP64()
	MOVQ(c, at)
	for i, g := range groups {
		for r := range min(each, rows-i*each) {
			switch nv {
			case 1:
				VMOVDQU32(row(g[0], r), Mem{Base: at})
			case 2:
				VMOVDQU32(row(g[0], r), Mem{Base: at})
			default:
				VMOVDQU32(s.lower(g[0]), Mem{Base: at})
				VEXTRACTI32X4(U8(2), g[0], Mem{Base: at, Disp: 32})
			}
			ADDQ(ldc, at)
		}
	}
	JMP(LabelRef(id + "_stored"))
	Label(id + "_some")
	ones, k := GP64(), K()
	MOVQ(I32(-1), ones)
	BZHIQ(cols, ones, ones)
	KMOVQ(ones, k)
	MOVQ(c, at)
	for i, g := range groups {
		for r := range min(each, rows-i*each) {
			VMOVDQU8(row(g[0], r), k, Mem{Base: at})
			ADDQ(ldc, at)
		}
	}
	Label(id + "_stored")
	MOVQ(at, c)
}

// toBytes generates the conversion of whole vectors to bytes: scale·x + shift, rounded.
func (s *isa) toBytes() {
	s.text("toBytes", "func(groups int, dst *uint8, src *float32, scale, shift float32)",
		fmt.Sprintf("converts groups of %d values to bytes: round(scale·x + shift), "+
			"at least 0 and at most 255.", 4*s.lanes))
	dst, src := s.loadGP("dst"), s.loadGP("src")
	scale, shift, most, order := s.param("scale"), s.param("shift"), s.splat(255), s.vec()
	least := s.zero()
	VMOVUPS(s.byteOrder(), order)
	s.repeat(label("groups"), s.loadGP("groups"), func() {
		var v [4]reg.VecVirtual
		for i := range v {
			v[i] = s.vec()
			VMOVUPS(Mem{Base: src, Disp: i * s.bytes()}, v[i])
			VFMADD213PS(shift, scale, v[i])
			VMINPS(most, v[i], v[i]) // NaN becomes 255
			VMAXPS(least, v[i], v[i])
			VCVTPS2DQ(v[i], v[i])
		}
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPACKUSWB(v[2], v[0], v[0])
		VPERMD(v[0], order, v[0])
		VMOVUPS(v[0], Mem{Base: dst})
		ADDQ(U32(4*s.bytes()), src)
		ADDQ(U32(s.bytes()), dst)
	})
	VZEROUPPER()
	RET()
}
