package memory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMachine(t *testing.T) {
	if err := Check("weights", 1<<60); err == nil || !strings.Contains(err.Error(), "allows") {
		t.Errorf("an exbibyte: %v", err)
	}
}

func TestGroupLimit(t *testing.T) {
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		membership string
		want       uint64
		ok         bool
	}{
		{"0::/job/step\n", 700, true},
		{"0::/other\n", 0, false},
		{"4:memory:/a/b\n3:cpu:/a\n0::/other\n", 300, true},
		{"4:memory:/gone/group\n", 900, true},
		{"nonsense\n\n", 0, false},
		{"0::/../../etc\n", 0, false},
	} {
		put("job/memory.max", "700\n")
		put("job/step/memory.max", "max\n")
		put("memory/memory.limit_in_bytes", "900\n")
		put("memory/a/b/memory.limit_in_bytes", "300\n")
		put("self", c.membership)
		if got, ok := groupLimit(filepath.Join(root, "self"), root); got != c.want || ok != c.ok {
			t.Errorf("%q: %d, %v", c.membership, got, ok)
		}
	}
	if _, ok := groupLimit(filepath.Join(root, "none"), root); ok {
		t.Error("a limit out of nothing")
	}
	put("mem", "MemTotal: 10 kB\nMemFree: 3 kB\nSwapTotal: 2 kB\n")
	if got, ok := installed(filepath.Join(root, "mem")); got != 12<<10 || !ok {
		t.Errorf("installed: %d, %v", got, ok)
	}
}
