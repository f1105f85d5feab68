package kernels

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// word is an instruction that is written as its code, with the assembly in its comment.
type word struct {
	line int
	code uint32
	text string
}

// words reads the codes of a file. Each is on a line of its own, with a comment.
func words(text string) (all []word, err error) {
	form := regexp.MustCompile(`^\s*WORD \$0x([0-9a-f]{8}) // (\S.*)$`)
	for i, line := range strings.Split(text, "\n") {
		code, _, _ := strings.Cut(line, "//")
		if !strings.Contains(code, "WORD") && !strings.Contains(code, "LONG") && !strings.Contains(code, "BYTE") ||
			strings.HasPrefix(code, "DATA") {
			continue
		}
		m := form.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d: want one code and its assembly in a comment, got %q", i+1, line)
		}
		v, err := strconv.ParseUint(m[1], 16, 32)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		all = append(all, word{i + 1, uint32(v), strings.Join(strings.Fields(m[2]), " ")})
	}
	return all, nil
}

// wrongWords names the codes that differ from their comments.
func wrongWords(t *testing.T, all []word) (wrong []string) {
	t.Helper()
	var kinds []word
	seen := map[word]bool{}
	for _, w := range all {
		line := w.line
		w.line = 0
		if !seen[w] {
			seen[w] = true
			kinds = append(kinds, word{line, w.code, w.text})
		}
	}
	codes := make([]uint32, len(kinds))
	for i, w := range kinds {
		codes[i] = w.code
	}
	for i, got := range disassemble(t, codes) {
		if w := kinds[i]; got != w.text {
			wrong = append(wrong, fmt.Sprintf("line %d: %#08x is %q, the comment says %q", w.line, w.code, got, w.text))
		}
	}
	return wrong
}

// The instructions of arm64 that are written as codes have the names and registers of their
// comments.
func TestWordsOfARM64(t *testing.T) {
	t.Parallel()
	llvmTool(t, "llvm-mc", 14)
	for _, file := range armAssembly(t) {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all, err := words(string(text))
			if err != nil || len(all) == 0 {
				t.Fatalf("%d codes, %v", len(all), err)
			}
			for _, w := range wrongWords(t, all) {
				t.Error(w)
			}
			t.Logf("%d codes", len(all))
		})
	}
}

// The check finds a wrong code, a wrong register, an invalid code, and a line without assembly.
func TestWordsOfARM64FindsFaults(t *testing.T) {
	t.Parallel()
	all := []word{
		{1, 0x4f901300, "fmla v0.4s, v24.4s, v16.s[0]"},
		{2, 0x4f901300, "fmla v1.4s, v24.4s, v16.s[0]"},
		{3, 0x4f911302, "fmls v2.4s, v24.4s, v17.s[0]"},
		{4, 0x00000001, "fmla v2.4s, v24.4s, v17.s[0]"},
		{5, 0x6f00e400, "movi v0.2d, #0000000000000000"},
	}
	wrong := wrongWords(t, all)
	var lines []string
	for _, w := range wrong {
		line, _, _ := strings.Cut(w, ":")
		lines = append(lines, line)
	}
	if want := []string{"line 2", "line 3", "line 4"}; !slices.Equal(lines, want) {
		t.Errorf("faults in %v, want %v\n%s", lines, want, strings.Join(wrong, "\n"))
	}
	for _, text := range []string{
		"\tWORD $0x4f901300\n",
		"\tWORD $0x4f901300 // \n",
		"\tWORD $0x4f901300; WORD $0x4f901300 // fmla\n",
		"\tLONG $1\n",
	} {
		if _, err := words(text); err == nil {
			t.Errorf("nothing is wrong with %q", text)
		}
	}
}
