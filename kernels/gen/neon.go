package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The instructions of NEON that kernels do not call directly.

// loadConstant loads four copies of a value.
func (a *arm64) loadConstant(v uint32, dst reg.Register) {
	a.loadVector([4]uint32{v, v, v, v}, dst)
}

// loadVector loads a constant with a value for each lane.
func (a *arm64) loadVector(lanes [4]uint32, dst reg.Register) {
	a.text(fmt.Sprintf("FMOVQ %d(R%%d), F%%d", a.constant(lanes)), read(a.table), written(dst))
}

// loadBytes loads a constant of 16 bytes.
func (a *arm64) loadBytes(bytes [16]uint8, dst reg.Register) {
	var lanes [4]uint32
	for i := range lanes {
		lanes[i] = binary.LittleEndian.Uint32(bytes[4*i:])
	}
	a.loadVector(lanes, dst)
}

// keepLanes clears the lanes of v that a mask of one to three lanes leaves out.
func (a *arm64) keepLanes(v reg.Register, k mask) {
	m := a.XMM()
	a.text("ADD R%d<<4, R%d, "+scratch, read(k.n), read(a.table))
	a.text(fmt.Sprintf("FMOVQ %d(%s), F%%d", a.tailMasks()-16, scratch), written(m))
	a.and(v, m, v)
}

func (a *arm64) and(x, y, dst reg.Register) {
	a.word(0x4e201c00, "and v%d.16b, v%d.16b, v%d.16b", written(dst), read(x), read(y))
}

// pointScratch turns an address into one with a register alone.
func (a *arm64) pointScratch(m Mem) {
	base, registers := "R%d", []operand{read(m.Base)}
	if m.Index != nil {
		a.text(
			fmt.Sprintf("ADD R%%d<<%d, R%%d, %s", bits.TrailingZeros8(m.Scale), scratch),
			read(m.Index), read(m.Base),
		)
		base, registers = scratch, nil
	}
	if m.Disp != 0 || m.Index == nil {
		a.text(fmt.Sprintf("ADD $%d, %s, %s", m.Disp, base, scratch), registers...)
	}
}

// load loads a vector, or its first one to three lanes; the others become zero.
func (a *arm64) load(m Mem, k mask, dst reg.Register) {
	if k.full {
		at, registers := a.address(m)
		a.text("FMOVQ "+at+", F%d", append(registers, written(dst))...)
		return
	}
	a.lanes(m, k,
		func() { a.text("FMOVS ("+scratch+"), F%d", written(dst)) },
		func() { a.text("FMOVD ("+scratch+"), F%d", written(dst)) },
		func() { a.text("VLD1 ("+scratch+"), V%d.S[2]", changed(dst)) })
}

// loadInto loads the first one to three lanes of dst. The others keep their values.
func (a *arm64) loadInto(m Mem, k mask, dst reg.Register) {
	a.lanes(m, k,
		func() { a.text("VLD1 ("+scratch+"), V%d.S[0]", changed(dst)) },
		func() { a.text("VLD1 ("+scratch+"), V%d.D[0]", changed(dst)) },
		func() { a.text("VLD1 ("+scratch+"), V%d.S[2]", changed(dst)) })
}

// store stores a vector, or its first one to three lanes.
func (a *arm64) store(src reg.Register, k mask, m Mem) {
	if k.full {
		at, registers := a.address(m)
		a.text("FMOVQ F%d, "+at, append([]operand{read(src)}, registers...)...)
		return
	}
	a.lanes(m, k,
		func() { a.text("FMOVS F%d, ("+scratch+")", read(src)) },
		func() { a.text("FMOVD F%d, ("+scratch+")", read(src)) },
		func() { a.text("VST1 V%d.S[2], ("+scratch+")", read(src)) })
}

// lanes emits an instruction for one lane; or for two, and another one for the third, at the address in
// scratch.
func (a *arm64) lanes(m Mem, k mask, one, two, third func()) {
	single, end := label("lane"), label("lanes")
	a.pointScratch(m)
	a.text("CMP $2, R%d", read(k.n))
	a.branch("BLT", single, true)
	two()
	a.branch("BEQ", end, true)
	a.text("ADD $8, " + scratch)
	third()
	a.branch("JMP", end, false)
	a.place(single)
	one()
	a.place(end)
}
