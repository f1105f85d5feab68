package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The products of 8-bit values for NEON with DotProd. SDOT multiplies signed values, so 128 is
// subtracted from A, and the sums start with the correction. It takes the four bytes of one row from
// a lane of a register, so four quads of a row are loaded at a time. A register of B has four columns
// of a quad.

func (s *isa) int8NEON() {
	for nv := 1; nv <= 3; nv++ {
		s.dotNNQuads(nv, true)
		s.dotNNQuads(nv, false)
	}
	s.toBytesNEON()
}

// dotNNQuads generates the product; see dotNN. The panel must be whole, and there is no table.
func (s *isa) dotNNQuads(nv int, bytes bool) {
	shape := panelShape{vectors: nv}
	if bytes {
		s.text(fmt.Sprintf("dotNN%d", nv),
			signatureDots,
			fmt.Sprintf("computes C = round(scale·(A·B) + shift + dscale·D) for one panel of B, "+
				"%d vectors wide. It needs DotProd.", nv))
	} else {
		s.text(fmt.Sprintf("dotNNFloat%d", nv),
			signatureFloatDots,
			fmt.Sprintf("computes C = scale·(A·B) + shift + D for one panel of B, "+
				"%d vectors wide. It needs DotProd.", nv))
	}
	// The 32 registers hold rows·quads sums, a row of A each, the sign bits, and up to four of B.
	rows := []int{0, 8, 5, 4}[nv]
	m, a, lda := s.loadGP("m"), s.loadGP("a"), s.loadGP("lda")
	c, d, ldc, ldd := s.loadGP("c"), s.loadGP("d"), s.loadGP("ldc"), s.loadGP("ldd")
	if !bytes {
		s.shiftLeft(2, ldc)
		s.shiftLeft(2, ldd)
	}
	next, step := s.loadGP("next"), s.loadGP("step")
	jump, t := s.loadGP("segStride"), s.loadStride("segQuads")
	s.decrease(jump, t)
	s.inTiles(rows, m, func(r int) {
		s.dotTileQuads(shape, r, bytes, a, lda, c, ldc, d, ldd, next, step, jump)
		s.multiplyBy(r, lda, t)
		s.increase(a, t)
	})
	s.ret()
}

func (s *isa) dotTileQuads(
	shape panelShape,
	rows int,
	bytes bool,
	a, lda, c, ldc, d, ldd, next, step, jump reg.GPVirtual,
) {
	id := label("dot")
	quads, width := shape.quads(), shape.panelBytes()
	taken := 0
	take := func(n int) (out []reg.Register) {
		for range n {
			out = append(out, s.register(taken))
			taken++
		}
		return out
	}
	begin := s.loadGP("begin")
	acc := make([][]reg.Register, rows)
	for i := range acc {
		acc[i] = take(quads)
		for j, v := range acc[i] {
			s.load(Mem{Base: begin, Disp: 16 * j}, s.fullMask(), v)
		}
	}
	av, sign := take(rows), take(1)[0]
	bv := take(min(4, s.registers()-taken))
	s.arm.word(0x4f04e400, "movi v%d.16b, #128", written(sign))
	p := make([]reg.GPVirtual, rows)
	for i := range p {
		p[i] = s.gp()
		if i == 0 {
			s.move(a, p[i])
		} else {
			s.address(Mem{Base: p[i-1], Index: lda, Scale: 1}, p[i])
		}
	}
	signed := func(v reg.Register) {
		s.arm.word(0x6e201c00, "eor v%d.16b, v%d.16b, v%d.16b", written(v), read(v), read(sign))
	}
	add := func(at Mem, lane int) {
		code := uint32(0x4f80e000) | uint32(lane&1)<<21 | uint32(lane>>1)<<11
		text := fmt.Sprintf("sdot v%%d.4s, v%%d.16b, v%%d.4b[%d]", lane)
		for j := range quads {
			b := bv[j%len(bv)]
			s.load(at.Offset(16*j), s.fullMask(), b)
			for i := range acc {
				s.arm.word(code, text, changed(acc[i][j]), read(b), read(av[i]))
			}
		}
	}
	b, segs, k := s.loadGP("b"), s.loadGP("segs"), s.gp()
	s.place(id + "_seg")
	s.loadGPTo("segQuads", k)
	s.jumpIf(k, less, U32(4), id+"_rest")
	s.decrease(k, U32(4))
	s.place(id + "_k")
	for i := range p {
		s.arm.text("FMOVQ.P 16(R%d), F%d", changed(p[i]), written(av[i]))
		signed(av[i])
	}
	for lane := range 4 {
		add(Mem{Base: b, Disp: lane * width}, lane)
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
		s.arm.text("FMOVS.P 4(R%d), F%d", changed(p[i]), written(av[i]))
		signed(av[i])
	}
	add(Mem{Base: b}, 0)
	s.increase(next, step)
	s.increase(b, U32(width))
	s.countDown(k, id+"_one")
	s.place(id + "_next")
	for i := range p {
		s.increase(p[i], jump)
	}
	s.countDown(segs, id+"_seg")

	x, y := bv[0], bv[1]
	scale, shift := s.loadGP("scale"), s.loadGP("shift")
	for j := range quads {
		s.load(Mem{Base: scale, Disp: 16 * j}, s.fullMask(), x)
		for i := range acc {
			v := acc[i][j]
			s.arm.word(0x4e21d800, "scvtf v%d.4s, v%d.4s", written(v), read(v))
			s.load(Mem{Base: shift, Disp: 16 * j}, s.fullMask(), y)
			s.addProduct(y, v, x)
			s.copyTo(y, v)
		}
	}
	s.jumpIfZero(d, id+"_bare")
	if bytes {
		factor := av[0]
		s.loadParam("dscale", factor)
		for i := range acc {
			for j, v := range acc[i] {
				s.arm.text(fmt.Sprintf("FMOVS %d(R%%d), F%%d", 4*j), read(d), written(x))
				s.arm.word(0x2f08a400, "ushll v%d.8h, v%d.8b, #0", written(x), read(x))
				s.arm.word(0x2f10a400, "ushll v%d.4s, v%d.4h, #0", written(x), read(x))
				s.arm.word(0x6e21d800, "ucvtf v%d.4s, v%d.4s", written(x), read(x))
				s.addProduct(v, x, factor)
			}
			s.increase(d, ldd)
		}
	} else {
		for i := range acc {
			for j, v := range acc[i] {
				s.load(Mem{Base: d, Disp: 16 * j}, s.fullMask(), x)
				s.add(x, v, v)
			}
			s.increase(d, ldd)
		}
	}
	s.place(id + "_bare")
	for i := range acc {
		for j, v := range acc[i] {
			switch {
			case !bytes:
				s.store(v, s.fullMask(), Mem{Base: c, Disp: 16 * j})
			case j%2 == 1:
				s.arm.narrow(acc[i][j-1], v, x)
				s.arm.text(fmt.Sprintf("FMOVD F%%d, %d(R%%d)", 4*(j-1)), read(x), read(c))
			}
		}
		s.increase(c, ldc)
	}
}

// narrow rounds two registers of float32 to bytes: eight in the lower half of dst.
func (a *arm64) narrow(low, high, dst reg.Register) {
	for _, v := range []reg.Register{low, high} {
		a.word(0x4e21a800, "fcvtns v%d.4s, v%d.4s", written(v), read(v))
	}
	a.word(0x0e614800, "sqxtn v%d.4h, v%d.4s", written(dst), read(low))
	a.word(0x4e614800, "sqxtn2 v%d.8h, v%d.4s", changed(dst), read(high))
	a.word(0x2e212800, "sqxtun v%d.8b, v%d.8h", written(dst), read(dst))
}

// toBytesNEON is toBytes for groups of eight values.
func (s *isa) toBytesNEON() {
	s.text("toBytes", "func(groups int, dst *uint8, src *float32, scale, shift float32)",
		"converts groups of 8 values to bytes: round(scale·x + shift), at least 0 and at most 255.")
	dst, src := s.loadGP("dst"), s.loadGP("src")
	scale, shift, most := s.param("scale"), s.param("shift"), s.splat(255)
	s.repeat(label("groups"), s.loadGP("groups"), func() {
		var v [2]reg.VecVirtual
		for i := range v {
			x := s.vec()
			v[i] = s.vec()
			s.load(Mem{Base: src, Disp: 16 * i}, s.fullMask(), x)
			s.copyTo(shift, v[i])
			s.addProduct(v[i], x, scale)
			// NaN becomes 255
			s.arm.word(0x4ea0c400, "fminnm v%d.4s, v%d.4s, v%d.4s", written(v[i]), read(v[i]), read(most))
		}
		out := s.vec()
		s.arm.narrow(v[0], v[1], out)
		s.arm.text("FMOVD F%d, (R%d)", read(out), read(dst))
		s.increase(src, U32(32))
		s.increase(dst, U32(8))
	})
	s.ret()
}
