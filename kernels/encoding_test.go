//go:build amd64

package kernels

import (
	"encoding/binary"
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

// A disassembler reads the instructions that are written as bytes, and an assembler makes the same
// bytes from its output.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"objdump", "as", "objcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("NOT TESTED HERE: GNU binutils are not installed")
		}
	}
	for _, c := range []struct {
		file string
		want []string
	}{
		{"kernels_bf16_amd64.s", []string{"vcvtne2ps2bf16", "vdpbf16ps"}},
		{"kernels_amx_amd64.s", []string{
			"ldtilecfg", "nop", "tdpbf16ps", "tdpbusd", "tileloadd", "tilerelease", "tilestored", "tilezero",
			"xgetbv",
		}},
		{"kernels_avx2_amd64.s", []string{"vpdpbusd"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			code := rawInstructions(t, c.file)
			binaryFile := filepath.Join(t.TempDir(), "code")
			if err := os.WriteFile(binaryFile, code, 0o600); err != nil {
				t.Fatal(err)
			}
			var instructions, kinds []string
			for _, line := range strings.Split(
				tool(t, "objdump", "-D", "-z", "-b", "binary", "-m", "i386:x86-64", binaryFile), "\n",
			) {
				if f := strings.Split(line, "\t"); len(f) == 3 {
					text := strings.TrimSpace(f[2])
					instructions = append(instructions, text)
					kinds = append(kinds, strings.Fields(strings.TrimPrefix(text, "{vex} "))[0])
				}
			}
			slices.Sort(kinds)
			if kinds = slices.Compact(kinds); !slices.Equal(kinds, c.want) {
				t.Errorf("%s has %v, want %v", c.file, kinds, c.want)
			}
			source, object, again := binaryFile+".s", binaryFile+".o", binaryFile+".again"
			if err := os.WriteFile(source, []byte(strings.Join(instructions, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			tool(t, "as", "--64", source, "-o", object)
			tool(t, "objcopy", "-O", "binary", "-j", ".text", object, again)
			if got, err := os.ReadFile(again); err != nil || !slices.Equal(got, code) {
				t.Errorf("%s: the assembler makes other bytes of %v (%v)", c.file, instructions, err)
			}
		})
	}
}

// rawInstructions returns the bytes of all the different ones.
func rawInstructions(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var out []byte
	encoded := regexp.MustCompile(`(?m)^\tLONG +\$(\S+)\n(?:\tWORD +\$(\S+)\n)?(?:\tBYTE +\$(\S+)\n)?`)
	for _, m := range encoded.FindAllStringSubmatch(string(text), -1) {
		if seen[fmt.Sprint(m[1:])] {
			continue
		}
		seen[fmt.Sprint(m[1:])] = true
		for i, size := range []int{4, 2, 1} {
			if m[i+1] == "" {
				continue
			}
			v, err := strconv.ParseUint(m[i+1], 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], uint32(v))
			out = append(out, b[:size]...)
		}
	}
	return out
}
