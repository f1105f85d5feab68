package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// groupTile returns the number of pixels of a tile of groupConv. 14 for AVX-512, because usual maps are
// 56, 28, 14 and 7 pixels wide, and there are registers for 14 sums.
func (s *isa) groupTile() int {
	if s.arm != nil {
		return 8
	}
	return s.pick(14, 8)
}

// groupConv generates a 3×3 convolution in groups so small that a vector holds the channels of one or
// of several. A product would leave most lanes idle. Here a permutation brings each lane of a pixel's
// vector input j of its group; it serves the three columns of the kernel.
func (s *isa) groupConv() {
	s.text("groupConv",
		"func(width, inner int, src *float32, lds, line int, index *int32, w *float32, "+
			"dst *float32, ldd int, cols int)",
		"computes a line of a 3×3 convolution in small groups from a padded map: "+
			"dst[x][o] = Σ w[dy][j][dx][o]·src[dy][x+dx][index[j][o]].")
	rows := s.groupTile()
	s.flushDenormals()
	width, src, lds := s.loadGP("width"), s.loadGP("src"), s.loadStride("lds")
	lds3 := s.gp()
	s.address(Mem{Base: lds, Index: lds, Scale: 2}, lds3)
	dst, ldd := s.loadGP("dst"), s.loadStride("ldd")
	p := s.newRowPointers(rows+2, lds, lds3)
	line, left := s.local(), s.local()
	t := s.loadStride("line")
	s.move(t, line)
	s.place("tiles")
	s.jumpIf(width, less, U32(rows), "rest")
	s.groupTileOf(rows, src, dst, ldd, p, line, left)
	s.multiplyBy(rows, lds, p.base[0])
	s.increase(src, p.base[0])
	s.decrease(width, U32(rows))
	s.jump("tiles")
	s.place("rest")
	for r := rows - 1; r > 0; r-- {
		s.jumpIf(width, equal, U32(r), fmt.Sprintf("rest%d", r))
	}
	s.jump("done")
	for r := rows - 1; r > 0; r-- {
		s.place(fmt.Sprintf("rest%d", r))
		s.groupTileOf(r, src, dst, ldd, p, line, left)
		s.jump("done")
	}
	s.place("done")
	s.done()
}

func (s *isa) groupTileOf(rows int, src, dst, ldd reg.GPVirtual, p rowPointers, line, left Op) {
	if s.arm != nil {
		s.groupTileOfQuads(rows, src, dst, ldd, p.ld, line, left)
		return
	}
	id := label("group")
	var acc []reg.Register
	for range rows {
		acc = append(acc, s.zero())
	}
	p.set(src, rows+2)
	w, index, j := s.loadGP("w"), s.gp(), s.gp()
	s.move(U32(3), j)
	s.move(j, left)
	s.place(id + "_line")
	s.loadGPTo("index", index)
	s.loadGPTo("inner", j)
	s.place(id + "_input")
	lanes, v := s.vec(), s.vec()
	VMOVUPS(Mem{Base: index}, lanes)
	var wv [3]reg.Register
	for dx := range wv {
		wv[dx] = s.vec()
		VMOVUPS(Mem{Base: w, Disp: dx * s.bytes()}, wv[dx])
	}
	for i := range rows + 2 {
		VPERMPS(p.at(i), lanes, v)
		for dx := range wv {
			if o := i - dx; o >= 0 && o < rows {
				s.addProduct(acc[o], wv[dx], v)
			}
		}
	}
	s.increase(w, U32(3*s.bytes()))
	s.increase(index, U32(s.bytes()))
	s.countDown(j, id+"_input")
	p.advance(rows+2, line)
	s.countDown(left, id+"_line")
	k := s.tail(s.loadGP("cols"))
	for _, a := range acc {
		s.store(a, k, Mem{Base: dst})
		s.increase(dst, ldd)
	}
}
