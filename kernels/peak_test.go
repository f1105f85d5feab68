package kernels

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestPeaks(t *testing.T) {
	t.Parallel()
	formats := map[string]int{}
	for _, p := range Peaks() {
		formats[p.Format]++
		if p.Run == nil {
			if p.Missing == "" {
				t.Errorf("%s %s: no loop, and no reason", p.Format, p.Path)
			}
			continue
		}
		if p.Missing != "" {
			t.Errorf("%s %s: a loop, and %q", p.Format, p.Path, p.Missing)
		}
		one := p.Run(1)
		if one <= 0 || p.Run(0) != 0 || p.Run(7) != 7*one {
			t.Errorf("%s %s: %d operations in a round, %d in seven, %d in none",
				p.Format, p.Path, one, p.Run(7), p.Run(0))
		}
	}
	want := []string{"fp32"}
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" { // there is assembly
		want = append(want, "bf16", "int8")
	}
	for _, f := range want {
		if formats[f] == 0 {
			t.Errorf("no loop for %s", f)
		}
	}
}

// Every set has a peak to compare its products with, unless it is an emulation.
func TestPeakOfSet(t *testing.T) {
	t.Parallel()
	for _, v := range Available() {
		if p, err := withPath(t, v, "").Peak(FP32); err != nil || p.Path != string(v) || p.Run == nil {
			t.Errorf("%s: %+v, %v", v, p, err)
		}
		for _, path := range AvailableBF16(v) {
			p, err := withPath(t, v, path).Peak(BF16)
			if path == BF16Go {
				if err == nil || !strings.Contains(err.Error(), "emulated") {
					t.Errorf("an emulation has a peak: %+v, %v", p, err)
				}
				continue
			}
			if err != nil || p.Path != string(path) || p.Format != "bf16" {
				t.Errorf("%s %s: %+v, %v", v, path, p, err)
			}
		}
	}
	if p, err := withPath(t, Go, bf16Off).Peak(BF16); err == nil {
		t.Errorf("without bf16: %+v", p)
	}
}

// The assembly loops do what they count: the right number of instructions of that kind in each round,
// all with their own sums.
func TestPeakInstructions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, function, opcode string
		ops                    int // of an instruction
	}{
		{"kernels_avx512_amd64.s", "peakFloatAVX512", "VFMADD231PS", 2 * 16},
		{"kernels_avx2_amd64.s", "peakFloatAVX2", "VFMADD231PS", 2 * 8},
		{"kernels_avx512_amd64.s", "peakBytesAVX512", "VPDPBUSD", 2 * 64},
		{"kernels_avx2_amd64.s", "peakBytesAVX2", "LONG", 2 * 32},
		{"kernels_bf16_amd64.s", "peakBF16", "LONG", 2 * 32},
		{"kernels_neon_arm64.s", "peakFloatNEON", "fmla", 2 * 4},
		{"kernels_neon_arm64.s", "peakBF16NEON", "bfmmla", 2 * 2 * 2 * 4},
		{"kernels_neon_arm64.s", "peakPairsNEON", "bfdot", 2 * 4 * 2},
		{"kernels_neon_arm64.s", "peakBytesNEON", "sdot", 2 * 4 * 4},
		{"kernels_neon_arm64.s", "peakBytesI8MMNEON", "smmla", 2 * 2 * 2 * 8},
	} {
		t.Run(c.function, func(t *testing.T) {
			var sums []string
			factor := ""
			for _, line := range assemblyOf(t, c.file, c.function).lines {
				if line[0] == c.opcode {
					sums = append(sums, strings.Join(line[1:], " "))
					if c.opcode != "LONG" {
						sums[len(sums)-1] = line[3]
					}
				}
				if len(line) > 4 && line[0] == "WORD" && line[3] == c.opcode { // its assembly is a comment
					sums = append(sums, line[4])
				}
				if line[0] == "IMUL3Q" || line[0] == "MOVD" && line[2] == "R16" {
					factor = line[1]
				}
			}
			want := (&tileCPU{}).value(factor)
			if uint64(len(sums)*c.ops) != want {
				t.Errorf("%d instructions of %d operations, and %d are counted", len(sums), c.ops, want)
			}
			slices.Sort(sums)
			if c.opcode != "LONG" && len(slices.Compact(sums)) != len(sums) {
				t.Errorf("a sum waits for another: %v", sums)
			}
		})
	}
}

// The loops on tiles run in the interpreter, which counts the operations.
func TestTilePeaks(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"peakAMX", "peakBytesAMX"} {
		for _, n := range []uint64{0, 1, 3} {
			cpu := tileCPU{args: map[string]uint64{"n": n}}
			cpu.run(assemblyOf(t, "kernels_amx_amd64.s", function))
			if got := cpu.args["ops"]; got != uint64(cpu.ops) || (n > 0) != (got > 0) {
				t.Errorf("%s: %d rounds count %d operations, and do %d", function, n, got, cpu.ops)
			}
		}
	}
}
