//go:build linux

package arm64

import (
	"bufio"
	"bytes"
	"cmp"
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fasternet/kernels"
)

// mostPlain is the share of the instructions of a step that kernels in plain Go may have, where
// there are others.
const mostPlain = 0.02

// TestInstructions counts the instructions of a step of training of FasterNet-T0, exactly: those
// of a program that makes one step more, less those of a program that does not. The emulator
// names every block of instructions that it runs, and the table of lines in the program says
// which file an instruction comes from, inlined functions included. Every instruction counts
// once: one that multiplies and adds four numbers as much as one that adds two.
func TestInstructions(t *testing.T) {
	emulated(t)
	// Weights from a file: to draw them would take longer than all the rest.
	weights := filepath.Join(t.TempDir(), "t0.safetensors")
	here.run(t, 0, "export", "--model", "fasternet_t0", "--no-fold", "--out", weights)
	few, many := countInstructions(t, weights, 1), countInstructions(t, weights, 2)
	step := map[place]int{}
	total := 0
	for p, n := range many {
		if n -= few[p]; n != 0 {
			step[p] = n
			total += n
		}
	}
	kinds := map[string]int{}
	for p, n := range step {
		kinds[p.kind()] += n
	}
	share := func(n int) float64 { return float64(n) / float64(total) }
	var table strings.Builder
	fmt.Fprintf(&table, "a step of training of fasternet_t0, 64×64 px, batch 2, 1 thread: %.1f million instructions\n", float64(total)/1e6)
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return kinds[b] - kinds[a] }) {
		fmt.Fprintf(&table, "%6.2f %%  %s\n", 100*share(kinds[k]), k)
	}
	fmt.Fprintf(&table, "by function:\n")
	for i, p := range slices.SortedFunc(maps.Keys(step), func(a, b place) int { return cmp.Or(step[b]-step[a], strings.Compare(a.function, b.function)) }) {
		if i == 30 {
			break
		}
		fmt.Fprintf(&table, "%6.2f %%  %s (%s)\n", 100*share(step[p]), p.function, path.Base(p.file))
	}
	t.Log("\n" + table.String())
	if total < 1e6 || kinds[assembly]+kinds[plain] == 0 {
		t.Fatal("the step has not been counted")
	}
	if arm.kernels == string(kernels.Go) || kinds[assembly] == 0 {
		return // there are no others
	}
	if s := share(kinds[plain]); s >= mostPlain {
		t.Errorf("%.2f %% of the instructions are of kernels in plain Go, want less than %.0f %%", 100*s, 100*mostPlain)
	}
}

// place is where an instruction comes from: the file of the line, and the function whose code
// it is in.
type place struct{ file, function string }

const (
	plain    = "kernels in plain Go (kernels/plain*.go)"
	assembly = "kernels in assembly (kernels/*.s)"
)

func (p place) kind() string {
	dir, file := path.Split(p.file)
	dir = strings.TrimSuffix(dir, "/")
	switch own := path.Base(dir) == "kernels"; {
	case own && strings.HasPrefix(file, "plain"):
		return plain
	case own && strings.HasSuffix(file, ".s"):
		return assembly
	}
	name, _, _ := strings.Cut(p.function[strings.LastIndex(p.function, "/")+1:], ".")
	return "package " + name
}

// block is some instructions, one after the other, and how often they ran.
type block struct {
	start        uint64
	length, runs int
}

// countInstructions trains a model for so many steps, after one to warm up.
func countInstructions(t *testing.T, weights string, steps int) map[place]int {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "blocks")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := arm.command[len(arm.command)-1]
	args := slices.Concat(arm.command[1:len(arm.command)-1], []string{"-d", "in_asm,exec,nochain", "-D", pipe, file,
		"bench", weights, "--train", "--batch", "2", "--size", "64", "--threads", "1", "--warmup", "1", "--iterations", strconv.Itoa(steps), "--precision", "fp32"})
	cmd := exec.CommandContext(t.Context(), arm.command[0], args...)
	cmd.Env = append(arm.environment(), "GOGC=off") // a collection would be in one of the two alone
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	runtime.LockOSThread() // whose end would end the emulator too
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // or it would go on after a test that took too long
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	blocks, err := readBlocks(pipe)
	if err = errors.Join(cmd.Wait(), err); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	lines := linesOf(t, file)
	counts := map[place]int{}
	for _, b := range blocks {
		for i := range b.length {
			counts[lines(b.start+4*uint64(i))] += b.runs
		}
	}
	return counts
}

// readBlocks reads the log of the emulator: the instructions of each block when it is
// translated, and a line each time that it runs.
func readBlocks(pipe string) (all []*block, err error) {
	f, err := os.Open(pipe)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	current := map[uint64]*block{}
	var open *block
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("a line of %d bytes in the log of the emulator", len(line))
		}
		switch {
		case bytes.HasPrefix(line, []byte("IN:")):
			open = &block{}
			all = append(all, open)
		case bytes.HasPrefix(line, []byte("0x")) && open != nil: // 0x0009c9d0:  f94003e0  ldr x0, [sp]
			at, _, _ := bytes.Cut(line[2:], []byte(":"))
			pc, err := strconv.ParseUint(string(at), 16, 64)
			if err != nil {
				return nil, err
			}
			if open.length == 0 {
				open.start = pc
				current[pc] = open
			}
			open.length++
		case bytes.HasPrefix(line, []byte("Trace")): // Trace 0: 0x7f2ad9e00200 [flags/000000000009c9d0/flags/flags] name
			open = nil
			_, rest, _ := bytes.Cut(line, []byte("/"))
			if len(rest) < 16 {
				return nil, fmt.Errorf("not understood in the log of the emulator: %q", line)
			}
			var pc uint64
			for _, c := range rest[:16] {
				if c -= '0'; c > 9 {
					c -= 'a' - '0' - 10
				}
				pc = pc<<4 | uint64(c)
			}
			if b := current[pc]; b != nil {
				b.runs++
			}
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// linesOf finds the place of an address in a program.
func linesOf(t *testing.T, file string) func(pc uint64) place {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := f.Section(".gopclntab").Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, f.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint64]place{}
	return func(pc uint64) place {
		p, ok := known[pc]
		if !ok {
			file, _, fn := table.PCToLine(pc)
			if fn != nil {
				p = place{file, fn.Name}
			}
			known[pc] = p
		}
		return p
	}
}
