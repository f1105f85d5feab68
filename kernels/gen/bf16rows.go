package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels of this file work on matrices of bfloat16 in strips of 32 columns: a vector of 512
// bits, or two vectors of float32. They finish a strip for all rows before the next strip, so that
// the masks of its columns are made once.

const halfStrip = 32

// halfColumns are the columns of a strip: all of them, or the ones that masks select.
type halfColumns struct {
	full            bool
	low, high, both reg.Register
}

// halfStrips emits body for every strip of the columns. floats and halves are the byte offsets
// of the strip in matrices of float32 and of bfloat16.
func (s *isa) halfStrips(cols reg.GPVirtual, body func(k halfColumns, floats, halves reg.GPVirtual)) {
	floats, halves, left := GP64(), GP64(), GP64()
	XORQ(floats, floats)
	XORQ(halves, halves)
	MOVQ(cols, left)
	whole, rest, end := label("strip"), label("strip_rest"), label("strip_end")
	Label(whole)
	CMPQ(left, U32(halfStrip))
	JLT(LabelRef(rest))
	body(halfColumns{full: true}, floats, halves)
	ADDQ(U32(4*halfStrip), floats)
	ADDQ(U32(2*halfStrip), halves)
	SUBQ(U32(halfStrip), left)
	JMP(LabelRef(whole))
	Label(rest)
	TESTQ(left, left)
	JLE(LabelRef(end))
	low, high, both := halfMasks(left)
	body(halfColumns{low: low, high: high, both: both}, floats, halves)
	Label(end)
}

// loadFloats loads a strip of float32, with zeros past the last column.
func (s *isa) loadFloats(k halfColumns, m Mem, low, high reg.Register) {
	next := m
	next.Disp += s.bytes()
	if k.full {
		VMOVUPS(m, low)
		VMOVUPS(next, high)
		return
	}
	VMOVUPS_Z(m, k.low, low)
	VMOVUPS_Z(next, k.high, high)
}

// loadRounded loads a strip of bfloat16 as float32.
func (s *isa) loadRounded(k halfColumns, m Mem, low, high reg.Register) {
	next := m
	next.Disp += s.bytes() / 2
	if k.full {
		VPMOVZXWD(m, low)
		VPMOVZXWD(next, high)
	} else {
		VPMOVZXWD_Z(m, k.low, low)
		VPMOVZXWD_Z(next, k.high, high)
	}
	VPSLLD(U8(16), low, low)
	VPSLLD(U8(16), high, high)
}

func storeHalves(k halfColumns, v reg.Register, m Mem) {
	if k.full {
		VMOVUPS(v, m)
		return
	}
	VMOVDQU16(v, k.both, m)
}

// affineHalf generates the conversion of act(a·src + b) to bfloat16. src is float32, or
// bfloat16 if rounded is set.
func (s *isa) affineHalf(act string, rounded bool) {
	name, source := "affineHalf"+act, "src *float32"
	if rounded {
		name, source = "affineHalves"+act, "src *uint16"
	}
	s.text(name, "func(rows, cols int, dst *uint16, ldd int, "+source+", lds int, a, b *float32)",
		"computes dst = act(a·src + b), a and b per column, rounded to bfloat16.")
	s.flushDenormals()
	dst, src, ldd := s.loadGP("dst"), s.loadGP("src"), s.loadHalves("ldd")
	lds := s.loadGP("lds")
	if rounded {
		SHLQ(U8(1), lds)
	} else {
		SHLQ(U8(2), lds)
	}
	// avo does not know the conversion, so its registers are assigned by hand.
	x, y, t := s.register(0), s.register(1), s.register(2)
	var table *tail
	if act == "GELU" {
		table = s.loadTail()
	}
	s.halfStrips(s.loadGP("cols"), func(k halfColumns, floats, halves reg.GPVirtual) {
		scale, shift := [2]reg.VecVirtual{s.vec(), s.vec()}, [2]reg.VecVirtual{s.vec(), s.vec()}
		p := s.loadGP("a")
		s.loadFloats(k, Mem{Base: p, Index: floats, Scale: 1}, scale[0], scale[1])
		p = s.loadGP("b")
		s.loadFloats(k, Mem{Base: p, Index: floats, Scale: 1}, shift[0], shift[1])
		in, out := GP64(), GP64()
		MOVQ(src, in)
		if rounded {
			ADDQ(halves, in)
		} else {
			ADDQ(floats, in)
		}
		MOVQ(dst, out)
		ADDQ(halves, out)
		read := func(low, high reg.Register) {
			if rounded {
				s.loadRounded(k, Mem{Base: in}, low, high)
				PREFETCHT0(Mem{Base: in, Index: lds, Scale: 8})
			} else {
				s.loadFloats(k, Mem{Base: in}, low, high)
			}
			for i, v := range []reg.Register{low, high} {
				VFMADD213PS(shift[i], scale[i], v)
			}
			ADDQ(lds, in)
		}
		write := func() {
			pairHalves(x, y, t)
			storeHalves(k, t, Mem{Base: out})
			ADDQ(ldd, out)
		}
		if act == "GELU" {
			g := s.newLookups(table, 2)
			s.pipeline(1,
				func(int) {
					read(g.z[0], g.z[1])
					g.magnitudes(false)
					g.locate()
				},
				func(int) {
					g.polynomials(false)
					g.gelu()
					VMOVAPS(g.z[0], x)
					VMOVAPS(g.z[1], y)
					write()
				},
			)
			return
		}
		s.repeat(label("rows"), s.loadGP("rows"), func() {
			read(x, y)
			s.activate(act, x, nil)
			s.activate(act, y, nil)
			write()
		})
	})
	s.done()
}

// copyHalf generates the copy of a matrix of bfloat16.
func (s *isa) copyHalf() {
	s.text("copyHalf",
		"func(rows, cols int, dst *uint16, ldd int, src *uint16, lds int)",
		"copies a matrix of bfloat16.")
	dst, src, ldd, lds := s.loadGP("dst"), s.loadGP("src"), s.loadHalves("ldd"), s.loadHalves("lds")
	v := s.register(0)
	s.halfStrips(s.loadGP("cols"), func(k halfColumns, _, halves reg.GPVirtual) {
		in, out := GP64(), GP64()
		MOVQ(src, in)
		ADDQ(halves, in)
		MOVQ(dst, out)
		ADDQ(halves, out)
		s.repeat(label("rows"), s.loadGP("rows"), func() {
			if k.full {
				VMOVUPS(Mem{Base: in}, v)
			} else {
				VMOVDQU16_Z(Mem{Base: in}, k.both, v)
			}
			storeHalves(k, v, Mem{Base: out})
			ADDQ(lds, in)
			ADDQ(ldd, out)
		})
	})
	VZEROUPPER()
	RET()
}
