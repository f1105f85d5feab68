package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products in bfloat16 with BFMMLA. It multiplies two rows of A, of four values each, by two
// columns of B, and adds to the four sums in a register. A panel of AVX512_BF16 has pairs; a panel
// for NEON has quads: the values of four steps of the inner index, column after column.

func (a *arm64) zip(half int, values string, x, y, dst reg.Register) {
	code := map[string]uint32{"8h": 0x4e403800, "4s": 0x4e803800, "2d": 0x4ec03800}[values] | uint32(half-1)<<14
	a.word(code, fmt.Sprintf("zip%d v%%d.%[2]s, v%%d.%[2]s, v%%d.%[2]s", half, values), written(dst), read(x), read(y))
}

// halfNNQuads generates the product of rows of bfloat16 with one packed panel of quads; see gemmNN.
// segPairs is even.
func (s *isa) halfNNQuads(nv int) {
	shape := panelShape{vectors: nv}
	s.text(fmt.Sprintf("halfNN%d", nv),
		signatureHalfNN,
		fmt.Sprintf("computes C = alpha·A·B + D for one panel of B, %d vectors wide.", nv))
	rows := shape.neonTile()
	s.flushDenormals()
	m, a, lda := s.loadGP("m"), s.loadGP("a"), s.loadHalves("lda")
	c, ldc, d, ldd := s.loadGP("c"), s.loadStride("ldc"), s.loadGP("d"), s.loadStride("ldd")
	next, step := s.loadGP("next"), s.loadGP("step")
	jump := s.loadHalves("segStride")
	t := s.loadStride("segPairs")
	s.decrease(jump, t)
	s.inTiles(rows, m, func(r int) {
		s.halfTileQuads(shape, r, a, lda, c, ldc, d, ldd, next, step, jump)
		s.multiplyBy(r, lda, t)
		s.increase(a, t)
	})
	s.done()
}

func (s *isa) halfTileQuads(shape panelShape, rows int, a, lda, c, ldc, d, ldd, next, step, jump reg.GPVirtual) {
	id := label("half")
	quads, both := shape.quads(), (rows+1)/2
	width := shape.panelBytes()
	s.prefetchTile(shape.vectors, rows, c, d, ldc, ldd, s.gp())
	taken := 0
	take := func() reg.Register {
		taken++
		return s.register(taken - 1)
	}
	// Sums of two rows and two columns.
	sums := make([][]reg.Register, both)
	for i := range sums {
		for range 2 * quads {
			r := take()
			s.clear(r)
			sums[i] = append(sums[i], r)
		}
	}
	av := make([]reg.Register, both)
	for i := range av {
		av[i] = take()
	}
	x := take()
	bv := []reg.Register{x, take()}
	for len(bv) < 4 && taken < s.registers() {
		bv = append(bv, take())
	}
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
	s.place(id + "_seg")
	s.loadGPTo("segPairs", k)
	s.jumpIfNotPositive(k, id+"_next")
	s.place(id + "_k")
	for i, v := range av { // four values of each row; the first row of two goes into the lower half
		s.arm.text("FMOVD.P 8(R%d), F%d", changed(p[2*i]), written(v))
		if 2*i+1 < rows {
			s.arm.text("VLD1.P 8(R%d), V%d.D[1]", changed(p[2*i+1]), changed(v))
		}
	}
	for j := range 2 * quads {
		v := bv[j%len(bv)]
		s.load(Mem{Base: b, Disp: 16 * j}, s.fullMask(), v)
		for i := range av {
			s.arm.word(0x6e40ec00, "bfmmla v%d.4s, v%d.8h, v%d.8h", changed(sums[i][j]), read(av[i]), read(v))
		}
	}
	for l := 0; l < 2*width; l += line {
		s.prefetch(Mem{Base: b, Disp: panelAhead + l})
	}
	for range 2 {
		s.arm.text("PRFM (R%d), PLDL2KEEP", read(next))
		s.increase(next, step)
	}
	s.increase(b, U32(2*width))
	s.decrease(k, U32(2))
	s.jumpIf(k, greater, U32(1), id+"_k")
	s.place(id + "_next")
	for i := range p {
		s.increase(p[i], jump)
	}
	s.countDown(segs, id+"_seg")

	// Back to rows: each register takes half of two neighbours.
	t := quadTile{a: []reg.Register{av[0]}, b: []reg.Register{bv[0], bv[1]}}
	for i, two := range sums {
		var first, second []reg.Register
		for j := range quads {
			l, r := two[2*j], two[2*j+1]
			s.arm.zip(1, "2d", l, r, x)
			s.arm.zip(2, "2d", l, r, r)
			s.copyTo(x, l)
			first, second = append(first, l), append(second, r)
		}
		t.acc = append(t.acc, first)
		if 2*i+1 < rows {
			t.acc = append(t.acc, second)
		}
	}
	s.finishQuads(id, shape, t, c, ldc, d, ldd)
}

// toHalfRow converts n values at in to bfloat16 at out, and moves both to their ends.
func (s *isa) toHalfRow(n, in, out reg.GPVirtual) {
	id := label("convert")
	x, y := s.vec(), s.vec()
	s.place(id)
	s.jumpIf(n, less, U32(8), id+"_one")
	s.load(Mem{Base: in}, s.fullMask(), x)
	s.load(Mem{Base: in, Disp: 16}, s.fullMask(), y)
	s.arm.word(0x0ea16800, "bfcvtn v%d.4h, v%d.4s", written(x), read(x))
	s.arm.word(0x4ea16800, "bfcvtn2 v%d.8h, v%d.4s", changed(x), read(y))
	s.store(x, s.fullMask(), Mem{Base: out})
	s.increase(in, U32(32))
	s.increase(out, U32(16))
	s.decrease(n, U32(8))
	s.jump(id)
	s.place(id + "_one")
	s.jumpIfNotPositive(n, id+"_end")
	s.arm.text("FMOVS.P 4(R%d), F%d", changed(in), written(x))
	s.arm.word(0x1e634000, "bfcvt h%d, s%d", written(x), read(x))
	s.arm.text("VST1.P V%d.H[0], 2(R%d)", read(x), changed(out))
	s.decrease(n, U32(1))
	s.jump(id + "_one")
	s.place(id + "_end")
}

// toHalfNEON generates the conversion of rows to bfloat16.
func (s *isa) toHalfNEON() {
	s.text("toHalf", "func(rows, cols, fill int, dst *uint16, ldd int, src *float32, lds int)",
		"converts rows to bfloat16 and writes zeros from column cols to column fill.")
	s.flushDenormals()
	dst, ldd, src, lds := s.loadGP("dst"), s.loadHalves("ldd"), s.loadGP("src"), s.loadStride("lds")
	zero := s.zero()
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		in, out, n := s.gp(), s.gp(), s.loadGP("cols")
		s.move(src, in)
		s.move(dst, out)
		s.toHalfRow(n, in, out)
		s.loadGPTo("fill", n)
		s.decrease(n, s.loadGP("cols"))
		id := label("fill")
		s.place(id)
		s.jumpIf(n, less, U32(8), id+"_one")
		s.store(zero, s.fullMask(), Mem{Base: out})
		s.increase(out, U32(16))
		s.decrease(n, U32(8))
		s.jump(id)
		s.place(id + "_one")
		s.jumpIfNotPositive(n, id+"_end")
		s.arm.text("MOVH.P ZR, 2(R%d)", changed(out))
		s.decrease(n, U32(1))
		s.jump(id + "_one")
		s.place(id + "_end")
		s.increase(src, lds)
		s.increase(dst, ldd)
	})
	s.done()
}

// copyHalfNEON generates the copy of a matrix of bfloat16.
func (s *isa) copyHalfNEON() {
	s.text("copyHalf",
		"func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int)",
		"copies a matrix of bfloat16.")
	dst, ldd, src, lds := s.loadGP("dst"), s.loadHalves("ldd"), s.loadGP("src"), s.loadHalves("lds")
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		in, out, n, t := s.gp(), s.gp(), s.loadGP("cols"), s.gp()
		s.move(src, in)
		s.move(dst, out)
		id, x := label("copy"), s.vec()
		s.place(id)
		s.jumpIf(n, less, U32(8), id+"_one")
		s.arm.text("FMOVQ.P 16(R%d), F%d", changed(in), written(x))
		s.arm.text("FMOVQ.P F%d, 16(R%d)", read(x), changed(out))
		s.decrease(n, U32(8))
		s.jump(id)
		s.place(id + "_one")
		s.jumpIfNotPositive(n, id+"_end")
		s.arm.text("MOVHU.P 2(R%d), R%d", changed(in), written(t))
		s.arm.text("MOVH.P R%d, 2(R%d)", read(t), changed(out))
		s.decrease(n, U32(1))
		s.jump(id + "_one")
		s.place(id + "_end")
		s.increase(src, lds)
		s.increase(dst, ldd)
	})
	s.ret()
}

// fromHalfNEON generates the conversion from bfloat16 to float32.
func (s *isa) fromHalfNEON() {
	s.text("fromHalf", "func(rows, cols int, dst *float32, ldd int, src *uint16, lds int)",
		"converts rows of bfloat16 to float32.")
	dst, ldd, src, lds := s.loadGP("dst"), s.loadStride("ldd"), s.loadGP("src"), s.loadHalves("lds")
	s.repeat(label("rows"), s.loadGP("rows"), func() {
		in, out, n, t := s.gp(), s.gp(), s.loadGP("cols"), s.gp()
		s.move(src, in)
		s.move(dst, out)
		id, x, y := label("widen"), s.vec(), s.vec()
		s.place(id)
		s.jumpIf(n, less, U32(8), id+"_one")
		s.arm.text("FMOVQ.P 16(R%d), F%d", changed(in), written(x))
		s.arm.word(0x2e613800, "shll v%d.4s, v%d.4h, #16", written(y), read(x))
		s.arm.word(0x6e613800, "shll2 v%d.4s, v%d.8h, #16", written(x), read(x))
		s.store(y, s.fullMask(), Mem{Base: out})
		s.store(x, s.fullMask(), Mem{Base: out, Disp: 16})
		s.increase(out, U32(32))
		s.decrease(n, U32(8))
		s.jump(id)
		s.place(id + "_one")
		s.jumpIfNotPositive(n, id+"_end")
		s.arm.text("MOVHU.P 2(R%d), R%d", changed(in), written(t))
		s.shiftLeft(16, t)
		s.arm.text("MOVW.P R%d, 4(R%d)", read(t), changed(out))
		s.decrease(n, U32(1))
		s.jump(id + "_one")
		s.place(id + "_end")
		s.increase(src, lds)
		s.increase(dst, ldd)
	})
	s.ret()
}

// interleaveNEON generates the conversion of two rows at a time to pairs.
func (s *isa) interleaveNEON() {
	s.text("interleave", "func(pairs, rows, cols int, dst *float32, ldd int, src *float32, lds int)",
		"converts rows 2·p and 2·p+1 to row p of pairs; rows that are not there are zero.")
	s.flushDenormals()
	rows := s.loadGP("rows")
	dst := s.loadGP("dst")
	ldd := s.loadStride("ldd")
	src := s.loadGP("src")
	lds := s.loadStride("lds")
	second, zero := s.gp(), s.zero()
	s.repeat(label("pairs"), s.loadGP("pairs"), func() {
		s.address(Mem{Base: src, Index: lds, Scale: 1}, second)
		convert := func(there int) {
			s.columns(s.loadGP("cols"), 4, func(ks []mask, off reg.GPVirtual) {
				for i, k := range ks {
					x, y := zero, zero
					if there > 0 {
						x = s.vec()
						s.load(s.at(src, off, i), k, x)
						s.arm.word(0x0ea16800, "bfcvtn v%d.4h, v%d.4s", written(x), read(x))
					}
					if there > 1 {
						y = s.vec()
						s.load(s.at(second, off, i), k, y)
						s.arm.word(0x0ea16800, "bfcvtn v%d.4h, v%d.4s", written(y), read(y))
					}
					v := s.vec()
					s.arm.zip(1, "8h", x, y, v)
					s.store(v, k, s.at(dst, off, i))
				}
			})
		}
		id := label("there")
		s.jumpIf(rows, equal, U32(1), id+"_one")
		s.jumpIfNotPositive(rows, id+"_none")
		convert(2)
		s.jump(id + "_next")
		s.place(id + "_one")
		convert(1)
		s.jump(id + "_next")
		s.place(id + "_none")
		convert(0)
		s.place(id + "_next")
		s.address(Mem{Base: src, Index: lds, Scale: 2}, src)
		s.increase(dst, ldd)
		s.decrease(rows, U32(2))
	})
	s.done()
}

// quadsNEON generates the conversion of four rows at a time to quads.
func (s *isa) quadsNEON() {
	s.text("quads", "func(quads, rows, cols int, dst *float32, ldd int, src *float32, lds int)",
		"converts rows 4·q to 4·q+3 to row q of quads; rows that are not there are zero.")
	s.flushDenormals()
	rows := s.loadGP("rows")
	dst := s.loadGP("dst")
	ldd := s.loadStride("ldd")
	src := s.loadGP("src")
	lds := s.loadStride("lds")
	var in [4]reg.GPVirtual
	for i := range in {
		in[i] = s.gp()
	}
	zero := s.zero()
	s.repeat(label("quads"), s.loadGP("quads"), func() {
		s.move(src, in[0])
		for i := range 3 {
			s.address(Mem{Base: in[i], Index: lds, Scale: 1}, in[i+1])
		}
		convert := func(there int) {
			id := label("convert")
			left, out := s.loadGP("cols"), s.gp()
			s.move(dst, out)
			columns := func(k mask) (low, high reg.Register) {
				h := [4]reg.Register{zero, zero, zero, zero}
				for i := range there {
					h[i] = s.vec()
					s.load(Mem{Base: in[i]}, k, h[i])
					s.arm.word(0x0ea16800, "bfcvtn v%d.4h, v%d.4s", written(h[i]), read(h[i]))
				}
				x, y, low, high := s.vec(), s.vec(), s.vec(), s.vec()
				s.arm.zip(1, "8h", h[0], h[1], x)
				s.arm.zip(1, "8h", h[2], h[3], y)
				s.arm.zip(1, "4s", x, y, low)
				s.arm.zip(2, "4s", x, y, high)
				return low, high
			}
			s.place(id)
			s.jumpIf(left, less, U32(4), id+"_few")
			low, high := columns(s.fullMask())
			s.store(low, s.fullMask(), Mem{Base: out})
			s.store(high, s.fullMask(), Mem{Base: out, Disp: 16})
			for i := range there {
				s.increase(in[i], U32(16))
			}
			s.increase(out, U32(32))
			s.decrease(left, U32(4))
			s.jump(id)
			s.place(id + "_few")
			s.jumpIfNotPositive(left, id+"_end")
			low, high = columns(mask{n: left})
			s.arm.text("FMOVD F%d, 0(R%d)", read(low), read(out))
			s.jumpIf(left, less, U32(2), id+"_end")
			s.store(low, s.fullMask(), Mem{Base: out})
			s.jumpIf(left, less, U32(3), id+"_end")
			s.arm.text("FMOVD F%d, 16(R%d)", read(high), read(out))
			s.place(id + "_end")
		}
		id := label("there")
		for there := 4; there > 0; there-- {
			s.jumpIf(rows, less, U32(there), fmt.Sprintf("%s_%d", id, there-1))
			convert(there)
			s.jump(id + "_next")
			s.place(fmt.Sprintf("%s_%d", id, there-1))
		}
		convert(0)
		s.place(id + "_next")
		s.address(Mem{Base: src, Index: lds, Scale: 4}, src)
		s.increase(dst, ldd)
		s.decrease(rows, U32(4))
	})
	s.done()
}
