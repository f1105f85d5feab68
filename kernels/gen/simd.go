package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is the instruction set that code is generated for. Kernels are written once against it, and the
// methods below hide the differences.
type isa struct {
	name  string // suffix of the function names
	lanes int    // float32 values in a vector register

	ones  Mem // table of 8 × -1 then 8 × 0: tail masks of AVX2
	saved Mem // stack slots of MXCSR (old and new)
	known map[uint32]Mem

	config Mem // of the tiles of AMX
	tails  Mem // coefficients of GELU

	arm       *arm64 // if NEON is generated
	savedFPCR reg.GPVirtual
	buffer    string // on the stack, for a tile
}

func newISA(name string) *isa {
	s := &isa{name: name, lanes: 16, known: map[uint32]Mem{}}
	switch name {
	case "NEON":
		s.lanes, s.arm = 4, newARM64()
	case "AVX2":
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
	switch {
	case s.arm != nil:
		return s.arm.XMM()
	case s.wide():
		return ZMM()
	}
	return YMM()
}

// register returns a vector register by number.
func (s *isa) register(i int) reg.Register {
	spec := reg.S256
	switch {
	case s.arm != nil:
		spec = reg.S128
	case s.wide():
		spec = reg.S512
	}
	return reg.LookupPhysical(reg.KindVector, reg.Index(i), spec)
}

// registers returns the size of the vector register file.
func (s *isa) registers() int { return s.pick(32, 16) }

// text opens a function and gives it the suffix of the instruction set.
func (s *isa) text(name, signature, doc string) {
	if s.arm != nil {
		s.arm.begin(name+s.name, signature, doc)
		s.buffer = ""
		return
	}
	TEXT(name+s.name, 4, signature) // NOSPLIT
	Pragma("noescape")
	Doc(name + s.name + " " + doc)
}

// constant returns a constant in memory as an operand of vector instructions: one value that the
// instruction broadcasts (AVX-512), or a vector of copies.
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

func (s *isa) splatTo(v float64, dst reg.Register) {
	if s.arm != nil {
		s.arm.loadConstant(math.Float32bits(float32(v)), dst)
		return
	}
	VBROADCASTSS(s.float(v), dst)
}

// The instructions with a constant operand.

// mulC computes dst = a·v.
func (s *isa) mulC(v float64, a, dst reg.Register) {
	switch {
	case s.arm != nil:
		t := s.splat(v)
		s.mul(t, a, dst)
	case s.wide():
		VMULPS_BCST(s.float(v), a, dst)
	default:
		VMULPS(s.float(v), a, dst)
	}
}

// fmaC computes dst = dst·a + v.
func (s *isa) fmaC(v float64, a, dst reg.Register) {
	switch {
	case s.arm != nil:
		t := s.splat(v)
		s.addProduct(t, dst, a)
		s.copyTo(t, dst)
	case s.wide():
		VFMADD213PS_BCST(s.float(v), a, dst)
	default:
		VFMADD213PS(s.float(v), a, dst)
	}
}

// bitsAnd computes dst = a & v.
func (s *isa) bitsAnd(v uint32, a, dst reg.Register) {
	switch {
	case s.arm != nil:
		t := s.vec()
		s.arm.loadConstant(v, t)
		s.arm.and(a, t, dst)
	case s.wide():
		VPANDD_BCST(s.constant(v), a, dst)
	default:
		VPAND(s.constant(v), a, dst)
	}
}

// param broadcasts a float32 parameter.
func (s *isa) param(name string) reg.VecVirtual {
	r := s.vec()
	s.loadParam(name, r)
	return r
}

// loadParam broadcasts it into the given register, and returns the parameter's place on x86.
func (s *isa) loadParam(name string, r reg.Register) Mem {
	if s.arm != nil {
		s.arm.text("FMOVS "+s.arm.parameter(name)+", F%d", written(r))
		s.spreadLane(r, r)
		return Mem{}
	}
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
	switch {
	case s.arm != nil:
		s.arm.word(0x6f00e400, "movi v%d.2d, #0000000000000000", written(r))
	case s.wide():
		VPXORD(r, r, r)
	default:
		VXORPS(r, r, r)
	}
}

// mask selects the first n lanes. n may be larger than the vector.
type mask struct {
	r    reg.Register  // on x86
	n    reg.GPVirtual // arm64 has no masks: it loads and stores lanes one by one
	full bool
}

func (s *isa) fullMask() mask { return mask{full: true} }

// tail builds the mask of the first n lanes, 0 < n <= lanes, n in a 64-bit register.
func (s *isa) tail(n reg.GPVirtual) mask { return s.tailIn(n, nil) }

// tailIn is tail into the given vector register, if masks are vectors.
func (s *isa) tailIn(n reg.GPVirtual, m reg.Register) mask {
	if s.arm != nil {
		return mask{n: n}
	}
	tmp := s.gp()
	if s.wide() {
		s.move(I32(-1), tmp)
		BZHIQ(n, tmp, tmp)
		k := K()
		KMOVW(tmp.As32(), k)
		return mask{r: k}
	}
	base := s.gp()
	s.address(s.ones, base)
	s.move(U32(8), tmp)
	s.decrease(tmp, n)
	if m == nil {
		m = YMM()
	}
	VMOVUPS(Mem{Base: base, Index: tmp, Scale: 4}, m)
	return mask{r: m}
}

func (s *isa) load(m Mem, k mask, dst reg.Register) {
	switch {
	case s.arm != nil:
		s.arm.load(m, k, dst)
	case k.full:
		VMOVUPS(m, dst)
	case s.wide():
		VMOVUPS_Z(m, k.r, dst)
	default:
		VMASKMOVPS(m, k.r, dst)
	}
}

// loadOver loads the lanes that the mask selects; the others come from other.
func (s *isa) loadOver(other reg.Register, m Mem, k mask, dst reg.Register) {
	switch {
	case k.full:
		s.load(m, k, dst)
	case s.arm != nil:
		s.copyTo(other, dst)
		s.arm.loadInto(m, k, dst)
	case s.wide():
		s.copyTo(other, dst)
		VMOVUPS(m, k.r, dst)
	default:
		s.load(m, k, dst)
		VBLENDVPS(k.r, dst, other, dst)
	}
}

func (s *isa) store(src reg.Register, k mask, m Mem) {
	switch {
	case s.arm != nil:
		s.arm.store(src, k, m)
	case k.full:
		VMOVUPS(src, m)
	case s.wide():
		VMOVUPS(src, k.r, m)
	default:
		VMASKMOVPS(src, k.r, m)
	}
}

// flushDenormals sets FTZ and DAZ until restoreDenormals. Arithmetic with denormal numbers can cost
// more than a hundred cycles, and training never needs them.
func (s *isa) flushDenormals() {
	if s.arm != nil {
		const flushToZero = 1 << 24
		s.savedFPCR = s.gp()
		s.arm.text("MOVD FPCR, R%d", written(s.savedFPCR))
		s.arm.text(fmt.Sprintf("ORR $%d, R%%d, %s", flushToZero, scratch), read(s.savedFPCR))
		s.arm.text("MOVD " + scratch + ", FPCR")
		return
	}
	s.saved = AllocLocal(8)
	STMXCSR(s.saved)
	t := GP32()
	MOVL(s.saved, t)
	ORL(U32(0x8040), t)
	MOVL(t, s.saved.Offset(4))
	LDMXCSR(s.saved.Offset(4))
}

func (s *isa) restoreDenormals() {
	if s.arm != nil {
		s.arm.text("MOVD R%d, FPCR", read(s.savedFPCR))
		return
	}
	LDMXCSR(s.saved)
}

// done ends a function that changed MXCSR.
func (s *isa) done() {
	s.restoreDenormals()
	s.ret()
}

// columns emits body for every vector of columns. off holds the byte offset of the first vector, ks the
// masks of the vectors that body handles at once. Several vectors at a time, up to the number of
// groups, read longer pieces of a row.
func (s *isa) columns(cols reg.GPVirtual, group int, body func(ks []mask, off reg.GPVirtual)) {
	off, left := s.gp(), s.gp()
	s.clearGP(off)
	s.move(cols, left)
	name := label("cols")
	for g := group; g > 0; g /= 2 {
		ks := make([]mask, g)
		for i := range ks {
			ks[i] = s.fullMask()
		}
		loop, next := fmt.Sprintf("%s_by%d", name, g), fmt.Sprintf("%s_by%d", name, g/2)
		if s.arm != nil { // one jump a round
			s.jumpIf(left, less, U32(g*s.lanes), next)
			s.decrease(left, U32(g*s.lanes))
			s.place(loop + "_body")
			body(ks, off)
			s.increase(off, U32(g*s.bytes()))
			s.arm.text(fmt.Sprintf("SUBS $%d, R%%d, R%%d", g*s.lanes), read(left), written(left))
			s.arm.branch("BGE", loop+"_body", true)
			s.increase(left, U32(g*s.lanes))
			s.place(next)
			continue
		}
		s.place(loop)
		s.jumpIf(left, less, U32(g*s.lanes), next)
		body(ks, off)
		s.increase(off, U32(g*s.bytes()))
		s.decrease(left, U32(g*s.lanes))
		s.jump(loop)
	}
	if s.arm == nil {
		s.place(name + "_by0")
	}
	s.jumpIfNotPositive(left, name+"_end")
	body([]mask{s.tail(left)}, off)
	s.place(name + "_end")
}

// vectors emits body for every vector of the n values of a vector.
func (s *isa) vectors(body func(k mask, off reg.GPVirtual)) {
	s.columns(s.loadGP("n"), 1, func(ks []mask, off reg.GPVirtual) { body(ks[0], off) })
}

// vectorGroups is vectors with up to group vectors at a time on arm64, whose vectors are short.
func (s *isa) vectorGroups(group int, body func(ks []mask, off reg.GPVirtual)) {
	s.columns(s.loadGP("n"), s.orNEON(1, group), body)
}

// orNEON returns a size for x86 or for arm64.
func (s *isa) orNEON(x86, neon int) int {
	if s.arm != nil {
		return neon
	}
	return x86
}

// pick returns the size of groups for 32 registers, or for 16 (AVX2).
func (s *isa) pick(wide, narrow int) int {
	if s.wide() || s.arm != nil {
		return wide
	}
	return narrow
}

var labels int

// label returns a name that no other label of the function has.
func label(prefix string) string {
	labels++
	return fmt.Sprintf("%s%d", prefix, labels)
}
