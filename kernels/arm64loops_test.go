package kernels

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var updateCycles = flag.Bool("update-cycles", false, "write testdata/arm64_cycles.txt again")

// armCores are the cores that llvm-mca has models of, with the features that they lack.
var armCores = []struct {
	name string
	bf16 bool
}{{"neoverse-n1", false}, {"neoverse-v1", true}, {"neoverse-v2", true}, {"cortex-a72", false}}

// leastShares are the shares of the peak of multiply-adds that the inner loops of the largest tiles
// must reach in the models, which have neither caches nor memory. In bf16 there are more loads for
// each multiply-add, and the loads of the second of two rows of A need some of the same units.
var leastShares = map[string]float64{"fmla": 0.95, "bfdot": 0.7, "bfmmla": 0.7}

// recordedWith is the version of LLVM that made the record.
const recordedWith = 19

// loop is an inner loop of a kernel.
type loop struct {
	function string
	label    string   // without the number that the generator adds
	code     []uint32 // from the label to the branch back to it
	text     []string // the same in the assembly of the manual
	adds     map[string]int
}

// multiplyAdds maps the instructions of a product to the number of vectors of four float32 that they
// multiply and add.
var multiplyAdds = []string{"fmla", "bfdot", "bfmmla"}

// work returns the number of multiply-adds of the loop, and the instruction.
func (l loop) work() (instruction string, n int) {
	for _, m := range multiplyAdds {
		if l.adds[m] > n {
			instruction, n = m, l.adds[m]
		}
	}
	return instruction, n
}

// armLoops returns the innermost loops of a file that have multiply-adds. Go's assembler translates
// the file, so this is the code that runs. Labels are read from the file.
func armLoops(t *testing.T, file string) []loop {
	t.Helper()
	object := filepath.Join(t.TempDir(), "kernels.o")
	cmd := exec.Command(
		"go", "tool", "asm", "-p", "kernels", "-I",
		filepath.Join(strings.TrimSpace(tool(t, "go", "env", "GOROOT")), "pkg", "include"), "-o",
		object, file,
	)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	codes := map[int][]uint32{} // by line
	for _, m := range regexp.MustCompile(`(?m)^\s*\S+\.s:(\d+)\s+0x[0-9a-f]+\s+([0-9a-f]{8})\s`).FindAllStringSubmatch(
		tool(t, "go", "tool", "objdump", object), -1,
	) {
		line, _ := strconv.Atoi(m[1])
		code, err := strconv.ParseUint(m[2], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		codes[line] = append(codes[line], uint32(code))
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	loops := findLoops(string(source), codes)
	var all []uint32
	for _, l := range loops {
		all = append(all, l.code...)
	}
	text := disassemble(t, all)
	var out []loop
	for _, l := range loops {
		l.text, text, l.adds = text[:len(l.code)], text[len(l.code):], map[string]int{}
		for _, line := range l.text {
			name, _, _ := strings.Cut(line, " ")
			l.adds[name]++
		}
		if _, n := l.work(); n > 0 {
			out = append(out, l)
		}
	}
	return out
}

// findLoops finds the loops without branches and labels inside: from a label to the branch back.
func findLoops(source string, codes map[int][]uint32) (loops []loop) {
	label := regexp.MustCompile(`^(\w+):`)
	branch := regexp.MustCompile(`^\s+(?:B[A-Z]*|CBN?ZW?|TBN?Z)\s+(?:.*, )?(\w+)$`)
	function := ""
	places := map[string]int{} // lines of the labels of the function
	last := 0                  // the line of the last label
	lines := strings.Split(source, "\n")
	for i, line := range lines {
		if name, ok := strings.CutPrefix(line, "TEXT ·"); ok {
			function, _, _ = strings.Cut(name, "(")
			clear(places)
		} else if m := label.FindStringSubmatch(line); m != nil {
			places[m[1]], last = i, i
		} else if m := branch.FindStringSubmatch(line); m != nil {
			if from, ok := places[m[1]]; ok && from == last {
				l := loop{function: function, label: regexp.MustCompile(`\d+`).ReplaceAllString(m[1], "")}
				for at := from; at <= i; at++ {
					l.code = append(l.code, codes[at+1]...)
				}
				loops = append(loops, l)
			}
			last = i
		}
	}
	return loops
}

// mca returns the number of cycles of an iteration of each loop on a core, in llvm-mca's model.
func mca(t *testing.T, core string, loops []loop) []float64 {
	t.Helper()
	const few, many = 20, 50
	path := llvmTool(t, "llvm-mca", 16)
	var in strings.Builder
	for i, l := range loops {
		fmt.Fprintf(&in, "# LLVM-MCA-BEGIN loop%d\n%s\n# LLVM-MCA-END\n", i, strings.Join(l.text, "\n"))
	}
	total := func(iterations int) (all []float64) {
		cmd := exec.Command(
			path, "-mtriple=aarch64", "-mcpu="+core, fmt.Sprint("-iterations=", iterations),
			"-resource-pressure=false", "-instruction-info=false",
		)
		cmd.Stdin = strings.NewReader(in.String())
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, errs.String())
		}
		for _, m := range regexp.MustCompile(`(?m)^Total Cycles: +(\d+)`).FindAllStringSubmatch(string(out), -1) {
			n, _ := strconv.ParseFloat(m[1], 64)
			all = append(all, n)
		}
		if len(all) != len(loops) {
			t.Fatalf("llvm-mca: %d results for %d loops\n%s", len(all), len(loops), errs.String())
		}
		return all
	}
	a, b := total(few), total(many)
	for i := range a {
		a[i] = (b[i] - a[i]) / (many - few)
	}
	return a
}

// peakLoopOf returns a loop with this many independent multiply-adds that none waits for another.
func peakLoopOf(instruction string) loop {
	l := loop{function: "peak", label: instruction}
	form := map[string]string{
		"fmla":   "fmla v%d.4s, v30.4s, v31.s[0]",
		"bfdot":  "bfdot v%d.4s, v30.8h, v31.2h[0]",
		"bfmmla": "bfmmla v%d.4s, v30.8h, v31.8h",
	}[instruction]
	for i := range 28 {
		l.text = append(l.text, fmt.Sprintf(form, i))
	}
	return l
}

// The inner loops of the largest tiles of products reach their share of the peak in the models of
// four cores. testdata/arm64_cycles.txt records llvm-mca's result for each loop; update it with
// go test ./kernels -run TestLoopsOfARM64 -update-cycles
func TestLoopsOfARM64(t *testing.T) {
	t.Parallel()
	llvmTool(t, "llvm-mca", 16)
	var all []loop
	for _, file := range armAssembly(t) {
		all = append(all, armLoops(t, file)...)
	}
	// Matrix products, and partial convolutions, which are products by segments.
	main := slices.DeleteFunc(largest(all), func(l loop) bool {
		return !strings.HasPrefix(l.function, "gemm") && !strings.HasPrefix(l.function, "half")
	})
	if len(main) < 5 {
		t.Fatalf("%d loops of products", len(main))
	}
	var table strings.Builder
	fmt.Fprintf(&table,
		"# What llvm-mca of LLVM %d says of the inner loops of the largest tiles: "+
			"cycles of an iteration, and the\n"+
			"# share of the peak of their multiply-adds. "+
			"Written by: go test ./kernels -run TestLoopsOfARM64 -update-cycles\n",
		recordedWith)
	for _, core := range armCores {
		var here, peaks []loop
		for _, l := range main {
			if in, _ := l.work(); core.bf16 || in == "fmla" {
				here = append(here, l)
			}
		}
		for _, m := range multiplyAdds {
			if core.bf16 || m == "fmla" {
				peaks = append(peaks, peakLoopOf(m))
			}
		}
		each := map[string]float64{} // cycles for one of them at the peak
		for i, c := range mca(t, core.name, peaks) {
			each[peaks[i].label] = c / float64(len(peaks[i].text))
		}
		for i, cycles := range mca(t, core.name, here) {
			l := here[i]
			in, n := l.work()
			share := each[in] * float64(n) / cycles
			fmt.Fprintf(
				&table,
				"%-12s %-20s %-16s %4d %-6s %6.1f cycles %4.0f %%\n",
				core.name, l.function, l.label, n, in, cycles, 100*share,
			)
			if least := leastShares[in]; share < least {
				t.Errorf("%s: %s has %.0f %% of the peak (%.1f cycles for %d %s), want %.0f %%",
					core.name, l.function, 100*share, cycles, n, in, 100*least)
			}
		}
	}
	const file = "testdata/arm64_cycles.txt"
	if *updateCycles {
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(
		tool(t, llvmTool(t, "llvm-mca", 16), "--version"), fmt.Sprint("LLVM version ", recordedWith, "."),
	) {
		t.Logf("only the shares are tested: the record is of LLVM %d", recordedWith)
		return
	}
	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	have, want := strings.Split(table.String(), "\n"), strings.Split(string(recorded), "\n")
	for _, line := range have {
		if !slices.Contains(want, line) {
			t.Errorf("%s lacks the line: %s", file, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(have, line) {
			t.Errorf("%s has a line that is no longer true: %s", file, line)
		}
	}
}

// largest returns the loops with the most multiply-adds of each function.
func largest(all []loop) (out []loop) {
	for _, l := range all {
		_, n := l.work()
		i := slices.IndexFunc(out, func(o loop) bool { return o.function == l.function })
		if i < 0 {
			out = append(out, l)
		} else if _, m := out[i].work(); n > m {
			out[i] = l
		}
	}
	return out
}
