package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels for 8-bit images in NEON. A lookup in a register brings bytes into lanes of 32 bits.

// byteLanes loads the index of a lookup that fills four lanes with a byte each: from first on, step
// bytes apart.
func (a *arm64) byteLanes(first, step int) reg.VecVirtual {
	r := a.XMM()
	var index [16]uint8
	for i := range index {
		if index[i] = drop; i%4 == 0 {
			index[i] = uint8(first + i/4*step)
		}
	}
	a.loadBytes(index, r)
	return r
}

// takeBytes fills dst with the bytes of src that index names, or zeros.
func (a *arm64) takeBytes(src, index, dst reg.Register) {
	a.word(0x4e000000, "tbl v%d.16b, { v%d.16b }, v%d.16b", written(dst), read(src), read(index))
}

// narrowSums is the first step from sums with 22 fraction bits to bytes: it drops 16 bits of x, and of
// y if there is one, and clips below. narrowMore drops the other 6 and clips above.
func (a *arm64) narrowSums(x, y, dst reg.Register) {
	a.word(0x2f108400, "sqshrun v%d.4h, v%d.4s, #16", written(dst), read(x))
	if y != nil {
		a.word(0x6f108400, "sqshrun2 v%d.8h, v%d.4s, #16", changed(dst), read(y))
	}
}

func (a *arm64) narrowMore(x, y, dst reg.Register) {
	a.word(0x2f0a9400, "uqshrn v%d.8b, v%d.8h, #6", written(dst), read(x))
	if y != nil {
		a.word(0x6f0a9400, "uqshrn2 v%d.16b, v%d.8h, #6", changed(dst), read(y))
	}
}

// resampleRGBQuads is resampleRGB. A step takes four pixels: four values of each channel, and a weight
// for each.
func (s *isa) resampleRGBQuads(n, out, in, first, weights, groups reg.GPVirtual) {
	a := s.arm
	half := s.vec()
	a.loadVector([4]uint32{1 << 21}, half)
	var channels, sums [3]reg.VecVirtual
	for c := range channels {
		channels[c], sums[c] = a.byteLanes(c, 3), s.vec()
	}
	s.repeat("pixel", n, func() {
		p, left := s.gp(), s.gp()
		a.text("MOVW.P 4(R%d), R%d", changed(first), written(p))
		s.address(Mem{Base: p, Index: p, Scale: 2}, p)
		s.increase(p, in)
		s.move(groups, left) // at least one
		for _, sum := range sums {
			s.copyTo(half, sum)
		}
		s.place("group")
		x, w := s.vec(), s.vec()
		a.text("FMOVQ.P 12(R%d), F%d", changed(p), written(x))
		a.text("FMOVQ.P 16(R%d), F%d", changed(weights), written(w))
		for c, sum := range sums {
			v := s.vec()
			a.takeBytes(x, channels[c], v)
			a.word(0x4ea09400, "mla v%d.4s, v%d.4s, v%d.4s", changed(sum), read(v), read(w))
		}
		s.countDown(left, "group")
		addPairs := func(x, y, dst reg.Register) {
			a.word(0x4ea0bc00, "addp v%d.4s, v%d.4s, v%d.4s", written(dst), read(x), read(y))
		}
		addPairs(sums[0], sums[1], sums[0])
		addPairs(sums[2], sums[2], sums[2])
		addPairs(sums[0], sums[2], sums[0])
		a.narrowSums(sums[0], nil, sums[0])
		a.narrowMore(sums[0], nil, sums[0])
		a.text("FMOVS.P F%d, 3(R%d)", read(sums[0]), changed(out))
	})
	s.ret()
}

// resampleRowsQuads is resampleRows.
func (s *isa) resampleRowsQuads(n, out, in, stride, weights, taps reg.GPVirtual) {
	a := s.arm
	var quarters [4]reg.VecVirtual
	for i := range quarters {
		quarters[i] = a.byteLanes(4*i, 1)
	}
	// columns writes n columns at a time: 32 or 8.
	columns := func(count int) {
		sums := make([]reg.VecVirtual, count/4)
		for i := range sums {
			sums[i] = s.vec()
			a.word(0x4f014400, "movi v%d.4s, #32, lsl #16", written(sums[i]))
		}
		p, w, left := s.gp(), s.gp(), s.gp()
		s.move(in, p)
		s.move(weights, w)
		s.move(taps, left) // at least one
		loop := label("tap")
		s.place(loop)
		x, wv := []reg.VecVirtual{s.vec(), s.vec()}, s.vec()
		if count == 32 {
			a.text("FLDPQ (R%d), (F%d, F%d)", read(p), written(x[0]), written(x[1]))
		} else {
			a.text("FMOVD (R%d), F%d", read(p), written(x[0]))
		}
		a.text("FMOVS.P 4(R%d), F%d", changed(w), written(wv))
		for i, sum := range sums {
			v := s.vec()
			a.takeBytes(x[i/4], quarters[i%4], v)
			a.word(0x6f800000, "mla v%d.4s, v%d.4s, v%d.s[0]", changed(sum), read(v), read(wv))
		}
		s.increase(p, stride)
		s.countDown(left, loop)
		for i := 0; i < len(sums); i += 2 {
			a.narrowSums(sums[i], sums[i+1], sums[i])
		}
		if count == 32 {
			a.narrowMore(sums[0], sums[2], sums[0])
			a.narrowMore(sums[4], sums[6], sums[4])
			a.text("FSTPQ.P (F%d, F%d), 32(R%d)", read(sums[0]), read(sums[4]), changed(out))
		} else {
			a.narrowMore(sums[0], nil, sums[0])
			a.text("FMOVD.P F%d, 8(R%d)", read(sums[0]), changed(out))
		}
		s.increase(in, U32(uint32(count)))
	}
	blocks := s.gp()
	s.move(n, blocks)
	s.shiftRight(5, blocks)
	s.repeat("wide", blocks, func() { columns(32) })
	s.keepBits(n, U32(31))
	s.shiftRight(3, n)
	s.repeat("narrow", n, func() { columns(8) })
	s.ret()
}

// upsampleChromaQuads is upsampleChroma. It multiplies samples by 16, so that the result is in the
// upper bytes.
func (s *isa) upsampleChromaQuads(n, out, near, far reg.GPVirtual) {
	a := s.arm
	near48, three, seven := s.vec(), s.vec(), s.vec()
	a.loadConstant(0x30303030, near48)
	a.loadConstant(0x00030003, three)
	a.loadConstant(0x00700070, seven) // times 16
	// blend is 48·near + 16·far for 16 samples.
	blend := func(at int) (low, high reg.VecVirtual) {
		v, f := s.vec(), s.vec()
		low, high = s.vec(), s.vec()
		a.text(fmt.Sprintf("FMOVQ %d(R%%d), F%%d", at), read(near), written(v))
		a.text(fmt.Sprintf("FMOVQ %d(R%%d), F%%d", at), read(far), written(f))
		a.word(0x2f0ca400, "ushll v%d.8h, v%d.8b, #4", written(low), read(f))
		a.word(0x6f0ca400, "ushll2 v%d.8h, v%d.16b, #4", written(high), read(f))
		a.word(0x2e208000, "umlal v%d.8h, v%d.8b, v%d.8b", changed(low), read(v), read(near48))
		a.word(0x6e208000, "umlal2 v%d.8h, v%d.16b, v%d.16b", changed(high), read(v), read(near48))
		return low, high
	}
	s.shiftRight(4, n)
	s.repeat("sample", n, func() {
		last, last8 := blend(-1)
		next, next8 := blend(1)
		this, this8 := s.vec(), s.vec() // three times
		a.word(0x6e001000, "ext v%d.16b, v%d.16b, v%d.16b, #2", written(this), read(last), read(last8))
		a.word(0x6e007000, "ext v%d.16b, v%d.16b, v%d.16b, #14", written(this8), read(next), read(next8))
		even, odd := s.vec(), s.vec()
		for _, v := range []reg.VecVirtual{this, this8} {
			a.word(0x4e609c00, "mul v%d.8h, v%d.8h, v%d.8h", written(v), read(v), read(three))
		}
		a.word(0x2e204000, "raddhn v%d.8b, v%d.8h, v%d.8h", written(even), read(last), read(this))
		a.word(0x6e204000, "raddhn2 v%d.16b, v%d.8h, v%d.8h", changed(even), read(last8), read(this8))
		for _, v := range []reg.VecVirtual{this, this8} {
			a.word(0x4e608400, "add v%d.8h, v%d.8h, v%d.8h", written(v), read(v), read(seven))
		}
		a.word(0x0e204000, "addhn v%d.8b, v%d.8h, v%d.8h", written(odd), read(next), read(this))
		a.word(0x4e204000, "addhn2 v%d.16b, v%d.8h, v%d.8h", changed(odd), read(next8), read(this8))
		low, high := s.vec(), s.vec()
		a.word(0x4e003800, "zip1 v%d.16b, v%d.16b, v%d.16b", written(low), read(even), read(odd))
		a.word(0x4e007800, "zip2 v%d.16b, v%d.16b, v%d.16b", written(high), read(even), read(odd))
		a.text("FSTPQ.P (F%d, F%d), 32(R%d)", read(low), read(high), changed(out))
		s.increase(near, U32(16))
		s.increase(far, U32(16))
	})
	s.ret()
}

// yCbCrToRGBQuads is yCbCrToRGB. Weights of 1 and more are split: half of the remainder is a factor of
// SQRDMULH, which multiplies by two, rounds, and drops 16 bits. For red it is 13172.5; the half makes
// no difference for the 256 values of a sample.
func (s *isa) yCbCrToRGBQuads(n, rgb, y, cb, cr reg.GPVirtual) {
	a := s.arm
	every := func(v int) reg.VecVirtual {
		r, lane := s.vec(), uint32(uint16(v))
		a.loadConstant(lane<<16|lane, r)
		return r
	}
	redOfCr, blueOfCb := every((91881-1<<16)/2), every((116130-1<<16)/2)
	greenOfCb, greenOfCr := every(-22554), every(1<<16-46802)
	middle := s.vec()
	a.loadConstant(0x80808080, middle)
	colours := [3]reg.Register{s.register(0), s.register(1), s.register(2)} // neighbours
	s.shiftRight(3, n)
	s.repeat("pixels", n, func() {
		l, u, v := s.vec(), s.vec(), s.vec()
		for _, x := range []struct {
			from reg.GPVirtual
			to   reg.VecVirtual
		}{{y, l}, {cb, u}, {cr, v}} {
			a.text("FMOVD.P 8(R%d), F%d", changed(x.from), written(x.to))
		}
		a.word(0x2f08a400, "ushll v%d.8h, v%d.8b, #0", written(l), read(l))
		add := func(x, y, dst reg.Register) {
			a.word(0x4e608400, "add v%d.8h, v%d.8h, v%d.8h", written(dst), read(x), read(y))
		}
		for _, x := range []reg.VecVirtual{u, v} {
			a.word(0x2e202000, "usubl v%d.8h, v%d.8b, v%d.8b", written(x), read(x), read(middle))
		}
		// The products are rounded once, so the products for green are added in 32 bits before.
		low, high, green := s.vec(), s.vec(), s.vec()
		a.word(0x0e60c000, "smull v%d.4s, v%d.4h, v%d.4h", written(low), read(u), read(greenOfCb))
		a.word(0x4e60c000, "smull2 v%d.4s, v%d.8h, v%d.8h", written(high), read(u), read(greenOfCb))
		a.word(0x0e608000, "smlal v%d.4s, v%d.4h, v%d.4h", changed(low), read(v), read(greenOfCr))
		a.word(0x4e608000, "smlal2 v%d.4s, v%d.8h, v%d.8h", changed(high), read(v), read(greenOfCr))
		a.word(0x0f108c00, "rshrn v%d.4h, v%d.4s, #16", written(green), read(low))
		a.word(0x4f108c00, "rshrn2 v%d.8h, v%d.4s, #16", changed(green), read(high))
		red, blue, t := s.vec(), s.vec(), s.vec()
		a.word(0x6e608400, "sub v%d.8h, v%d.8h, v%d.8h", written(t), read(l), read(v))
		add(green, t, green)
		for _, c := range []struct{ value, factor, sum reg.VecVirtual }{{v, redOfCr, red}, {u, blueOfCb, blue}} {
			t := s.vec()
			a.word(0x6e60b400, "sqrdmulh v%d.8h, v%d.8h, v%d.8h", written(c.sum), read(c.value), read(c.factor))
			add(c.value, l, t)
			add(c.sum, t, c.sum)
		}
		for i, sum := range []reg.VecVirtual{red, green, blue} {
			a.word(0x2e212800, "sqxtun v%d.8b, v%d.8h", written(colours[i]), read(sum))
		}
		a.text(
			"VST3.P [V%d.B8, V%d.B8, V%d.B8], 24(R%d)",
			read(colours[0]), read(colours[1]), read(colours[2]), changed(rgb),
		)
	})
	s.ret()
}
