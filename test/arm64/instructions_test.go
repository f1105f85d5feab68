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

// mostPlain is the largest share of the instructions of a step in kernels in plain Go, if there are
// others.
const mostPlain = 0.02

// stepEnds is the function at which one step ends and the next begins. Between two updates of the
// weights there are one update, the gradients, and everything around them.
const stepEnds = "/optim.(*Optimizer).Step"

// TestInstructions counts the instructions of a training step of FasterNet-T0, exactly, from one update
// of the weights to the next. The emulator names every block of instructions that it runs, and the
// table of lines in the program says from which file an instruction comes, with inlined functions.
// Every instruction counts once, even if it multiplies and adds four numbers. Most of the minutes go
// into drawing the weights.
func TestInstructions(t *testing.T) {
	emulated(t)
	step := countInstructions(t)
	maps.DeleteFunc(step, func(_ place, n int) bool { return n == 0 }) // it was translated before the step
	total := 0
	for _, n := range step {
		total += n
	}
	kinds := map[string]int{}
	for p, n := range step {
		kinds[p.kind()] += n
	}
	share := func(n int) float64 { return float64(n) / float64(total) }
	var table strings.Builder
	fmt.Fprintf(&table,
		"a step of training of fasternet_t0, 64×64 px, batch 2, 1 thread: %.1f million instructions\n",
		float64(total)/1e6)
	kinds[plain] += 0 // show it even if it is 0
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b string) int { return kinds[b] - kinds[a] }) {
		if share(kinds[k]) < 0.0005 && k != plain {
			continue
		}
		fmt.Fprintf(&table, "%6.2f %%  %s\n", 100*share(kinds[k]), k)
	}
	fmt.Fprintf(&table, "by function:\n")
	for i, p := range slices.SortedFunc(maps.Keys(step), func(a, b place) int {
		return cmp.Or(step[b]-step[a], strings.Compare(a.function, b.function))
	}) {
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
		return // there are no other kernels
	}
	if s := share(kinds[plain]); s >= mostPlain {
		t.Errorf("%.2f %% of the instructions are of kernels in plain Go, want less than %.0f %%", 100*s, 100*mostPlain)
	}
}

// place is where an instruction comes from: the file of the line, and the function that contains it.
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

// block is a sequence of instructions, with how often it ran.
type block struct {
	start        uint64
	length, runs int
}

// countInstructions trains FasterNet-T0 until the second update of its weights.
func countInstructions(t *testing.T) map[place]int {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "blocks")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := arm.command[len(arm.command)-1]
	lines, entry := linesOf(t, file)
	args := slices.Concat(arm.command[1:len(arm.command)-1], []string{"-d", "in_asm,exec,nochain", "-D", pipe, file,
		"bench", "fasternet_t0", "--train", "--batch", "2", "--size", "64", "--threads", "1", "--warmup", "1",
		"--iterations", "1", "--precision", "fp32"})
	cmd := exec.CommandContext(t.Context(), arm.command[0], args...)
	cmd.Env = append(arm.environment(), "GOGC=off")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	runtime.LockOSThread() // the end of the thread would end the emulator too
	defer runtime.UnlockOSThread()
	// end the emulator after a test that took too long
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	blocks, err := readBlocks(pipe, entry)
	_ = cmd.Process.Kill() // the rest does not count
	if waited := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%v\n%s", err, waited, said.String())
	}
	counts := map[place]int{}
	for _, b := range blocks {
		for i := range b.length {
			counts[lines(b.start+4*uint64(i))] += b.runs
		}
	}
	return counts
}

// readBlocks reads the log of the emulator: the instructions of each block when it is translated, and
// a line each time that it runs. It counts from the beginning of one step, at an address, to the next.
func readBlocks(pipe string, step uint64) (all []*block, err error) {
	const least = 10_000 // a step has more blocks; a function whose stack has to grow is entered twice
	began, ran := false, 0
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
		// Trace 0: 0x7f2ad9e00200 [flags/000000000009c9d0/flags/flags] name
		case bytes.HasPrefix(line, []byte("Trace")):
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
			ran++
			if pc == step && (!began || ran > least) {
				if began {
					return all, nil
				}
				began, ran = true, 0
			}
			if b := current[pc]; b != nil && began {
				b.runs++
			}
		}
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the program ended before its second update")
		}
		if err != nil {
			return nil, err
		}
	}
}

// linesOf returns a function for the place of an address in a program, and the end of a step.
func linesOf(t *testing.T, file string) (places func(pc uint64) place, step uint64) {
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
	for _, f := range table.Funcs {
		if strings.HasSuffix(f.Name, stepEnds) {
			step = f.Entry
		}
	}
	if step == 0 {
		t.Fatalf("the program has no %s", stepEnds)
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
	}, step
}
