package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// groupTile is the number of pixels of a tile of groupConv. An odd-looking
// choice for AVX-512: the maps of the field are 56, 28, 14 and 7 pixels wide.
func (s *isa) groupTile() int { return s.pick(14, 8) }

// groupConv generates a 3×3 convolution in groups so small that a vector holds
// the channels of one or of several. A product would leave most lanes idle;
// here lane o of the vector of a pixel meets input j of its group by a
// permutation, which serves the three columns of the kernel.
func (s *isa) groupConv() {
	s.text("groupConv",
		"func(width, inner int, src *float32, lds, line int, index *int32, w *float32, dst *float32, ldd int, cols int)",
		"computes a line of a 3×3 convolution in small groups from a padded map: dst[x][o] = Σ w[dy][j][dx][o]·src[dy][x+dx][index[j][o]].")
	rows := s.groupTile()
	s.flushDenormals()
	width, src, lds := loadGP("width"), loadGP("src"), loadStride("lds")
	lds3 := GP64()
	LEAQ(Mem{Base: lds, Index: lds, Scale: 2}, lds3)
	dst, ldd := loadGP("dst"), loadStride("ldd")
	p := newRowPointers(rows+2, lds, lds3)
	line, left := AllocLocal(8), AllocLocal(8)
	t := loadStride("line")
	MOVQ(t, line)
	Label("tiles")
	CMPQ(width, U32(rows))
	JLT(LabelRef("rest"))
	s.groupTileOf(rows, src, dst, ldd, p, line, left)
	IMUL3Q(U32(rows), lds, p.base[0])
	ADDQ(p.base[0], src)
	SUBQ(U32(rows), width)
	JMP(LabelRef("tiles"))
	Label("rest")
	for r := rows - 1; r > 0; r-- {
		CMPQ(width, U32(r))
		JEQ(LabelRef(fmt.Sprintf("rest%d", r)))
	}
	JMP(LabelRef("done"))
	for r := rows - 1; r > 0; r-- {
		Label(fmt.Sprintf("rest%d", r))
		s.groupTileOf(r, src, dst, ldd, p, line, left)
		JMP(LabelRef("done"))
	}
	Label("done")
	s.done()
}

func (s *isa) groupTileOf(rows int, src, dst, ldd reg.GPVirtual, p rowPointers, line, left Mem) {
	id := label("group")
	var acc []reg.Register
	for range rows {
		acc = append(acc, s.zero())
	}
	p.set(src, rows+2)
	w, index, j := loadGP("w"), GP64(), GP64()
	MOVQ(U32(3), j)
	MOVQ(j, left)
	Label(id + "_line")
	Load(Param("index"), index)
	Load(Param("inner"), j)
	Label(id + "_input")
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
				VFMADD231PS(wv[dx], v, acc[o])
			}
		}
	}
	ADDQ(U32(3*s.bytes()), w)
	ADDQ(U32(s.bytes()), index)
	DECQ(j)
	JNZ(LabelRef(id + "_input"))
	p.advance(rows+2, line)
	DECQ(left)
	JNZ(LabelRef(id + "_line"))
	k := s.tail(loadGP("cols"))
	for _, a := range acc {
		s.store(a, k, Mem{Base: dst})
		ADDQ(ldd, dst)
	}
}
