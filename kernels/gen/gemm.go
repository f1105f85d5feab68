package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	line = 64 // bytes of a cache line

	// panelAhead is how many bytes ahead of its use a panel of B is fetched. The processor's own
	// prefetching stops at the end of a page of 4 KiB, and a long panel has many pages. With it,
	// gradients of weights became a third faster at the sizes of ViT-B (Zen 5).
	panelAhead = 4096
)

// panelShape is the width of a panel of B.
//
// The last vector of a paired panel has columns only in its lower half, and holds them twice: the
// products of two rows of A with these columns then share a vector.
type panelShape struct {
	vectors int
	paired  bool
}

// panelShapes lists the shapes that there are kernels for.
var panelShapes = []panelShape{{1, false}, {2, false}, {3, false}, {2, true}, {3, true}}

func (p panelShape) String() string {
	if p.paired {
		return fmt.Sprintf("%dPaired", p.vectors)
	}
	return fmt.Sprint(p.vectors)
}

func (p panelShape) doc() string {
	if p.paired {
		return fmt.Sprintf("%d vectors wide, of which the last has columns in its lower half alone, "+
			"and holds them twice", p.vectors)
	}
	return fmt.Sprintf("%d vectors wide", p.vectors)
}

// full returns the number of vectors that belong to one row.
func (p panelShape) full() int {
	if p.paired {
		return p.vectors - 1
	}
	return p.vectors
}

// tileRows returns the number of rows of the register tile of a panel: as many sums as fit next to the
// vectors of B and one broadcast of A, or two if the panel is paired. AVX-512 has 32 registers, AVX2
// has 16: 14 rows of two vectors take 28 + 2 + 1, and 6 rows take 12 + 2 + 1. Tiles of one vector
// have no more rows than tiles of two.
func (s *isa) tileRows(p panelShape) int {
	switch {
	case p.paired:
		return s.pick([]int{0, 0, 14, 10}[p.vectors], []int{0, 0, 6, 4}[p.vectors])
	case s.wide():
		return []int{0, 14, 14, 9}[p.vectors]
	}
	return []int{0, 6, 6, 4}[p.vectors]
}

// registerTile is a tile of C in registers, with its inputs.
type registerTile struct {
	acc  [][]reg.Register // of each row
	tail []reg.Register   // of each two rows, if the panel is paired
	b    []reg.Register   // a row of B
	a    []reg.Register   // broadcasts of A: one, or one for each of two rows
}

// tileRegisters returns a tile with cleared sums. It fills the whole register file, which is too
// tight for avo's allocator, so registers are assigned by hand.
func (s *isa) tileRegisters(p panelShape, rows int) registerTile {
	next := 0
	take := func() reg.Register {
		next++
		return s.register(next - 1)
	}
	var t registerTile
	for range p.vectors {
		t.b = append(t.b, take())
	}
	t.a = append(t.a, take())
	if p.paired {
		t.a = append(t.a, take())
	}
	sum := func() reg.Register {
		r := take()
		s.clear(r)
		return r
	}
	for i := range rows {
		row := make([]reg.Register, p.full())
		for j := range row {
			row[j] = sum()
		}
		t.acc = append(t.acc, row)
		if p.paired && i%2 == 0 {
			t.tail = append(t.tail, sum())
		}
	}
	return t
}

// addRow adds the products of row i of A, whose value is at a, with the row of B in
// registers. upper is the mask of the upper half of a vector.
func (s *isa) addRow(t registerTile, i int, a Mem, upper reg.Register, add func(b, a, sum reg.Register)) {
	av := t.a[i%len(t.a)]
	VBROADCASTSS(a, av)
	for j, v := range t.acc[i] {
		add(t.b[j], av, v)
	}
	if t.tail == nil || i%2 == 0 && i < len(t.acc)-1 {
		return
	}
	if i%2 == 1 {
		s.mergeUpper(av, t.a[0], upper)
	}
	add(t.b[len(t.b)-1], t.a[0], t.tail[i/2])
}

func multiplyAdd(b, a, sum reg.Register) { VFMADD231PS(b, a, sum) }

// upperHalf returns the mask of the upper half of a vector if a kernel needs it in a register.
func (s *isa) upperHalf(shape panelShape) reg.Register {
	if !shape.paired || !s.wide() {
		return nil
	}
	t, k := GP32(), K()
	MOVL(U32(0xff00), t)
	KMOVW(t, k)
	return k
}

// mergeUpper copies the upper half of src to dst.
func (s *isa) mergeUpper(src, dst, upper reg.Register) {
	if s.wide() {
		VMOVAPS(src, upper, dst)
	} else {
		VBLENDPS(U8(0xf0), src, dst, dst)
	}
}

// extractUpper copies the upper half of src to dst, half a vector.
func (s *isa) extractUpper(src, dst reg.Register) {
	if s.wide() {
		VEXTRACTF64X4(U8(1), src, dst)
	} else {
		VEXTRACTF128(U8(1), src, dst)
	}
}

// lower returns the lower half of a vector register.
func (s *isa) lower(r reg.Register) reg.Register {
	spec := reg.S128
	if s.wide() {
		spec = reg.S256
	}
	return reg.LookupPhysical(reg.KindVector, r.(reg.Physical).PhysicalIndex(), spec)
}

// lowerMask returns a mask of at most half a vector, for half a vector.
func (s *isa) lowerMask(k mask) mask {
	if !s.wide() {
		k.r = s.lower(k.r)
	}
	return k
}

// twice returns the mask of at most half a vector, in both halves; for AVX-512.
func (s *isa) twice(k mask) mask {
	both, t := K(), K()
	KSHIFTLW(U8(8), k.r, t)
	KORW(k.r, t, both)
	return mask{r: both}
}

// loadTwice loads at most half a vector into both halves.
func (s *isa) loadTwice(m Mem, k mask, dst reg.Register) {
	if s.wide() {
		VBROADCASTF32X8_Z(m, k.r, dst)
		return
	}
	VMASKMOVPS(m, s.lower(k.r), s.lower(dst))
	VINSERTF128(U8(1), s.lower(dst), dst, dst)
}

// maskRegister returns a register for the mask at the end of a tile, after all registers of B but
// the first are free.
func (s *isa) maskRegister(b []reg.Register) reg.Register {
	if len(b) > 1 {
		return b[1]
	}
	return s.register(s.registers() - 1)
}

// rowPointers addresses rows p, p+ld, p+2ld … with few registers: a base serves five rows.
type rowPointers struct {
	s       *isa
	base    []reg.GPVirtual
	ld, ld3 reg.GPVirtual
}

func (s *isa) newRowPointers(rows int, ld, ld3 reg.GPVirtual) rowPointers {
	p := rowPointers{s: s, ld: ld, ld3: ld3}
	for i := 0; i < rows; i += 5 {
		p.base = append(p.base, s.gp())
	}
	return p
}

// set points the rows at a, a+ld, …; rows is the number of rows in use.
func (p rowPointers) set(a reg.GPVirtual, rows int) {
	p.s.move(a, p.base[0])
	for i := 5; i < rows; i += 5 {
		prev := p.base[i/5-1]
		p.s.address(Mem{Base: prev, Index: p.ld, Scale: 4}, p.base[i/5])
		p.s.increase(p.base[i/5], p.ld)
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
		p.s.increase(p.base[i/5], by)
	}
}

// gemmNN generates the product of a row-major matrix with one packed panel. Every step of a tile
// fetches a line at next, and moves next by step bytes.
//
// The inner index runs over segs segments of segLen values, segStride apart in A. One segment is a
// plain product; three are the rows of a 3×3 convolution over a padded map.
func (s *isa) gemmNN(shape panelShape) {
	if s.arm != nil {
		s.gemmNNQuads(shape)
		return
	}
	s.textNN(shape)
	rows := s.tileRows(shape)
	s.flushDenormals()
	upper := s.upperHalf(shape)
	m, a, lda := s.loadGP("m"), s.loadGP("a"), s.loadStride("lda")
	lda3 := s.gp()
	s.address(Mem{Base: lda, Index: lda, Scale: 2}, lda3)
	c, ldc, d, ldd := s.loadGP("c"), s.loadStride("ldc"), s.loadGP("d"), s.loadStride("ldd")
	p := s.newRowPointers(rows, lda, lda3)
	next := s.loadGP("next")

	// The distance from the end of a segment to the start of the next one.
	jump := s.local()
	left := s.local() // segments left
	{
		t, u := s.loadStride("segStride"), s.loadStride("segLen")
		s.decrease(t, u)
		s.move(t, jump)
	}
	s.inTiles(rows, m, func(r int) {
		s.tileNN(shape, r, a, c, d, ldc, ldd, next, p, jump, left, upper)
		s.multiplyBy(r, lda, p.base[0])
		s.increase(a, p.base[0])
	})
	s.done()
}

func (s *isa) textNN(shape panelShape) {
	s.text(fmt.Sprintf("gemmNN%v", shape),
		"func(m int, a *float32, lda, segs, segLen, segStride int, b *float32, c *float32, ldc int, "+
			"d *float32, ldd int, alpha float32, cols int, next *float32, step int)",
		fmt.Sprintf("computes C = alpha·A·B + D for one panel of B, %s.", shape.doc()))
}

// inTiles walks m rows in tiles of at most the given number of rows. If the last tile would get less
// than half of them, the last two are divided evenly: a tile of one or two rows has too few sums to
// keep the multipliers busy.
func (s *isa) inTiles(rows int, m reg.GPVirtual, tile func(rows int)) {
	of := func(r int) string { return fmt.Sprintf("tile%d", r) }
	s.place("tiles")
	s.jumpIf(m, less, U32(rows+rows/2), "few")
	s.place(of(rows))
	tile(rows)
	s.decrease(m, U32(rows))
	s.jump("tiles")
	s.place("few")
	n := s.gp()
	s.move(m, n)
	s.jumpIf(m, lessOrEqual, U32(rows), "last")
	s.increment(n)
	s.shiftRight(1, n)
	s.place("last")
	for r := rows; r > 0; r-- {
		s.jumpIf(n, equal, U32(r), of(r))
	}
	s.jump("done")
	for r := rows - 1; r > 0; r-- {
		s.place(of(r))
		tile(r)
		s.decrease(m, U32(r))
		s.jump("few")
	}
	s.place("done")
}

func (s *isa) tileNN(
	shape panelShape,
	rows int,
	a, c, d, ldc, ldd, next reg.GPVirtual,
	p rowPointers,
	jump, left Op,
	upper reg.Register,
) {
	id := label("nn")
	t := s.tileRegisters(shape, rows)
	width := shape.vectors * s.bytes()
	s.prefetchTile(shape.vectors, rows, c, d, ldc, ldd, p.base[0])
	p.set(a, rows)
	b := s.loadGP("b")
	k := s.loadGP("segs")
	step := s.stepOperand()
	s.move(k, left)
	s.place(id + "_seg")
	s.loadGPTo("segLen", k)
	s.place(id + "_k")
	for j := range t.b {
		VMOVUPS(Mem{Base: b, Disp: j * s.bytes()}, t.b[j])
	}
	for l := 0; l < width; l += line {
		s.prefetch(Mem{Base: b, Disp: panelAhead + l})
	}
	PREFETCHT1(Mem{Base: next})
	s.increase(next, step)
	for i := range rows {
		s.addRow(t, i, p.at(i), upper, multiplyAdd)
	}
	p.advance(rows, U32(4))
	s.increase(b, U32(width))
	s.countDown(k, id+"_k")
	p.advance(rows, jump)
	s.countDown(left, id+"_seg")
	s.finishTile(id, shape, t, c, d, ldc, ldd)
}

// stepOperand returns what a tile adds to the address that it fetches from. The tile of AVX-512
// leaves no register for it, and the tile of AVX2 has no load to spare.
func (s *isa) stepOperand() Op {
	if !s.wide() {
		return s.loadGP("step")
	}
	step, err := Param("step").Resolve()
	if err != nil {
		panic(err)
	}
	return step.Addr
}

// part is a register of a tile that belongs to a row, and its place there. The mask is for the
// vector, or for its half.
type part struct {
	v    reg.Register
	k    mask
	disp int
}

// parts returns the registers of row i. Take rows in order: the second row's half of a shared register
// waits in spare. last is the mask of the last vector.
func (s *isa) parts(t registerTile, i int, last mask, spare reg.Register) []part {
	var out []part
	for j, v := range t.acc[i] {
		k := s.fullMask()
		if t.tail == nil && j == len(t.acc[i])-1 {
			k = last
		}
		out = append(out, part{v, k, j * s.bytes()})
	}
	if t.tail != nil {
		v, at := t.tail[i/2], len(t.acc[i])*s.bytes()
		switch {
		case i%2 == 1:
			v = spare
		case i < len(t.acc)-1: // work on the lower half clears the upper half
			s.extractUpper(v, s.lower(spare))
		}
		out = append(out, part{s.lower(v), s.lowerMask(last), at})
	}
	return out
}

// finishTile stores a tile as alpha·tile + D. It moves c and d to the rows after the tile.
func (s *isa) finishTile(id string, shape panelShape, t registerTile, c, d, ldc, ldd reg.GPVirtual) {
	alpha, dv := t.a[0], t.b[0]
	spare := t.a[len(t.a)-1] // if a panel is paired
	alphaAddr := s.loadParam("alpha", alpha)
	cols := s.loadGP("cols")
	s.decrease(cols, U32((shape.vectors-1)*s.lanes))
	last := s.tailIn(cols, s.maskRegister(t.b))
	s.jumpIfZero(d, id+"_plain")
	for i := range t.acc {
		for _, p := range s.parts(t, i, last, spare) {
			to, by := dv, alpha
			if p.v.Size() != dv.Size() {
				to, by = s.lower(dv), s.lower(alpha)
			}
			s.load(Mem{Base: d, Disp: p.disp}, p.k, to)
			s.mulAdd(p.v, by, to)
			s.store(p.v, p.k, Mem{Base: c, Disp: p.disp})
		}
		s.increase(c, ldc)
		s.increase(d, ldd)
	}
	s.jump(id + "_end")
	s.place(id + "_plain")
	CMPL(alphaAddr, U32(0x3f800000)) // 1.0, the usual case: no multiplication
	JEQ(LabelRef(id + "_bare"))
	for i := range t.acc {
		for _, v := range t.acc[i] {
			s.mul(alpha, v, v)
		}
	}
	for _, v := range t.tail {
		s.mul(alpha, v, v)
	}
	s.place(id + "_bare")
	for i := range t.acc {
		for _, p := range s.parts(t, i, last, spare) {
			s.store(p.v, p.k, Mem{Base: c, Disp: p.disp})
		}
		s.increase(c, ldc)
	}
	s.place(id + "_end")
}

// prefetchTile fetches the memory that a tile will write, and add, while the tile is computed: both
// often lie in memory, and the stores of a whole tile come at once.
func (s *isa) prefetchTile(vectors, rows int, c, d, ldc, ldd, at reg.GPVirtual) {
	id := label("prefetch")
	s.prefetchRows(vectors, rows, c, ldc, at)
	s.jumpIfZero(d, id)
	s.prefetchRows(vectors, rows, d, ldd, at)
	s.place(id)
}

func (s *isa) prefetchRows(vectors, rows int, base, ld, at reg.GPVirtual) {
	s.move(base, at)
	for i := range rows {
		for l := 0; l < vectors*s.bytes(); l += line {
			s.prefetch(Mem{Base: at, Disp: l})
		}
		if i < rows-1 {
			s.increase(at, ld)
		}
	}
}

// gemmTN generates the update of a panel of columns of C by Aᵀ·B. Two nested loops walk the rows of A
// and B, so that the rows of a map can be taken out of a padded one. B need not be packed.
func (s *isa) gemmTN(shape panelShape) {
	if s.arm != nil {
		s.gemmTNQuads(shape)
		return
	}
	s.textTN(shape)
	rows := s.tileRows(shape)
	if !s.wide() && shape == (panelShape{3, false}) {
		rows-- // a register for the mask
	}
	s.flushDenormals()
	upper := s.upperHalf(shape)
	ka, a, lda, ldb := s.loadGP("ka"), s.loadGP("a"), s.loadStride("lda"), s.loadStride("ldb")
	c, ldc := s.loadGP("c"), s.loadStride("ldc")
	jumpA, jumpB := s.local(), s.local()
	for _, j := range []struct {
		ld, outer string
		to        Op
	}{{"lda", "outerA", jumpA}, {"ldb", "outerB", jumpB}} {
		t, u, n := s.loadStride(j.outer), s.loadStride(j.ld), s.loadGP("inner")
		s.multiply(u, n)
		s.decrease(t, u)
		s.move(t, j.to)
	}
	cols := s.loadGP("cols")
	s.decrease(cols, U32((shape.vectors-1)*s.lanes))
	last := s.tailIn(cols, s.register(s.registers()-1))
	if shape.paired && s.wide() {
		last = s.twice(last)
	}
	pa, pb := s.gp(), s.gp()
	s.inTiles(rows, ka, func(r int) {
		s.tileTN(shape, r, a, pa, lda, pb, ldb, c, ldc, jumpA, jumpB, last, upper)
		s.increase(a, U32(4*r))
	})
	s.done()
}

func (s *isa) textTN(shape panelShape) {
	s.text(fmt.Sprintf("gemmTN%v", shape),
		"func(ka int, a *float32, lda, outerA int, b *float32, ldb, outerB int, outer, inner int, "+
			"c *float32, ldc int, cols int)",
		fmt.Sprintf("computes C += Aᵀ·B for one panel of columns, %s.", shape.doc()))
}

func (s *isa) tileTN(
	shape panelShape,
	rows int,
	a, pa, lda, pb, ldb, c, ldc reg.GPVirtual,
	jumpA, jumpB Op,
	last mask,
	upper reg.Register,
) {
	id := label("tn")
	// Fetch A 16 rows ahead, since most of it is in the second-level cache, and B 32 rows ahead: the
	// processor's own prefetching stops at the end of a page.
	aheadA, aheadB := s.gp(), s.gp()
	s.move(lda, aheadA)
	s.shiftLeft(4, aheadA)
	s.move(ldb, aheadB)
	s.shiftLeft(5, aheadB)
	t := s.tileRegisters(shape, rows)
	s.prefetchRows(shape.vectors, rows, c, ldc, pa)
	s.move(a, pa)
	s.loadGPTo("b", pb)
	outer := s.loadGP("outer")
	s.place(id + "_outer")
	inner := s.loadGP("inner")
	s.place(id + "_inner")
	for j := range t.b {
		from, k := Mem{Base: pb, Disp: j * s.bytes()}, s.fullMask()
		if j == len(t.b)-1 {
			k = last
		}
		if j == shape.full() {
			s.loadTwice(from, k, t.b[j])
		} else {
			s.load(from, k, t.b[j])
		}
	}
	s.prefetch(Mem{Base: pa, Index: aheadA, Scale: 1})
	for l := 0; l < shape.vectors*s.bytes(); l += line {
		s.prefetch(Mem{Base: pb, Index: aheadB, Scale: 1, Disp: l})
	}
	for i := range rows {
		s.addRow(t, i, Mem{Base: pa, Disp: 4 * i}, upper, multiplyAdd)
	}
	s.increase(pa, lda)
	s.increase(pb, ldb)
	s.countDown(inner, id+"_inner")
	s.increase(pa, jumpA)
	s.increase(pb, jumpB)
	s.countDown(outer, id+"_outer")
	for i := range t.acc {
		for _, p := range s.parts(t, i, last, t.a[len(t.a)-1]) {
			cv := t.a[0]
			if p.v.Size() != cv.Size() {
				cv = s.lower(cv)
			}
			s.load(Mem{Base: c, Disp: p.disp}, p.k, cv)
			s.add(cv, p.v, p.v)
			s.store(p.v, p.k, Mem{Base: c, Disp: p.disp})
		}
		s.increase(c, ldc)
	}
}
