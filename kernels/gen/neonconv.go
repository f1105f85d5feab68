package main

import (
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// groupTileOfQuads is groupTileOf. Two registers hold the eight lanes of a vector of x86. A table
// lookup brings each lane its input, byte by byte.
func (s *isa) groupTileOfQuads(rows int, src, dst, ldd, lds reg.GPVirtual, step, left Op) {
	id := label("group")
	next := 0
	take := func() (pair [2]reg.Register) {
		for i := range pair {
			pair[i] = s.register(next)
			next++
		}
		return pair
	}
	acc := make([][2]reg.Register, rows)
	for i := range acc {
		acc[i] = take()
		s.clear(acc[i][0])
		s.clear(acc[i][1])
	}
	in, bytes, v := take(), take(), take() // the lookup wants two neighbours for in
	w := [3][2]reg.Register{take(), take(), take()}
	each := func(base reg.GPVirtual, at int, pair [2]reg.Register) {
		for h, r := range pair {
			s.load(Mem{Base: base, Disp: at + 16*h}, s.fullMask(), r)
		}
	}
	from, pixel, weights, index, j := s.gp(), s.gp(), s.loadGP("w"), s.gp(), s.gp()
	s.move(src, from)
	s.move(U32(3), left)
	s.place(id + "_line")
	s.loadGPTo("index", index)
	s.loadGPTo("inner", j)
	s.place(id + "_input")
	each(index, 0, bytes)
	s.arm.loadConstant(0x04040404, v[0])
	s.arm.loadConstant(0x03020100, v[1])
	for _, b := range bytes { // the four bytes of each lane
		s.arm.word(0x4ea09c00, "mul v%d.4s, v%d.4s, v%d.4s", written(b), read(b), read(v[0]))
		s.arm.word(0x4ea08400, "add v%d.4s, v%d.4s, v%d.4s", written(b), read(b), read(v[1]))
	}
	for dx := range w {
		each(weights, 32*dx, w[dx])
	}
	s.move(from, pixel)
	for i := range rows + 2 {
		each(pixel, 0, in)
		for h := range v {
			s.arm.lookUp(in, bytes[h], v[h])
		}
		if i < rows+1 {
			s.increase(pixel, lds)
		}
		for dx := range w {
			if o := i - dx; o >= 0 && o < rows {
				for h := range v {
					s.addProduct(acc[o][h], w[dx][h], v[h])
				}
			}
		}
	}
	s.increase(weights, U32(96))
	s.increase(index, U32(32))
	s.countDown(j, id+"_input")
	s.increase(from, step)
	s.countDown(left, id+"_line")
	var n [2]reg.GPVirtual
	for h := range n {
		n[h] = s.columnsOf(h)
	}
	for _, pair := range acc {
		for h, r := range pair {
			s.someLanes(n[h], func(k mask) { s.store(r, k, Mem{Base: dst, Disp: 16 * h}) })
		}
		s.increase(dst, ldd)
	}
}

// lookUp fills dst with the bytes that index selects from two neighbouring registers.
func (a *arm64) lookUp(table [2]reg.Register, index, dst reg.Register) {
	a.word(0x4e002000, "tbl v%d.16b, { v%d.16b, v%d.16b }, v%d.16b",
		written(dst), read(table[0]), read(table[1]).at(-1), read(index).at(16))
}

// transpose8Quads is transpose8, with four blocks of 4×4.
func (s *isa) transpose8Quads(dst, ldd, src, lds reg.GPVirtual) {
	in, out := s.gp(), s.gp()
	s.move(src, in)
	var rows [8][2]reg.Register
	for i := range rows {
		for h := range rows[i] {
			rows[i][h] = s.register(2*i + h)
			s.load(Mem{Base: in, Disp: 16 * h}, s.fullMask(), rows[i][h])
		}
		s.increase(in, lds)
	}
	for i := 0; i < 8; i += 4 {
		for h := range 2 {
			r := []reg.Register{rows[i][h], rows[i+1][h], rows[i+2][h], rows[i+3][h]}
			t := []reg.Register{s.register(16), s.register(17), s.register(18), s.register(19)}
			for k := 0; k < 4; k += 2 {
				s.arm.word(0x4e802800, "trn1 v%d.4s, v%d.4s, v%d.4s", written(t[k]), read(r[k]), read(r[k+1]))
				s.arm.word(0x4e806800, "trn2 v%d.4s, v%d.4s, v%d.4s", written(t[k+1]), read(r[k]), read(r[k+1]))
			}
			for k := range 2 {
				s.arm.word(0x4ec02800, "trn1 v%d.2d, v%d.2d, v%d.2d", written(r[k]), read(t[k]), read(t[k+2]))
				s.arm.word(0x4ec06800, "trn2 v%d.2d, v%d.2d, v%d.2d", written(r[k+2]), read(t[k]), read(t[k+2]))
			}
		}
	}
	s.move(dst, out)
	for c := range 8 {
		for b := range 2 { // rows of the source from 4·b on
			s.store(rows[4*b+c%4][c/4], s.fullMask(), Mem{Base: out, Disp: 16 * b})
		}
		s.increase(out, ldd)
	}
	s.increase(src, U32(32))
	s.move(out, dst)
}
