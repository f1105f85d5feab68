package kernels

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// llvmTool finds a tool of LLVM: the newest version that Debian has installed.
func llvmTool(t *testing.T, name string, least int) (path string) {
	t.Helper()
	for version := 40; version >= least; version-- {
		if path, err := exec.LookPath(fmt.Sprint(name, "-", version)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		if m := regexp.MustCompile(`LLVM version (\d+)`).FindStringSubmatch(tool(t, path, "--version")); m != nil {
			if version, err := strconv.Atoi(m[1]); err == nil && version >= least {
				return path
			}
		}
	}
	t.Skipf("NOT TESTED HERE: %s of LLVM %d or newer is not installed (Debian: llvm-19)", name, least)
	return ""
}

// armFeatures are the features that the kernels of arm64 may use.
const armFeatures = "-mattr=+v8.2a,+fullfp16,+dotprod,+bf16,+i8mm,+sve,+sme"

// disassemble reads instructions of arm64. An invalid one becomes an empty string.
func disassemble(t *testing.T, codes []uint32) []string {
	t.Helper()
	cmd := exec.Command(llvmTool(t, "llvm-mc", 14), "--disassemble", "-triple=aarch64", armFeatures)
	var in, out, errs bytes.Buffer
	for _, c := range codes {
		fmt.Fprintf(&in, "0x%02x 0x%02x 0x%02x 0x%02x\n", c&0xff, c>>8&0xff, c>>16&0xff, c>>24)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("llvm-mc: %v\n%s", err, errs.String())
	}
	bad := map[int]bool{} // numbers of lines, from 1
	const invalid = `(?m)^\S*:(\d+):\d+: warning: (?:invalid|potentially undefined) instruction encoding`
	for _, m := range regexp.MustCompile(invalid).FindAllStringSubmatch(errs.String(), -1) {
		n, _ := strconv.Atoi(m[1])
		bad[n] = true
	}
	var texts []string
	for line := range strings.Lines(out.String()) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.HasPrefix(line, ".") {
			texts = append(texts, line)
		}
	}
	all := make([]string, len(codes))
	for i := range all {
		if !bad[i+1] && len(texts) > 0 {
			all[i], texts = texts[0], texts[1:]
		}
	}
	if len(texts) > 0 {
		t.Fatalf("llvm-mc: %d instructions more than the codes that it was given\n%s", len(texts), errs.String())
	}
	return all
}

// armAssembly lists the files for arm64.
func armAssembly(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("kernels_*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no assembly for arm64: %v", err)
	}
	return files
}
