package kernels

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// On processors without AMX, its kernels run here in an interpreter of the assembly. It decodes the
// bytes of the tile instructions and follows Intel's manual, with the checks of a processor. All
// other instructions of these kernels use general registers.

// interpretedAMX is the path of tiles, interpreted.
func interpretedAMX(t *testing.T) *halfFunctions {
	t.Helper()
	kernel := func(name string) tilesFunction {
		code := assemblyOf(t, "kernels_amx_amd64.s", name)
		return func(m int, a *uint16, lda int, b *float32, ldb, steps int, c *float32, ldc, add int) {
			cpu := tileCPU{args: map[string]uint64{
				"m":     uint64(m),
				"a":     address(a),
				"lda":   uint64(lda),
				"b":     address(b),
				"ldb":   uint64(ldb),
				"steps": uint64(steps),
				"c":     address(c),
				"ldc":   uint64(ldc),
				"add":   uint64(add),
			}}
			cpu.run(code)
			runtime.KeepAlive([]any{a, b, c})
		}
	}
	conversions := plainHalf(tileLanes)
	if f := halves[BF16AVX512]; f != nil {
		conversions = f
	}
	return tilePath(kernel("tiles1AMX"), kernel("tiles2AMX"), conversions, variants[AVX512])
}

// line64 is memory of the caller, who keeps it alive.
func line64(at uint64) *[64]byte { return *(**[64]byte)(unsafe.Pointer(&at)) }

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// assembly is a function as lines of an opcode and operands, with its labels.
type assembly struct {
	lines  [][]string
	labels map[string]int
}

func assemblyOf(t *testing.T, file, function string) *assembly {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	code, inside := &assembly{labels: map[string]int{}}, false
	space := regexp.MustCompile(`[,\s]+`)
	for in := bufio.NewScanner(f); in.Scan(); {
		line := strings.TrimSpace(in.Text())
		switch {
		case strings.HasPrefix(line, "TEXT "):
			inside = strings.Contains(line, "·"+function+"(")
		case !inside || line == "" || strings.HasPrefix(line, "//"):
		case strings.HasSuffix(line, ":"):
			code.labels[strings.TrimSuffix(line, ":")] = len(code.lines)
		default:
			code.lines = append(code.lines, space.Split(line, -1))
		}
	}
	if len(code.lines) == 0 {
		t.Fatalf("no function %s in %s", function, file)
	}
	return code
}

// tileCPU is the part of a processor with AMX that the kernels use.
type tileCPU struct {
	args  map[string]uint64
	regs  [16]uint64
	flags int64 // sign of the last result or comparison

	ops        int // multiplications and additions on tiles
	configured bool
	tiles      [8][tileRows][64]byte
}

var registerNumbers = map[string]int{"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SP": 4, "BP": 5, "SI": 6, "DI": 7,
	"R8": 8, "R9": 9, "R10": 10, "R11": 11, "R12": 12, "R13": 13, "R14": 14, "R15": 15}

func (c *tileCPU) value(operand string) uint64 {
	if s, ok := strings.CutPrefix(operand, "$"); ok {
		v, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			panic(err)
		}
		return v
	}
	if name, ok := strings.CutSuffix(operand, "(FP)"); ok {
		name, _, _ = strings.Cut(name, "+")
		v, ok := c.args[name]
		if !ok {
			panic("no argument " + name)
		}
		return v
	}
	return c.regs[generalRegister(operand)]
}

func generalRegister(name string) int {
	n, ok := registerNumbers[name]
	if !ok {
		panic("operand " + name + " is not known")
	}
	return n
}

func (c *tileCPU) run(code *assembly) {
	for pc := 0; ; {
		line := code.lines[pc]
		pc++
		var raw []byte
		for size := rawSize(line[0]); size > 0; size = rawSize(line[0]) {
			v, err := strconv.ParseUint(strings.TrimPrefix(line[1], "$"), 0, 64)
			if err != nil {
				panic(err)
			}
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			raw = append(raw, b[:size]...)
			if line = code.lines[pc]; rawSize(line[0]) == 0 || rawSize(line[0]) == 4 {
				break
			}
			pc++
		}
		if raw != nil {
			c.tileInstruction(raw)
			continue
		}
		switch line[0] {
		case "RET":
			if c.configured {
				panic("the tiles are not released")
			}
			return
		case "LEAQ": // of the configuration
			c.regs[generalRegister(line[2])] = address(&tileConfiguration)
		case "MOVQ":
			if name, ok := strings.CutSuffix(line[2], "(FP)"); ok { // a result
				name, _, _ = strings.Cut(name, "+")
				c.args[name] = c.value(line[1])
				break
			}
			c.regs[generalRegister(line[2])] = c.value(line[1])
		case "IMUL3Q":
			c.regs[generalRegister(line[3])] = c.value(line[1]) * c.value(line[2])
		case "SHLQ":
			c.regs[generalRegister(line[2])] <<= c.value(line[1])
		case "ADDQ":
			c.regs[generalRegister(line[2])] += c.value(line[1])
		case "SUBQ":
			c.regs[generalRegister(line[2])] -= c.value(line[1])
		case "DECQ":
			c.regs[generalRegister(line[1])]--
			c.flags = int64(c.regs[generalRegister(line[1])])
		case "TESTQ":
			c.flags = int64(c.value(line[1]) & c.value(line[2]))
		case "CMPQ":
			c.flags = int64(c.value(line[1]) - c.value(line[2]))
		case "JMP", "JLT", "JZ", "JNZ":
			if line[0] == "JMP" ||
				line[0] == "JLT" && c.flags < 0 ||
				line[0] == "JZ" && c.flags == 0 ||
				line[0] == "JNZ" && c.flags != 0 {
				pc = code.labels[line[1]]
			}
		default:
			panic(fmt.Sprintf("instruction %v is not known", line))
		}
	}
}

func rawSize(opcode string) int { return map[string]int{"LONG": 4, "WORD": 2, "BYTE": 1}[opcode] }

// tileConfiguration is what the kernels load. TestTileConfiguration compares it with the data in
// the assembly.
var tileConfiguration = [64]byte{0: 1, 16: 64, 18: 64, 20: 64, 22: 64, 24: 64, 26: 64, 28: 64, 30: 64,
	48: 16, 49: 16, 50: 16, 51: 16, 52: 16, 53: 16, 54: 16, 55: 16}

// tileInstruction decodes and executes one instruction: VEX with three bytes, opcode, ModRM, and SIB
// and displacement if there is memory.
func (c *tileCPU) tileInstruction(b []byte) {
	if b[0] != 0xc4 || b[1]&31 != 2 || b[2]&0x84 != 0 { // map 0F38, W0, 128 bits
		panic(fmt.Sprintf("% x is not a tile instruction", b))
	}
	opcode, modrm := b[3], b[4]
	dst, rm, vvvv := int(modrm>>3&7), int(modrm&7), int(^b[2]>>3&15)
	prefix := b[2] & 3
	const none, x66, f3, f2 = 0, 1, 2, 3
	if b[1]&0x80 == 0 {
		panic("a tile number above 7")
	}
	if modrm>>6 == 3 {
		switch {
		case opcode == 0x49 && prefix == none:
			c.configured = false
		case opcode == 0x49 && prefix == f2:
			c.need()
			c.tiles[dst] = [tileRows][64]byte{}
		case opcode == 0x5c && prefix == f3:
			c.need()
			c.dot(dst, rm, vvvv)
			c.ops += 2 * tileRows * tileRows * tileStep
		case opcode == 0x5e && prefix == x66:
			c.need()
			c.ops += 2 * tileRows * tileRows * 2 * tileStep // bytes; the loop that uses it ignores the sums
		default:
			panic(fmt.Sprintf("% x is not known", b))
		}
		return
	}
	base, index, rest := rm, -1, b[5:]
	if rm == 4 {
		sib := rest[0]
		rest = rest[1:]
		base, index = int(sib&7), int(sib>>3&7)
		if sib>>6 != 0 {
			panic("a scaled index")
		}
		index |= int(^b[1] >> 6 & 1 << 3)
	}
	base |= int(^b[1] >> 5 & 1 << 3)
	switch modrm >> 6 {
	case 0:
		if base&7 == 5 {
			panic("an address without a base")
		}
	case 1:
		if rest[0] != 0 {
			panic("a displacement")
		}
		rest = rest[1:]
	default:
		panic("a long displacement")
	}
	if len(rest) > 0 {
		panic(fmt.Sprintf("% x: %d bytes too many", b, len(rest)))
	}
	at := func(row int) *[64]byte {
		return line64(c.regs[base] + uint64(row)*c.regs[index])
	}
	switch {
	case opcode == 0x49 && prefix == none && index < 0:
		if c.configured {
			panic("configured twice")
		}
		if *line64(c.regs[base]) != tileConfiguration {
			panic("another configuration")
		}
		c.configured = true
	case opcode == 0x4b && prefix == f2 && index >= 0:
		c.need()
		for row := range c.tiles[dst] {
			c.tiles[dst][row] = *at(row)
		}
	case opcode == 0x4b && prefix == f3 && index >= 0:
		c.need()
		for row := range c.tiles[dst] {
			*at(row) = c.tiles[dst][row]
		}
	default:
		panic(fmt.Sprintf("% x is not known", b))
	}
}

func (c *tileCPU) need() {
	if !c.configured {
		panic("the tiles are not configured: a processor raises an exception")
	}
}

// dot is TDPBF16PS: for every element it sums the products of the even halves and the products of
// the odd halves, and adds the two sums to the element.
func (c *tileCPU) dot(dst, a, b int) {
	at := func(tile, row, i int) uint32 { return binary.LittleEndian.Uint32(c.tiles[tile][row][4*i:]) }
	for row := range tileRows {
		for col := range 16 {
			var even, odd float32
			for q := range 16 {
				x, y := at(a, row, q), at(b, q, col)
				even = flushed(even + fromBF16(uint16(x))*fromBF16(uint16(y)))
				odd = flushed(odd + fromBF16(uint16(x>>16))*fromBF16(uint16(y>>16)))
			}
			sum := flushed(math.Float32frombits(at(dst, row, col)) + flushed(even+odd))
			binary.LittleEndian.PutUint32(c.tiles[dst][row][4*col:], math.Float32bits(sum))
		}
	}
}

// The assembly has the configuration that the interpreter assumes.
func TestTileConfiguration(t *testing.T) {
	text, err := os.ReadFile("kernels_amx_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	var got [64]byte
	found := 0
	words := regexp.MustCompile(`DATA tileConfig<>\+(\d+)\(SB\)/4, \$(0x[0-9a-f]+)`)
	for _, m := range words.FindAllStringSubmatch(string(text), -1) {
		at, _ := strconv.Atoi(m[1])
		v, _ := strconv.ParseUint(m[2], 0, 32)
		binary.LittleEndian.PutUint32(got[at:], uint32(v))
		found++
	}
	if found != 16 || got != tileConfiguration {
		t.Errorf("%d words: %v", found, got)
	}
}
