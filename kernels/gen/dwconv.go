package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dwConv generates a depthwise 3×3 convolution. It reads a column of the map once a line for all
// three pixels of the output that see it. Three registers take turns as sums, and nine hold the
// weights.
func (s *isa) dwConv() {
	s.text("dwConv",
		"func(lines, width, cols int, dst *float32, ldd, dstLine int, above *float32, ldAbove int, "+
			"here *float32, lds int, below *float32, ldBelow int, srcLine int, w *float32, ldw int)",
		"computes lines of a depthwise 3×3 convolution; above, here and below are the lines of the map that "+
			"the first one sees, with their pixel strides, and w the weights [9, ldw].")
	s.flushDenormals()
	rows := []string{"above", "here", "below"}
	var strides [3]reg.GPVirtual
	for i, name := range []string{"ldAbove", "lds", "ldBelow"} {
		strides[i] = s.loadStride(name)
	}
	ldd := s.loadStride("ldd")
	var starts [4]Op // of the line: of the rows, and of dst
	for i := range starts {
		starts[i] = s.local()
	}
	left := s.local()
	s.columns(s.loadGP("cols"), s.pick(2, 1), func(ks []mask, off reg.GPVirtual) {
		id := label("dw")
		w := s.tapWeights(off, ks)
		var acc [3][]reg.Register
		for i := range acc {
			for range ks {
				acc[i] = append(acc[i], s.vec())
			}
		}
		var p [3]reg.GPVirtual
		for i, name := range append(rows, "dst") {
			t := s.loadGP(name)
			s.increase(t, off)
			s.move(t, starts[i])
		}
		n := s.loadGP("lines")
		s.move(n, left)
		s.place(id + "_line")
		for i := range p {
			p[i] = s.gp()
			s.move(starts[i], p[i])
		}
		dst := s.gp()
		s.move(starts[3], dst)
		x := s.loadGP("width")
		// column adds the products of a column of the map to the pixels before it, at it and after
		// it; before is nil for the first column.
		column := func(before, at, after []reg.Register) {
			for dy := range p {
				for i, k := range ks {
					v := s.vec()
					s.load(Mem{Base: p[dy], Disp: i * s.bytes()}, k, v)
					if before != nil {
						s.addProduct(before[i], w[3*dy+2][i], v)
					}
					if before != nil || dy > 0 {
						s.addProduct(at[i], w[3*dy+1][i], v)
					} else {
						s.mul(w[1][i], v, at[i])
					}
					if dy > 0 {
						s.addProduct(after[i], w[3*dy][i], v)
					} else {
						s.mul(w[0][i], v, after[i])
					}
				}
				s.increase(p[dy], strides[dy])
			}
		}
		write := func(vs []reg.Register) {
			for i, k := range ks {
				s.store(vs[i], k, Mem{Base: dst, Disp: i * s.bytes()})
			}
		}
		column(nil, acc[0], acc[1])
		s.place(id + "_columns")
		for r := range acc {
			s.countDownTo(x, fmt.Sprintf("%s_last%d", id, r))
			column(acc[r], acc[(r+1)%3], acc[(r+2)%3])
			write(acc[r])
			s.increase(dst, ldd)
		}
		s.jump(id + "_columns")
		for r := range acc {
			s.place(fmt.Sprintf("%s_last%d", id, r))
			write(acc[r])
			if r < 2 {
				s.jump(id + "_next")
			}
		}
		s.place(id + "_next")
		for i, name := range []string{"srcLine", "srcLine", "srcLine", "dstLine"} {
			t := s.loadStride(name)
			s.increase(starts[i], t)
		}
		s.countDown(left, id+"_line")
	})
	s.done()
}

// tapWeights loads the nine weights of the columns at off.
func (s *isa) tapWeights(off reg.GPVirtual, ks []mask) [][]reg.Register {
	p, ld := s.loadGP("w"), s.loadStride("ldw")
	s.increase(p, off)
	w := make([][]reg.Register, 9)
	for tap := range w {
		for i, k := range ks {
			v := s.vec()
			s.load(Mem{Base: p, Disp: i * s.bytes()}, k, v)
			w[tap] = append(w[tap], v)
		}
		s.increase(p, ld)
	}
	return w
}
