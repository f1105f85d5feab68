package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products in bfloat16 with BFMMLA: it multiplies two rows of A, of four values each, by two
// columns of B, and adds to the four sums in a register. Panels are those of AVX512_BF16, rows of
// pairs. Of two such rows a permutation makes what the instruction reads, two columns in a register.

func (a *arm64) zip(half int, values string, x, y, dst reg.Register) {
	code := map[string]uint32{"8h": 0x4e403800, "4s": 0x4e803800, "2d": 0x4ec03800}[values] | uint32(half-1)<<14
	a.word(code, fmt.Sprintf("zip%d v%%d.%[2]s, v%%d.%[2]s, v%%d.%[2]s", half, values), written(dst), read(x), read(y))
}

// halfNNQuads generates the product of rows of bfloat16 with one packed panel of pairs; see
// gemmNN.
func (s *isa) halfNNQuads(nv int) {
	shape := panelShape{vectors: nv}
	s.text(fmt.Sprintf("halfNN%d", nv),
		"func(m int, a *uint16, lda, segs, segPairs, segStride int, b *float32, c *float32, ldc int, d *float32, ldd int, alpha float32, cols int, next *float32, step int)",
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
	next2 := 0
	take := func() reg.Register {
		next2++
		return s.register(next2 - 1)
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
	x, y, z := take(), take(), take()
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
	// loadA loads some values of each row, whole pairs: the first row of two into the lower half.
	loadA := func(load string, size int, lane string) {
		for i, v := range av {
			s.arm.text(fmt.Sprintf("%s.P %d(R%%d), F%%d", load, size), changed(p[2*i]), written(v))
			if 2*i+1 < rows {
				s.arm.text(fmt.Sprintf("VLD1.P %d(R%%d), V%%d.%s", size, lane), changed(p[2*i+1]), changed(v))
			}
		}
	}
	// multiply adds the products with two rows of pairs, or with one.
	multiply := func(two bool) {
		if !two {
			s.clear(y)
		}
		for j := range quads {
			s.load(Mem{Base: b, Disp: 16 * j}, s.fullMask(), x)
			if two {
				s.load(Mem{Base: b, Disp: width + 16*j}, s.fullMask(), y)
			}
			s.arm.zip(1, "4s", x, y, z)
			s.arm.zip(2, "4s", x, y, x)
			for h, bv := range []reg.Register{z, x} {
				for i := range av {
					s.arm.word(0x6e40ec00, "bfmmla v%d.4s, v%d.8h, v%d.8h", changed(sums[i][2*j+h]), read(av[i]), read(bv))
				}
			}
		}
	}
	s.place(id + "_seg")
	s.loadGPTo("segPairs", k)
	s.jumpIf(k, less, U32(2), id+"_rest")
	s.place(id + "_k")
	loadA("FMOVD", 8, "D[1]")
	multiply(true)
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
	s.place(id + "_rest")
	s.jumpIfZero(k, id+"_next")
	loadA("FMOVS", 4, "S[2]")
	multiply(false)
	s.increase(next, step)
	s.increase(b, U32(width))
	s.place(id + "_next")
	for i := range p {
		s.increase(p[i], jump)
	}
	s.countDown(segs, id+"_seg")

	// Rows again: each register takes half of two neighbours.
	t := quadTile{a: []reg.Register{x}, b: []reg.Register{y, z}}
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
	s.text("copyHalf", "func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int)", "copies a matrix of bfloat16.")
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

// fromHalfNEON generates the way back from bfloat16.
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
	rows, dst, ldd, src, lds := s.loadGP("rows"), s.loadGP("dst"), s.loadStride("ldd"), s.loadGP("src"), s.loadStride("lds")
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
