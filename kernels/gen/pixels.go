package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of this file work on 8-bit images. On x86 they need only AVX2, and are nearly the same in
// both variants, because the rows are short. For NEON see pixelsneon.go.

// bytesOf returns a constant of 16 or 32 bytes in memory.
func bytesOf(name string, bytes ...uint8) Mem {
	m := GLOBL(name, 8|16) // RODATA|NOPTR
	for i, b := range bytes {
		DATA(i, U8(b))
	}
	return m
}

// dwords returns a constant of 32-bit integers in memory.
func dwords(name string, values ...uint32) Mem {
	m := GLOBL(name, 8|16)
	for i, v := range values {
		DATA(4*i, U32(v))
	}
	return m
}

// every returns a vector register with a 32-bit integer in every lane.
func every(name string, v uint32) reg.VecVirtual {
	r := YMM()
	VPBROADCASTD(dwords(name, v), r)
	return r
}

const drop = 0x80 // in a shuffle: a zero

// resampleRGB generates sums of pixels, four in each step.
func (s *isa) resampleRGB() {
	s.text("resampleRGB",
		"func(n int, out, in *uint8, first, weights *int32, groups int)",
		"writes n pixels; see ResampleRGB.")
	n, out, in := s.loadGP("n"), s.loadGP("out"), s.loadGP("in")
	first, weights, groups := s.loadGP("first"), s.loadGP("weights"), s.loadGP("groups")
	if s.arm != nil {
		s.resampleRGBQuads(n, out, in, first, weights, groups)
		return
	}
	spread, half := XMM(), XMM()
	// Move each pixel to the four bytes of a lane.
	VMOVDQU(bytesOf("spreadRGB", 0, 1, 2, drop, 3, 4, 5, drop, 6, 7, 8, drop, 9, 10, 11, drop), spread)
	VPBROADCASTD(dwords("resampleHalf", 1<<21), half)
	sums := s.pairsOfPixels
	if s.wide() {
		sums = s.fourPixels
	}
	group := sums(spread, weights, groups)
	s.repeat("pixel", n, func() {
		p := s.gp()
		s.loadInt32(Mem{Base: first}, p)
		s.increase(first, U32(4))
		s.address(Mem{Base: p, Index: p, Scale: 2}, p)
		s.increase(p, in)
		a := group(p)
		sum := XMM()
		VEXTRACTI128(U8(1), a, sum)
		VPADDD(a.AsX(), sum, sum)
		VPADDD(half, sum, sum)
		VPSRAD(U8(22), sum, sum)
		VPACKUSDW(sum, sum, sum)
		VPACKUSWB(sum, sum, sum)
		VMOVD(sum, Mem{Base: out})
		s.increase(out, U32(3))
	})
	s.ret()
}

// pairsOfPixels sums the weighted pixels from p on in two registers. It returns a function that emits
// this, and leaves the sum in two halves.
func (s *isa) pairsOfPixels(spread reg.VecVirtual, weights, groups reg.GPVirtual) func(p reg.GPVirtual) reg.VecVirtual {
	low, high := YMM(), YMM()
	VMOVDQU(dwords("pairLow", 0, 0, 0, 0, 1, 1, 1, 1), low)
	VMOVDQU(dwords("pairHigh", 2, 2, 2, 2, 3, 3, 3, 3), high)
	return func(p reg.GPVirtual) reg.VecVirtual {
		a, b := YMM(), YMM()
		VPXOR(a, a, a)
		VPXOR(b, b, b)
		s.repeat(label("group"), groups, func() {
			x, w, px, ws := XMM(), YMM(), YMM(), YMM()
			VBROADCASTI128(Mem{Base: weights}, w)
			VMOVDQU(Mem{Base: p}, x)
			VPSHUFB(spread, x, x)
			for _, part := range []struct {
				lanes, sum reg.VecVirtual
			}{{low, a}, {high, b}} {
				VPMOVZXBD(x, px)
				VPERMD(w, part.lanes, ws)
				VPMULLD(ws, px, px)
				VPADDD(px, part.sum, part.sum)
				if part.sum == a {
					VPSRLDQ(U8(8), x, x)
				}
			}
			s.increase(weights, U32(16))
			s.increase(p, U32(12))
		})
		VPADDD(b, a, a)
		return a
	}
}

// fourPixels is pairsOfPixels in one register of 512 bits.
func (s *isa) fourPixels(spread reg.VecVirtual, weights, groups reg.GPVirtual) func(p reg.GPVirtual) reg.VecVirtual {
	lanes := ZMM()
	VMOVDQU32(dwords("fourLanes", 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), lanes)
	return func(p reg.GPVirtual) reg.VecVirtual {
		sum := ZMM()
		VPXORD(sum, sum, sum)
		s.repeat(label("group"), groups, func() {
			x, w, px := XMM(), ZMM(), ZMM()
			VBROADCASTI32X4(Mem{Base: weights}, w)
			VPERMD(w, lanes, w)
			VMOVDQU(Mem{Base: p}, x)
			VPSHUFB(spread, x, x)
			VPMOVZXBD(x, px)
			VPMULLD(w, px, px)
			VPADDD(px, sum, sum)
			s.increase(weights, U32(16))
			s.increase(p, U32(12))
		})
		upper := YMM()
		VEXTRACTI64X4(U8(1), sum, upper)
		VPADDD(sum.AsY(), upper, upper)
		return upper
	}
}

// resampleRows generates sums of rows: 32 columns at a time, then 8.
func (s *isa) resampleRows() {
	s.text("resampleRows",
		"func(n int, out, in *uint8, stride int, weights *int32, taps int)",
		"writes n values, a multiple of 8; see ResampleRows.")
	n, out, in := s.loadGP("n"), s.loadGP("out"), s.loadGP("in")
	stride, weights, taps := s.loadGP("stride"), s.loadGP("weights"), s.loadGP("taps")
	if s.arm != nil {
		s.resampleRowsQuads(n, out, in, stride, weights, taps)
		return
	}
	half, order := every("rowsHalf", 1<<21), YMM()
	VMOVDQU(dwords("rowsOrder", 0, 4, 1, 5, 2, 6, 3, 7), order)
	columns := func(count int) {
		sums := make([]reg.VecVirtual, count)
		for i := range sums {
			sums[i] = YMM()
			VMOVDQA(half, sums[i])
		}
		p, w := s.gp(), s.gp()
		s.move(in, p)
		s.move(weights, w)
		s.repeat(label("tap"), taps, func() {
			wv := YMM()
			VPBROADCASTD(Mem{Base: w}, wv)
			for i, sum := range sums {
				px := YMM()
				VPMOVZXBD(Mem{Base: p, Disp: 8 * i}, px)
				VPMULLD(wv, px, px)
				VPADDD(px, sum, sum)
			}
			s.increase(p, stride)
			s.increase(w, U32(4))
		})
		for _, sum := range sums {
			VPSRAD(U8(22), sum, sum)
		}
		if count == 4 {
			VPACKUSDW(sums[1], sums[0], sums[0])
			VPACKUSDW(sums[3], sums[2], sums[2])
			VPACKUSWB(sums[2], sums[0], sums[0])
			VPERMD(sums[0], order, sums[0])
			VMOVDQU(sums[0], Mem{Base: out})
		} else {
			upper := XMM()
			VEXTRACTI128(U8(1), sums[0], upper)
			VPACKUSDW(upper, sums[0].AsX(), upper)
			VPACKUSWB(upper, upper, upper)
			VMOVQ(upper, Mem{Base: out})
		}
		s.increase(in, U32(uint32(8*count)))
		s.increase(out, U32(uint32(8*count)))
	}
	blocks := s.gp()
	s.move(n, blocks)
	s.shiftRight(5, blocks)
	s.repeat("wide", blocks, func() { columns(4) })
	s.keepBits(n, U32(31))
	s.shiftRight(3, n)
	s.repeat("narrow", n, func() { columns(1) })
	s.ret()
}

// upsampleChroma generates rows of chroma of twice the length, 16 samples in each step.
func (s *isa) upsampleChroma() {
	s.text("upsampleChroma",
		"func(n int, out, near, far *uint8)",
		"does n samples, a multiple of 16, whose neighbours are there too; see UpsampleChroma.")
	n, out, near, far := s.loadGP("n"), s.loadGP("out"), s.loadGP("near"), s.loadGP("far")
	if s.arm != nil {
		s.upsampleChromaQuads(n, out, near, far)
		return
	}
	three, eight, seven := YMM(), YMM(), YMM()
	VPBROADCASTD(dwords("chroma3", 3|3<<16), three)
	VPBROADCASTD(dwords("chroma8", 8|8<<16), eight)
	VPBROADCASTD(dwords("chroma7", 7|7<<16), seven)
	blend := func(at int) reg.VecVirtual {
		v, f := YMM(), YMM()
		VPMOVZXBW(Mem{Base: near, Disp: at}, v)
		VPMOVZXBW(Mem{Base: far, Disp: at}, f)
		VPMULLW(three, v, v)
		VPADDW(f, v, v)
		return v
	}
	s.shiftRight(4, n)
	s.repeat("sample", n, func() {
		last, this, next := blend(-1), blend(0), blend(1)
		VPMULLW(three, this, this)
		VPADDW(this, last, last)
		VPADDW(this, next, next)
		VPADDW(eight, last, last)
		VPADDW(seven, next, next)
		VPSRLW(U8(4), last, last)
		VPSRLW(U8(4), next, next)
		VPSLLW(U8(8), next, next) // the odd ones go into the upper bytes
		VPOR(last, next, next)
		VMOVDQU(next, Mem{Base: out})
		s.increase(near, U32(16))
		s.increase(far, U32(16))
		s.increase(out, U32(32))
	})
	s.ret()
}

// yCbCrToRGB generates the conversion of colours, 8 pixels a step.
func (s *isa) yCbCrToRGB() {
	s.text("yCbCrToRGB",
		"func(n int, rgb, y, cb, cr *uint8)",
		"does n pixels, a multiple of 8, and writes 4 bytes more; see YCbCrToRGB.")
	n, rgb, y, cb, cr := s.loadGP("n"), s.loadGP("rgb"), s.loadGP("y"), s.loadGP("cb"), s.loadGP("cr")
	if s.arm != nil {
		s.yCbCrToRGBQuads(n, rgb, y, cb, cr)
		return
	}
	redOfCr, greenOfCb := every("redOfCr", 91881), every("greenOfCb", 0xffffffff-22554+1)
	greenOfCr, blueOfCb := every("greenOfCr", 0xffffffff-46802+1), every("blueOfCb", 116130)
	half, middle, top := every("colourHalf", 1<<15), every("colourMiddle", 128), every("colourTop", 255)
	zero, gather := YMM(), YMM()
	VPXOR(zero, zero, zero)
	VBROADCASTI128(bytesOf("gatherRGB", 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, drop, drop, drop, drop), gather)
	s.shiftRight(3, n)
	s.repeat("pixels", n, func() {
		l, u, v := YMM(), YMM(), YMM()
		VPMOVZXBD(Mem{Base: y}, l)
		VPMOVZXBD(Mem{Base: cb}, u)
		VPMOVZXBD(Mem{Base: cr}, v)
		VPSUBD(middle, u, u)
		VPSUBD(middle, v, v)
		// finish shifts the products, adds the luma and clips.
		finish := func(c reg.VecVirtual) {
			VPADDD(half, c, c)
			VPSRAD(U8(16), c, c)
			VPADDD(l, c, c)
			VPMAXSD(zero, c, c)
			VPMINSD(top, c, c)
		}
		r, g, b, t := YMM(), YMM(), YMM(), YMM()
		VPMULLD(redOfCr, v, r)
		VPMULLD(greenOfCb, u, g)
		VPMULLD(greenOfCr, v, t)
		VPADDD(t, g, g)
		VPMULLD(blueOfCb, u, b)
		finish(r)
		finish(g)
		finish(b)
		VPSLLD(U8(8), g, g)
		VPSLLD(U8(16), b, b)
		VPOR(g, r, r)
		VPOR(b, r, r)
		VPSHUFB(gather, r, r)
		VMOVDQU(r.AsX(), Mem{Base: rgb})
		VEXTRACTI128(U8(1), r, Mem{Base: rgb, Disp: 12})
		s.increase(rgb, U32(24))
		s.increase(y, U32(8))
		s.increase(cb, U32(8))
		s.increase(cr, U32(8))
	})
	s.ret()
}
