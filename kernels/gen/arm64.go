package main

import (
	"bytes"
	"fmt"
	"log"
	"os"

	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// arm64 collects the code of functions for arm64. avo has no instructions of arm64, but its
// intermediate form, its analysis of liveness and its allocation of registers work for any
// processor. Until code is printed, registers of x86 stand for registers of arm64.
type arm64 struct {
	*reg.Collection
	function  *ir.Function
	file      *ir.File
	table     reg.GPVirtual               // address of the constants
	constants [][4]uint32                 // of the file
	places    map[[4]uint32]int           // of each constant in the table
	tails     int                         // place in the table of the masks of the first one, two and three lanes
	addresses map[[2]reg.ID]reg.GPVirtual // sums of a base and an offset
}

func newARM64() *arm64 {
	return &arm64{
		Collection: reg.NewCollection(),
		file:       ir.NewFile(),
		places:     map[[4]uint32]int{},
		tails:      -1,
		addresses:  map[[2]reg.ID]reg.GPVirtual{},
	}
}

// instruction takes the place of operands in an instruction of avo's form. The numbers of its
// registers go into the text, in their order, and into the code if it has one.
type instruction struct {
	text      string
	code      uint32
	registers []operand
}

func (instruction) Asm() string { panic("no instruction of x86") }

// operand is a register of an instruction: read, written or both.
type operand struct {
	r       reg.Register
	in, out bool
	bit     int // of the code where the number begins; negative for nowhere
}

// Operands are in the order of the text of an instruction. In a code they begin at bits 0, 5, 16
// and 10, unless the operand says something else.
func read(r reg.Register) operand    { return operand{r: r, in: true} }
func written(r reg.Register) operand { return operand{r: r, out: true} }
func changed(r reg.Register) operand { return operand{r: r, in: true, out: true} }
func (o operand) at(bit int) operand { o.bit = bit; return o }

func (a *arm64) text(format string, registers ...operand) {
	a.emit(newInstruction(instruction{text: format, registers: registers}))
}

func (a *arm64) emit(i *ir.Instruction) {
	a.function.AddInstruction(i)
	for _, r := range i.OutputRegisters() {
		for key := range a.addresses {
			if key[0] == r.ID() || key[1] == r.ID() {
				delete(a.addresses, key)
			}
		}
	}
}

// place emits the target of jumps to a label.
func (a *arm64) place(name string) {
	a.function.AddLabel(ir.Label(name))
	clear(a.addresses)
}

// sum returns a register that holds base + offset. It is computed once between two labels, if
// neither changes.
func (a *arm64) sum(base, offset reg.GPVirtual) reg.GPVirtual {
	key := [2]reg.ID{base.ID(), offset.ID()}
	r, ok := a.addresses[key]
	if !ok {
		r = a.GP64()
		a.text("ADD R%d, R%d, R%d", read(offset), read(base), written(r))
		a.addresses[key] = r
	}
	return r
}

// word emits an instruction that Go's assembler does not know. The text is the assembly of the
// manual, as llvm-mc prints it. Codes are from the Arm Architecture Reference Manual; a test reads
// every word with llvm-mc.
func (a *arm64) word(code uint32, format string, registers ...operand) {
	for i := range registers {
		if registers[i].bit == 0 {
			registers[i].bit = []int{0, 5, 16, 10}[i]
		}
	}
	a.emit(newInstruction(instruction{text: format, code: code, registers: registers}))
}

func newInstruction(n instruction) *ir.Instruction {
	i := &ir.Instruction{Opcode: "arm64", Operands: []Op{n}}
	for _, o := range n.registers {
		if o.in {
			i.Inputs = append(i.Inputs, o.r)
		}
		if o.out {
			i.Outputs = append(i.Outputs, o.r)
		}
	}
	return i
}

// branch emits a jump, with the registers that it tests or changes.
func (a *arm64) branch(format, label string, conditional bool, registers ...operand) {
	i := newInstruction(instruction{text: format + " " + label, registers: registers})
	i.IsBranch, i.IsConditional = true, conditional
	i.Operands = append([]Op{LabelRef(label)}, i.Operands...)
	a.emit(i)
}

// begin opens a function.
func (a *arm64) begin(name, signature, doc string) {
	s, err := gotypes.ParseSignature(signature)
	if err != nil {
		panic(err)
	}
	a.function = ir.NewFunction(name)
	a.function.Attributes = 4 // NOSPLIT
	a.function.SetSignature(s)
	a.function.AddPragma("noescape")
	a.function.Doc = []string{name + " " + doc}
	a.file.AddSection(a.function)
	clear(a.addresses)
	a.table = a.GP64()
	a.text("MOVD $constants<>(SB), R%d", written(a.table))
}

func (a *arm64) ret() {
	i := newInstruction(instruction{text: "RET"})
	i.IsTerminal = true
	a.emit(i)
}

// local returns the address of some bytes on the stack, after the return address.
func (a *arm64) local(size int) string {
	return fmt.Sprintf("%d(RSP)", 8+a.function.AllocLocal(size).Disp)
}

// parameter returns the place of an argument, as Go's assembler names it.
func (a *arm64) parameter(name string) string {
	return a.component(a.function.Signature.Params().Lookup(name))
}

func (a *arm64) component(c gotypes.Component) string {
	b, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s+%d(FP)", b.Addr.Symbol.Name, b.Addr.Disp)
}

// constant returns the place of a vector in the table of constants.
func (a *arm64) constant(v [4]uint32) int {
	at, ok := a.places[v]
	if !ok {
		at = a.newConstant(v)
		a.places[v] = at
	}
	return at
}

func (a *arm64) newConstant(v [4]uint32) int {
	a.constants = append(a.constants, v)
	return 16 * (len(a.constants) - 1)
}

// tailMasks returns the place of the masks of the first one, two and three lanes.
func (a *arm64) tailMasks() int {
	if a.tails < 0 {
		const all = 0xffffffff
		a.tails = a.newConstant([4]uint32{all})
		a.newConstant([4]uint32{all, all})
		a.newConstant([4]uint32{all, all, all})
	}
	return a.tails
}

// The registers that functions may use. The system has 18, the assembler 27, the runtime 28 and 29,
// and the return address is in 30 (Go's ABI for arm64). 16 and 17 hold addresses within an
// instruction of a kernel.
func freeRegisters(kind reg.Kind) []reg.Physical {
	var out []reg.Physical
	for i := range reg.Index(32) {
		if kind == reg.KindGP && (i > 15 && i < 19 || i > 26) {
			continue
		}
		out = append(out, numbered{reg.LookupPhysical(reg.KindVector, i, reg.S128), kind, i})
	}
	return out
}

// scratch is a register in which no kernel keeps a value.
const scratch = "R16"

// numbered returns a register of arm64.
type numbered struct {
	reg.Physical
	kind  reg.Kind
	index reg.Index
}

func (n numbered) Kind() reg.Kind           { return n.kind }
func (n numbered) PhysicalIndex() reg.Index { return n.index }
func (n numbered) ID() reg.ID               { return reg.ID(n.kind)<<8 | reg.ID(n.index)<<16 }

// allocate chooses the registers of a function.
func allocate(f *ir.Function) error {
	dropUnusedTable(f)
	for _, p := range []func(*ir.Function) error{
		pass.PruneJumpToFollowingLabel, pass.PruneDanglingLabels, pass.LabelTarget, pass.CFG, pass.Liveness} {
		if err := p(f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	f.Allocation = reg.NewEmptyAllocation()
	for _, kind := range []reg.Kind{reg.KindGP, reg.KindVector} {
		al, err := pass.NewAllocator(freeRegisters(kind))
		if err != nil {
			return err
		}
		for _, i := range f.Instructions() {
			for _, r := range append(i.InputRegisters(), i.OutputRegisters()...) {
				if r.Kind() == kind {
					al.Add(r.ID())
				}
			}
			for _, r := range i.OutputRegisters() {
				if r.Kind() == kind {
					out := i.LiveOut.OfKind(kind)
					out.DiscardRegister(r)
					al.AddInterferenceSet(r, out)
				}
			}
		}
		got, err := al.Allocate()
		if err != nil {
			return fmt.Errorf("%s: kind %d: %w", f.Name, kind, err)
		}
		if err := f.Allocation.Merge(got); err != nil {
			return err
		}
	}
	return nil
}

// dropUnusedTable removes the first instruction of a function if nothing reads its result.
func dropUnusedTable(f *ir.Function) {
	is := f.Instructions()
	table := is[0].OutputRegisters()[0].ID()
	for _, i := range is {
		for _, r := range i.InputRegisters() {
			if r.ID() == table {
				return
			}
		}
	}
	f.Nodes = f.Nodes[1:]
}

// print writes an instruction with the registers of an allocation.
func (n instruction) print(al reg.Allocation) string {
	code := n.code
	var numbers []any
	for _, o := range n.registers {
		i := al.LookupDefault(o.r.ID())
		if i.IsVirtual() {
			panic("no register for an operand of " + n.text)
		}
		numbers = append(numbers, int(i.Index()))
		if n.code != 0 && o.bit >= 0 {
			code |= uint32(i.Index()) << o.bit
		}
	}
	text := fmt.Sprintf(n.text, numbers...)
	if n.code != 0 {
		return fmt.Sprintf("WORD $0x%08x // %s", code, text)
	}
	return text
}

// generate writes the assembly and the stubs.
func (a *arm64) generate(out, stubs, pkg string) {
	var b bytes.Buffer
	config := printer.NewGoRunConfig()
	config.Pkg = pkg
	fmt.Fprintf(&b, "// %s\n\n#include \"textflag.h\"\n", config.GeneratedWarning())
	for _, f := range a.file.Functions() {
		if err := allocate(f); err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(&b, "\n// %s\nTEXT ·%s(SB), NOSPLIT, $%d-%d\n",
			f.Stub(), f.Name, f.FrameBytes(), f.ArgumentBytes())
		for _, n := range f.Nodes {
			switch n := n.(type) {
			case ir.Label:
				fmt.Fprintf(&b, "\n%s:\n", n)
			case *ir.Instruction:
				fmt.Fprintf(&b, "\t%s\n", n.Operands[len(n.Operands)-1].(instruction).print(f.Allocation))
			default:
				panic("a node of an unknown type")
			}
		}
	}
	if len(a.constants) > 0 {
		fmt.Fprintln(&b)
		for i, c := range a.constants {
			for j, lane := range c {
				fmt.Fprintf(&b, "DATA constants<>+%d(SB)/4, $0x%08x\n", 16*i+4*j, lane)
			}
		}
		fmt.Fprintf(&b, "GLOBL constants<>(SB), RODATA|NOPTR, $%d\n", 16*len(a.constants))
	}
	text, err := printer.NewStubs(config).Print(a.file)
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range map[string][]byte{out: b.Bytes(), stubs: text} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
