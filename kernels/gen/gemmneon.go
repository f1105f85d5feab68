package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products of NEON. Its registers hold four values, and an instruction multiplies all lanes of
// one by a lane of another. So four values of a row of A are loaded at a time, where x86 broadcasts
// each. For panels, a vector has eight columns as with AVX2: two registers, quads of columns. Of the
// vector that a paired panel holds twice, only the first quad is read.

// quads returns the number of registers that the columns of a panel take.
func (p panelShape) quads() int {
	if p.paired {
		return 2*p.vectors - 1
	}
	return 2 * p.vectors
}

// neonTile returns the number of rows of a tile. The 32 registers hold rows·quads sums, a row of A for
// each row, and two vectors of B: 8×2, 7×3, 6×4, 5×5 or 4×6 sums. docs/internals/kernels.md says
// how llvm-mca rates the loops, and kernels/testdata/arm64_cycles.txt has the cycles.
func (p panelShape) neonTile() int { return []int{0, 0, 8, 7, 6, 5, 4}[p.quads()] }

// panelBytes returns the size of a row of a panel.
func (p panelShape) panelBytes() int { return 32 * p.vectors }

// quadTile is a tile of C in registers. The registers are assigned by hand.
type quadTile struct {
	acc  [][]reg.Register // of each row, the quads
	a, b []reg.Register
}

func (s *isa) quadTile(rows, quads, a int) quadTile {
	var t quadTile
	next := 0
	take := func(n int) (out []reg.Register) {
		for range n {
			out = append(out, s.register(next))
			next++
		}
		return out
	}
	for range rows {
		t.acc = append(t.acc, take(quads))
		for _, r := range t.acc[len(t.acc)-1] {
			s.clear(r)
		}
	}
	t.a = take(a)
	t.b = take(min(4, s.registers()-next))
	return t
}

// addLane adds to sum the products of b with a lane of a.
func (a *arm64) addLane(sum, b, of reg.Register, lane int) {
	code := uint32(0x4f801000) | uint32(lane&1)<<21 | uint32(lane>>1)<<11
	a.word(code, fmt.Sprintf("fmla v%%d.4s, v%%d.4s, v%%d.s[%d]", lane), changed(sum), read(b), read(of))
}

// addRows adds the products of a row of B, which lies at b, with a lane of each row of A.
func (s *isa) addRows(t quadTile, b Mem, lane int) {
	for j := range t.acc[0] {
		bv := t.b[j%len(t.b)]
		s.load(b.Offset(16*j), s.fullMask(), bv)
		for i := range t.acc {
			s.arm.addLane(t.acc[i][j], bv, t.a[i], lane)
		}
	}
}

// gemmNNQuads is gemmNN.
func (s *isa) gemmNNQuads(shape panelShape) {
	s.textNN(shape)
	rows := shape.neonTile()
	s.flushDenormals()
	m, a, lda := s.loadGP("m"), s.loadGP("a"), s.loadStride("lda")
	c, ldc, d, ldd := s.loadGP("c"), s.loadStride("ldc"), s.loadGP("d"), s.loadStride("ldd")
	next, step := s.loadGP("next"), s.loadGP("step")
	jump := s.loadStride("segStride")
	t := s.loadStride("segLen")
	s.decrease(jump, t)
	s.inTiles(rows, m, func(r int) {
		s.tileNNQuads(shape, r, a, lda, c, ldc, d, ldd, next, step, jump)
		s.multiplyBy(r, lda, t)
		s.increase(a, t)
	})
	s.done()
}

func (s *isa) tileNNQuads(shape panelShape, rows int, a, lda, c, ldc, d, ldd, next, step, jump reg.GPVirtual) {
	id := label("nn")
	t := s.quadTile(rows, shape.quads(), rows)
	s.prefetchTile(shape.vectors, rows, c, d, ldc, ldd, s.gp())
	p := make([]reg.GPVirtual, rows)
	for i := range p {
		p[i] = s.gp()
		if i == 0 {
			s.move(a, p[i])
		} else {
			s.address(Mem{Base: p[i-1], Index: lda, Scale: 1}, p[i])
		}
	}
	b, segs, k := s.loadGP("b"), s.loadGP("segs"), s.gp()
	width := shape.panelBytes()
	s.place(id + "_seg")
	s.loadGPTo("segLen", k)
	s.jumpIf(k, less, U32(4), id+"_rest")
	s.decrease(k, U32(4))
	s.place(id + "_k")
	for i := range p {
		s.arm.text("FMOVQ.P 16(R%d), F%d", changed(p[i]), written(t.a[i]))
	}
	for lane := range 4 {
		s.addRows(t, Mem{Base: b, Disp: lane * width}, lane)
		if lane*line < 4*width {
			s.prefetch(Mem{Base: b, Disp: panelAhead + lane*line})
		}
		s.arm.text("PRFM (R%d), PLDL2KEEP", read(next))
		s.increase(next, step)
	}
	s.increase(b, U32(4*width))
	s.decrease(k, U32(4))
	s.arm.text("CMP $0, R%d", read(k))
	s.arm.branch("BGE", id+"_k", true)
	s.increase(k, U32(4))
	s.place(id + "_rest")
	s.jumpIfZero(k, id+"_next")
	s.place(id + "_one")
	for i := range p {
		s.arm.text("FMOVS.P 4(R%d), F%d", changed(p[i]), written(t.a[i]))
	}
	s.addRows(t, Mem{Base: b}, 0)
	s.increase(next, step)
	s.increase(b, U32(width))
	s.countDown(k, id+"_one")
	s.place(id + "_next")
	for i := range p {
		s.increase(p[i], jump)
	}
	s.countDown(segs, id+"_seg")
	s.finishQuads(id, shape, t, c, ldc, d, ldd)
}

// lastQuads calls body for a row of a tile, with the masks of its quads. Whole quads have no mask.
// The last two may have some columns, or none. full says that all are whole.
func (s *isa) lastQuads(shape panelShape, id string, whole, part func()) {
	cols := s.loadGP("cols")
	s.jumpIf(cols, less, U32(4*shape.quads()), id+"_part")
	whole()
	s.jump(id + "_done")
	s.place(id + "_part")
	part()
	s.place(id + "_done")
}

// columnsOf returns the number of columns from a quad on; one to three are a mask.
func (s *isa) columnsOf(quad int) reg.GPVirtual {
	n := s.loadGP("cols")
	s.decrease(n, U32(4*quad))
	return n
}

// someLanes emits body for a quad that has n columns: with a full mask, with a mask of one to three
// lanes, or not at all.
func (s *isa) someLanes(n reg.GPVirtual, body func(k mask)) {
	id := label("some")
	s.jumpIfNotPositive(n, id+"_end")
	s.jumpIf(n, less, U32(4), id+"_few")
	body(s.fullMask())
	s.jump(id + "_end")
	s.place(id + "_few")
	body(mask{n: n})
	s.place(id + "_end")
}

// finishQuads stores a tile as alpha·tile + D. It moves c and d to the rows after the tile.
func (s *isa) finishQuads(id string, shape panelShape, t quadTile, c, ldc, d, ldd reg.GPVirtual) {
	alpha, dv := t.b[0], t.b[1]
	s.loadParam("alpha", alpha)
	s.lastQuads(shape, id, func() {
		s.jumpIfZero(d, id+"_plain")
		for i := range t.acc {
			for j, v := range t.acc[i] {
				s.load(Mem{Base: d, Disp: 16 * j}, s.fullMask(), dv)
				s.addProduct(dv, v, alpha)
				s.store(dv, s.fullMask(), Mem{Base: c, Disp: 16 * j})
			}
			s.increase(c, ldc)
			s.increase(d, ldd)
		}
		s.jump(id + "_done")
		s.place(id + "_plain")
		for i := range t.acc {
			for j, v := range t.acc[i] {
				s.mul(v, alpha, v)
				s.store(v, s.fullMask(), Mem{Base: c, Disp: 16 * j})
			}
			s.increase(c, ldc)
		}
	}, func() {
		left := s.spill(t)
		s.jumpIfZero(d, id+"_partly")
		s.spilledRows(id+"_sum", shape, t, left, func(v reg.Register, k mask, disp int) {
			s.load(Mem{Base: d, Disp: disp}, k, dv)
			s.addProduct(dv, v, alpha)
			s.store(dv, k, Mem{Base: c, Disp: disp})
		}, func() {
			s.increase(c, ldc)
			s.increase(d, ldd)
		})
		s.jump(id + "_done")
		s.place(id + "_partly")
		s.spilledRows(id+"_bare", shape, t, left, func(v reg.Register, k mask, disp int) {
			s.mul(v, alpha, v)
			s.store(v, k, Mem{Base: c, Disp: disp})
		}, func() { s.increase(c, ldc) })
	})
}

// spill stores a tile on the stack and returns the address, so that one loop over its rows can work
// on some of the lanes.
func (s *isa) spill(t quadTile) reg.GPVirtual {
	const most = 25 // registers of the sums of a tile
	at := s.gp()
	if s.buffer == "" {
		s.buffer = s.arm.local(16 * most)
	}
	if len(t.acc)*len(t.acc[0]) > most {
		panic("a tile that does not fit into its place on the stack")
	}
	s.arm.text("MOVD $"+s.buffer+", R%d", written(at))
	for i := range t.acc {
		for j, v := range t.acc[i] {
			s.store(v, s.fullMask(), Mem{Base: at, Disp: 16 * (i*len(t.acc[i]) + j)})
		}
	}
	return at
}

// spilledRows emits a loop over the rows of a tile that spill has stored. The last two quads may have
// some columns, or none.
func (s *isa) spilledRows(
	id string,
	shape panelShape,
	t quadTile,
	at reg.GPVirtual,
	body func(v reg.Register, k mask, disp int),
	next func(),
) {
	quads := shape.quads()
	n := [2]reg.GPVirtual{s.columnsOf(quads - 2), s.columnsOf(quads - 1)}
	rows, v := s.gp(), t.a[0]
	s.move(U32(len(t.acc)), rows)
	s.place(id)
	for j := range quads {
		s.load(Mem{Base: at, Disp: 16 * j}, s.fullMask(), v)
		if j < quads-2 {
			body(v, s.fullMask(), 16*j)
			continue
		}
		s.someLanes(n[j-quads+2], func(k mask) { body(v, k, 16*j) })
	}
	next()
	s.increase(at, U32(16*quads))
	s.countDown(rows, id)
}

// neonTileTN returns the number of rows of a tile of gemmTN. The values of A for a tile lie next to each
// other and take few registers: 3 for 12 rows, so 24 sums and 2 vectors of B fit.
func (p panelShape) neonTileTN() int { return []int{0, 0, 12, 8, 6, 5, 4}[p.quads()] }

// lane is the place of a value in a register.
type lane struct {
	r     reg.Register
	index int
}

// loadRow loads n neighbours with as few registers as possible, and returns the place of each.
func (s *isa) loadRow(base reg.GPVirtual, n int, free []reg.Register) (at []lane) {
	for i, k := 0, 0; i < n; k++ {
		size, name := 4, "FMOVQ"
		switch left := n - i; {
		case left == 1:
			size, name = 1, "FMOVS"
		case left < 4:
			size, name = 2, "FMOVD"
		}
		s.arm.text(fmt.Sprintf("%s %d(R%%d), F%%d", name, 4*i), read(base), written(free[k]))
		for j := range size {
			at = append(at, lane{free[k], j})
		}
		i += size
	}
	return at
}

// gemmTNQuads is gemmTN.
func (s *isa) gemmTNQuads(shape panelShape) {
	s.textTN(shape)
	s.flushDenormals()
	ka, a, lda, ldb := s.loadGP("ka"), s.loadGP("a"), s.loadStride("lda"), s.loadStride("ldb")
	c, ldc := s.loadGP("c"), s.loadStride("ldc")
	// The distance from the end of an inner loop to the start of the next one.
	inner, t := s.loadGP("inner"), s.gp()
	jumpA, jumpB := s.loadStride("outerA"), s.loadStride("outerB")
	for _, j := range []struct{ jump, ld reg.GPVirtual }{{jumpA, lda}, {jumpB, ldb}} {
		s.move(inner, t)
		s.multiply(t, j.ld)
		s.decrease(j.jump, t)
	}
	s.inTiles(shape.neonTileTN(), ka, func(r int) {
		s.tileTNQuads(shape, r, a, lda, ldb, c, ldc, jumpA, jumpB)
		s.increase(a, U32(4*r))
	})
	s.done()
}

func (s *isa) tileTNQuads(shape panelShape, rows int, a, lda, ldb, c, ldc, jumpA, jumpB reg.GPVirtual) {
	id := label("tn")
	quads := shape.quads()
	t := s.quadTile(rows, quads, rows/4+[]int{0, 1, 1, 2}[rows%4])
	pa, pb := s.gp(), s.gp()
	s.prefetchRows(shape.vectors, rows, c, ldc, pa)
	s.move(a, pa)
	s.loadGPTo("b", pb)
	var n [2]reg.GPVirtual
	first := quads - 2
	for j := range n {
		n[j] = s.columnsOf(first + j)
	}
	walk := func(id string, row func(at []lane)) {
		outer, inner := s.loadGP("outer"), s.gp()
		s.place(id + "_outer")
		s.loadGPTo("inner", inner)
		s.place(id + "_inner")
		at := s.loadRow(pa, rows, t.a)
		row(at)
		s.increase(pa, lda)
		s.increase(pb, ldb)
		s.countDown(inner, id+"_inner")
		s.increase(pa, jumpA)
		s.increase(pb, jumpB)
		s.countDown(outer, id+"_outer")
	}
	addQuad := func(j int, at []lane) {
		bv := t.b[j%len(t.b)]
		for i := range t.acc {
			s.arm.addLane(t.acc[i][j], bv, at[i].r, at[i].index)
		}
	}
	s.lastQuads(shape, id, func() {
		aheadA, aheadB := s.gp(), s.gp() // 16 rows of A, 32 of B: see gemmTN
		s.move(lda, aheadA)
		s.shiftLeft(4, aheadA)
		s.move(ldb, aheadB)
		s.shiftLeft(5, aheadB)
		walk(id+"_whole", func(at []lane) {
			s.prefetch(Mem{Base: pa, Index: aheadA, Scale: 1})
			for l := 0; l < 16*quads; l += line {
				s.prefetch(Mem{Base: pb, Index: aheadB, Scale: 1, Disp: l})
			}
			for j := range quads {
				s.load(Mem{Base: pb, Disp: 16 * j}, s.fullMask(), t.b[j%len(t.b)])
				addQuad(j, at)
			}
		})
		for i := range t.acc {
			for j, v := range t.acc[i] {
				m := Mem{Base: c, Disp: 16 * j}
				s.load(m, s.fullMask(), t.b[j%len(t.b)])
				s.add(v, t.b[j%len(t.b)], v)
				s.store(v, s.fullMask(), m)
			}
			s.increase(c, ldc)
		}
	}, func() {
		walk(id+"_few", func(at []lane) {
			for j := range quads {
				m, bv := Mem{Base: pb, Disp: 16 * j}, t.b[j%len(t.b)]
				if j < first {
					s.load(m, s.fullMask(), bv)
				} else {
					s.clear(bv)
					s.someLanes(n[j-first], func(k mask) { s.load(m, k, bv) })
				}
				addQuad(j, at)
			}
		})
		s.spilledRows(id+"_sum", shape, t, s.spill(t), func(v reg.Register, k mask, disp int) {
			m := Mem{Base: c, Disp: disp}
			s.load(m, k, t.b[0])
			s.add(v, t.b[0], v)
			s.store(v, k, m)
		}, func() { s.increase(c, ldc) })
	})
}
