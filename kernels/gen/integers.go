package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The part of an instruction set that counts, addresses and jumps. An operand that is not a register
// is a constant (U8, U32, I32) or a result of local.

// gp returns a register for an integer of 64 bits, or an address.
func (s *isa) gp() reg.GPVirtual {
	if s.arm != nil {
		return s.arm.GP64()
	}
	return GP64()
}

// local returns a place for an integer that does not need a register, if there are few.
func (s *isa) local() Op {
	if s.arm != nil {
		return s.arm.GP64()
	}
	return AllocLocal(8)
}

// loadGP loads an argument.
func (s *isa) loadGP(name string) reg.GPVirtual {
	r := s.gp()
	s.loadGPTo(name, r)
	return r
}

func (s *isa) loadGPTo(name string, r reg.GPVirtual) {
	if s.arm != nil {
		s.arm.text("MOVD "+s.arm.parameter(name)+", R%d", written(r))
		return
	}
	Load(Param(name), r)
}

// loadStride loads a stride given in elements as bytes.
func (s *isa) loadStride(name string) reg.GPVirtual {
	r := s.loadGP(name)
	s.shiftLeft(2, r)
	return r
}

// loadInt32 loads an integer of 32 bits with its sign.
func (s *isa) loadInt32(m Mem, dst reg.GPVirtual) {
	if s.arm != nil {
		at, registers := s.arm.address(m)
		s.arm.text("MOVW "+at+", R%d", append(registers, written(dst))...)
		return
	}
	MOVLQSX(m, dst)
}

// move computes dst = x.
func (s *isa) move(x, dst Op) {
	if s.arm == nil {
		MOVQ(x, dst)
		return
	}
	text, registers := s.arm.source(x)
	s.arm.text("MOVD "+text+", R%d", append(registers, written(dst.(reg.Register)))...)
}

// increase computes dst += x.
func (s *isa) increase(dst, x Op) {
	if s.arm == nil {
		ADDQ(x, dst)
		return
	}
	s.arm.change("ADD", x, dst)
}

// decrease computes dst -= x.
func (s *isa) decrease(dst, x Op) {
	if s.arm == nil {
		SUBQ(x, dst)
		return
	}
	s.arm.change("SUB", x, dst)
}

// increment computes dst += 1.
func (s *isa) increment(dst Op) {
	if s.arm == nil {
		INCQ(dst)
		return
	}
	s.arm.change("ADD", U8(1), dst)
}

// keepBits computes dst &= x, a constant.
func (s *isa) keepBits(dst, x Op) {
	if s.arm == nil {
		ANDQ(x, dst)
		return
	}
	s.arm.change("AND", x, dst)
}

// multiply computes dst *= x.
func (s *isa) multiply(dst, x reg.GPVirtual) {
	if s.arm == nil {
		IMULQ(x, dst)
		return
	}
	s.arm.text("MUL R%d, R%d, R%d", read(x), read(dst), written(dst))
}

// multiplyBy computes dst = n·x.
func (s *isa) multiplyBy(n int, x, dst reg.GPVirtual) {
	if s.arm == nil {
		IMUL3Q(U32(n), x, dst)
		return
	}
	s.arm.text(fmt.Sprintf("MOVD $%d, %s", n, scratch))
	s.arm.text("MUL "+scratch+", R%d, R%d", read(x), written(dst))
}

func (s *isa) shiftLeft(n uint8, r reg.GPVirtual) {
	if s.arm == nil {
		SHLQ(U8(n), r)
		return
	}
	s.arm.text(fmt.Sprintf("LSL $%d, R%%d, R%%d", n), read(r), written(r))
}

// shiftRight divides a number that is not negative.
func (s *isa) shiftRight(n uint8, r reg.GPVirtual) {
	if s.arm == nil {
		SHRQ(U8(n), r)
		return
	}
	s.arm.text(fmt.Sprintf("LSR $%d, R%%d, R%%d", n), read(r), written(r))
}

func (s *isa) clearGP(r reg.GPVirtual) {
	if s.arm == nil {
		XORQ(r, r)
		return
	}
	s.arm.text("MOVD ZR, R%d", written(r))
}

// address computes the address of m.
func (s *isa) address(m Mem, dst reg.GPVirtual) {
	if s.arm == nil {
		LEAQ(m, dst)
		return
	}
	base := m.Base
	if m.Index != nil {
		s.arm.text(
			fmt.Sprintf("ADD R%%d<<%d, R%%d, R%%d", bits.TrailingZeros8(m.Scale)), read(m.Index),
			read(m.Base), written(dst),
		)
		base = dst
	}
	if m.Disp != 0 || m.Index == nil {
		s.arm.text(fmt.Sprintf("ADD $%d, R%%d, R%%d", m.Disp), read(base), written(dst))
	}
}

// near returns m without a second register, if that would cost an addition for each access.
func (s *isa) near(m Mem) Mem {
	if s.arm == nil {
		return m
	}
	p := s.gp()
	s.address(m, p)
	return Mem{Base: p}
}

// place emits the target of jumps to a label.
func (s *isa) place(label string) {
	if s.arm == nil {
		Label(label)
		return
	}
	s.arm.place(label)
}

func (s *isa) jump(label string) {
	if s.arm == nil {
		JMP(LabelRef(label))
		return
	}
	s.arm.branch("JMP", label, false)
}

// condition is a comparison of two signed integers.
type condition string

const (
	less        condition = "LT"
	lessOrEqual condition = "LE"
	greater     condition = "GT"
	equal       condition = "EQ"
)

// jumpIf jumps if the comparison of x with y is true.
func (s *isa) jumpIf(x reg.GPVirtual, is condition, y Op, label string) {
	if s.arm != nil {
		text, registers := s.arm.source(y)
		s.arm.text("CMP "+text+", R%d", append(registers, read(x))...)
		s.arm.branch("B"+string(is), label, true)
		return
	}
	CMPQ(x, y)
	map[condition]func(Op){less: JLT, lessOrEqual: JLE, greater: JGT, equal: JEQ}[is](LabelRef(label))
}

func (s *isa) jumpIfZero(x reg.GPVirtual, label string) {
	if s.arm != nil {
		s.arm.branch("CBZ R%d,", label, true, read(x))
		return
	}
	TESTQ(x, x)
	JZ(LabelRef(label))
}

func (s *isa) jumpIfNotPositive(x reg.GPVirtual, label string) {
	if s.arm != nil {
		s.arm.text("CMP $0, R%d", read(x))
		s.arm.branch("BLE", label, true)
		return
	}
	TESTQ(x, x)
	JLE(LabelRef(label))
}

// countDown computes x -= 1, and jumps if x is not 0.
func (s *isa) countDown(x Op, label string) {
	if s.arm != nil {
		s.arm.change("SUB", U8(1), x)
		s.arm.branch("CBNZ R%d,", label, true, read(x.(reg.Register)))
		return
	}
	DECQ(x)
	JNZ(LabelRef(label))
}

// countDownTo computes x -= 1, and jumps if x is 0.
func (s *isa) countDownTo(x Op, label string) {
	if s.arm != nil {
		s.arm.change("SUB", U8(1), x)
		s.arm.branch("CBZ R%d,", label, true, read(x.(reg.Register)))
		return
	}
	DECQ(x)
	JZ(LabelRef(label))
}

// repeat emits a loop of n rounds; n may be 0.
func (s *isa) repeat(name string, n reg.GPVirtual, body func()) {
	i := s.gp()
	s.move(n, i)
	s.jumpIfNotPositive(i, name+"_end")
	s.place(name)
	body()
	s.countDown(i, name)
	s.place(name + "_end")
}

// prefetch fetches a line into the first-level cache.
func (s *isa) prefetch(m Mem) {
	if s.arm == nil {
		PREFETCHT0(m)
		return
	}
	at, registers := s.arm.address(m)
	s.arm.text("PRFM "+at+", PLDL1KEEP", registers...)
}

// change emits dst = dst op x.
func (a *arm64) change(op string, x, dst Op) {
	text, registers := a.source(x)
	r := dst.(reg.Register)
	a.text(op+" "+text+", R%d, R%d", append(registers, read(r), written(r))...)
}

// source returns an operand that is read: a register or a constant.
func (a *arm64) source(x Op) (string, []operand) {
	switch x := x.(type) {
	case reg.Register:
		return "R%d", []operand{read(x)}
	case U8:
		return fmt.Sprintf("$%d", x), nil
	case U32:
		return fmt.Sprintf("$%d", x), nil
	case I32:
		return fmt.Sprintf("$%d", x), nil
	}
	panic(fmt.Sprintf("%T is not an operand of arm64", x))
}

// address is m as loads and stores take it: a base and a distance. A sum of two registers is computed
// before.
func (a *arm64) address(m Mem) (string, []operand) {
	if m.Index == nil {
		return fmt.Sprintf("%d(R%%d)", m.Disp), []operand{read(m.Base)}
	}
	a.text(fmt.Sprintf("ADD R%%d<<%d, R%%d, %s", bits.TrailingZeros8(m.Scale), scratch), read(m.Index), read(m.Base))
	return fmt.Sprintf("%d(%s)", m.Disp, scratch), nil
}
