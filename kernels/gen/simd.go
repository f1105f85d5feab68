package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is the instruction set that code is generated for. The kernels are
// written once against it; the methods below hide what differs.
type isa struct {
	name  string // suffix of the function names
	lanes int    // float32 values in a vector register

	ones  Mem // table of 8 × -1 then 8 × 0: tail masks of AVX2
	saved Mem // stack slots of MXCSR (old and new)
	known map[uint32]Mem

	config Mem // of the tiles of AMX
}

func newISA(name string) *isa {
	s := &isa{name: name, lanes: 16, known: map[uint32]Mem{}}
	if name == "AVX2" {
		s.lanes = 8
		s.ones = GLOBL("tailMask", 8|16) // RODATA|NOPTR
		for i := 0; i < 16; i++ {
			v := U32(0)
			if i < 8 {
				v = U32(0xffffffff)
			}
			DATA(4*i, v)
		}
	}
	return s
}

func (s *isa) wide() bool { return s.lanes == 16 }
func (s *isa) bytes() int { return 4 * s.lanes }
func (s *isa) vec() reg.VecVirtual {
	if s.wide() {
		return ZMM()
	}
	return YMM()
}

// register returns a vector register by number.
func (s *isa) register(i int) reg.Register {
	spec := reg.S256
	if s.wide() {
		spec = reg.S512
	}
	return reg.LookupPhysical(reg.KindVector, reg.Index(i), spec)
}

// registers is the size of the vector register file.
func (s *isa) registers() int { return 2 * s.lanes }

// text opens a function and gives it the suffix of the instruction set.
func (s *isa) text(name, signature, doc string) {
	TEXT(name+s.name, 4, signature) // NOSPLIT
	Pragma("noescape")
	Doc(name + s.name + " " + doc)
}

// constant returns a constant in memory as an operand of vector instructions:
// one value, broadcast by the instruction (AVX-512), or a vector of copies.
func (s *isa) constant(bits uint32) Mem {
	m, ok := s.known[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("c%08x", bits), 8|16) // RODATA|NOPTR
		n := 8
		if s.wide() {
			n = 1
		}
		for i := 0; i < n; i++ {
			DATA(4*i, U32(bits))
		}
		s.known[bits] = m
	}
	return m
}

func (s *isa) float(v float64) Mem { return s.constant(math.Float32bits(float32(v))) }

// splat returns a vector register that holds the value in every lane.
func (s *isa) splat(v float64) reg.VecVirtual {
	r := s.vec()
	s.splatTo(v, r)
	return r
}

func (s *isa) splatTo(v float64, dst reg.Register) { VBROADCASTSS(s.float(v), dst) }

// The instructions with a constant operand.

// mulC computes dst = a·v.
func (s *isa) mulC(v float64, a, dst reg.Register) {
	if s.wide() {
		VMULPS_BCST(s.float(v), a, dst)
	} else {
		VMULPS(s.float(v), a, dst)
	}
}

// fmaC computes dst = dst·a + v.
func (s *isa) fmaC(v float64, a, dst reg.Register) {
	if s.wide() {
		VFMADD213PS_BCST(s.float(v), a, dst)
	} else {
		VFMADD213PS(s.float(v), a, dst)
	}
}

// bitsAnd computes dst = a & v.
func (s *isa) bitsAnd(v uint32, a, dst reg.Register) {
	if s.wide() {
		VPANDD_BCST(s.constant(v), a, dst)
	} else {
		VPAND(s.constant(v), a, dst)
	}
}

// param broadcasts a float32 parameter.
func (s *isa) param(name string) reg.VecVirtual {
	r := s.vec()
	s.loadParam(name, r)
	return r
}

// loadParam does so into the register given, and returns the parameter's place.
func (s *isa) loadParam(name string, r reg.Register) Mem {
	m, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(m.Addr, r)
	return m.Addr
}

func (s *isa) zero() reg.VecVirtual {
	r := s.vec()
	s.clear(r)
	return r
}

func (s *isa) clear(r reg.Register) {
	if s.wide() {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// mask selects the first n lanes. n may be larger than the vector.
type mask struct {
	r    reg.Register
	full bool
}

func (s *isa) fullMask() mask { return mask{full: true} }

// tail builds the mask of the first n lanes, 0 < n <= lanes, n in a 64-bit register.
func (s *isa) tail(n reg.GPVirtual) mask { return s.tailIn(n, nil) }

// tailIn does so in the given vector register, if masks are vectors.
func (s *isa) tailIn(n reg.GPVirtual, m reg.Register) mask {
	tmp := GP64()
	if s.wide() {
		MOVQ(I32(-1), tmp)
		BZHIQ(n, tmp, tmp)
		k := K()
		KMOVW(tmp.As32(), k)
		return mask{r: k}
	}
	base := GP64()
	LEAQ(s.ones, base)
	MOVQ(U32(8), tmp)
	SUBQ(n, tmp)
	if m == nil {
		m = YMM()
	}
	VMOVUPS(Mem{Base: base, Index: tmp, Scale: 4}, m)
	return mask{r: m}
}

func (s *isa) load(m Mem, k mask, dst reg.Register) {
	switch {
	case k.full:
		VMOVUPS(m, dst)
	case s.wide():
		VMOVUPS_Z(m, k.r, dst)
	default:
		VMASKMOVPS(m, k.r, dst)
	}
}

func (s *isa) store(src reg.Register, k mask, m Mem) {
	switch {
	case k.full:
		VMOVUPS(src, m)
	case s.wide():
		VMOVUPS(src, k.r, m)
	default:
		VMASKMOVPS(src, k.r, m)
	}
}

// flushDenormals sets FTZ and DAZ until restoreDenormals: a denormal number
// costs a hundred cycles and more, and is never wanted in training.
func (s *isa) flushDenormals() {
	s.saved = AllocLocal(8)
	STMXCSR(s.saved)
	t := GP32()
	MOVL(s.saved, t)
	ORL(U32(0x8040), t)
	MOVL(t, s.saved.Offset(4))
	LDMXCSR(s.saved.Offset(4))
}

func (s *isa) restoreDenormals() { LDMXCSR(s.saved) }

// done ends a function that changed MXCSR.
func (s *isa) done() {
	s.restoreDenormals()
	VZEROUPPER()
	RET()
}

// columns emits body for every vector of columns: off holds the byte offset of
// the first vector, ks the masks of the vectors side by side that body handles.
// Several at a time, up to the number of groups, read longer pieces of a row.
func (s *isa) columns(cols reg.GPVirtual, group int, body func(ks []mask, off reg.GPVirtual)) {
	off, left := GP64(), GP64()
	XORQ(off, off)
	MOVQ(cols, left)
	name := label("cols")
	for g := group; g > 0; g /= 2 {
		ks := make([]mask, g)
		for i := range ks {
			ks[i] = s.fullMask()
		}
		loop, next := fmt.Sprintf("%s_by%d", name, g), fmt.Sprintf("%s_by%d", name, g/2)
		Label(loop)
		CMPQ(left, U32(g*s.lanes))
		JLT(LabelRef(next))
		body(ks, off)
		ADDQ(U32(g*s.bytes()), off)
		SUBQ(U32(g*s.lanes), left)
		JMP(LabelRef(loop))
	}
	Label(name + "_by0")
	TESTQ(left, left)
	JLE(LabelRef(name + "_end"))
	body([]mask{s.tail(left)}, off)
	Label(name + "_end")
}

// vectors emits body for every vector of the n values of a vector.
func (s *isa) vectors(body func(k mask, off reg.GPVirtual)) {
	s.columns(loadGP("n"), 1, func(ks []mask, off reg.GPVirtual) { body(ks[0], off) })
}

// pick returns the size of groups for registers of AVX-512 and of AVX2.
func (s *isa) pick(wide, narrow int) int {
	if s.wide() {
		return wide
	}
	return narrow
}

// repeat emits a counted loop over n rows, n > 0 not required.
func repeat(name string, n reg.GPVirtual, body func()) {
	i := GP64()
	MOVQ(n, i)
	TESTQ(i, i)
	JLE(LabelRef(name + "_end"))
	Label(name)
	body()
	DECQ(i)
	JNZ(LabelRef(name))
	Label(name + "_end")
}

var labels int

// label returns a name that no other label of the function has.
func label(prefix string) string {
	labels++
	return fmt.Sprintf("%s%d", prefix, labels)
}

func loadGP(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// loadStride loads a stride given in elements as bytes.
func loadStride(name string) reg.GPVirtual {
	r := loadGP(name)
	SHLQ(U8(2), r)
	return r
}
