package kernels

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What the assembly for arm64 writes as words is what LLVM reads there: the comment of a word is
// its assembly.
func TestWordsOfARM64(t *testing.T) {
	t.Parallel()
	tool := disassembler()
	if tool == "" {
		t.Skip("NOT TESTED HERE: llvm-mc is not installed")
	}
	files, err := filepath.Glob("*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no assembly for arm64 (%v)", err)
	}
	word := regexp.MustCompile(`^WORD \$0x([0-9a-f]{8}) // (.+)$`)
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			comments := map[uint32]string{}
			var codes []uint32
			for i, line := range strings.Split(string(text), "\n") {
				line = strings.TrimSpace(line)
				if !strings.HasPrefix(line, "WORD") {
					continue
				}
				m := word.FindStringSubmatch(line)
				if m == nil {
					t.Fatalf("%s:%d: a word without its assembly: %s", file, i+1, line)
				}
				code, err := strconv.ParseUint(m[1], 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				switch old, found := comments[uint32(code)]; {
				case !found:
					comments[uint32(code)] = m[2]
					codes = append(codes, uint32(code))
				case old != m[2]:
					t.Errorf("%s:%d: %08x is %q and %q", file, i+1, code, old, m[2])
				}
			}
			got := disassemble(t, tool, codes)
			for i, code := range codes {
				if got[i] != comments[code] {
					t.Errorf("%s: %08x is %q, and the comment says %q", file, code, got[i], comments[code])
				}
			}
		})
	}
}

// disassembler is the path of llvm-mc, or nothing.
func disassembler() string {
	names := []string{"llvm-mc"}
	for version := 30; version >= 14; version-- {
		names = append(names, fmt.Sprintf("llvm-mc-%d", version))
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// disassemble is the assembly of each word.
func disassemble(t *testing.T, tool string, codes []uint32) []string {
	t.Helper()
	var in strings.Builder
	for _, code := range codes {
		for _, b := range binary.LittleEndian.AppendUint32(nil, code) {
			fmt.Fprintf(&in, "0x%02x ", b)
		}
		in.WriteString("\n")
	}
	cmd := exec.Command(tool, "-disassemble", "-triple=aarch64", "-mattr=+v8.6a,+bf16,+i8mm")
	cmd.Stdin = strings.NewReader(in.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(string(out), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, ".") {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	if len(lines) != len(codes) {
		t.Fatalf("%d words are %d instructions", len(codes), len(lines))
	}
	return lines
}
