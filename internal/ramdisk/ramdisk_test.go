package ramdisk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDir(t *testing.T) {
	var dir string
	t.Run("in use", func(t *testing.T) {
		dir = Dir(t)
		if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o644); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// A memory without room, or without the right to write there, is left alone.
func TestSmallMemory(t *testing.T) {
	memory, disk := t.TempDir(), t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, disk)
	}
	for _, c := range []struct {
		name, memory string
		free         uint64
		known        bool
		want         string
	}{
		{"enough", memory, least, true, memory},
		{"unknown", memory, 0, false, memory},
		{"a small one", memory, 64 << 20, true, disk},
		{"none", filepath.Join(memory, "none"), 0, false, disk},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := in(c.memory, func(string) (uint64, bool) { return c.free, c.known })
			if err != nil || filepath.Dir(dir) != c.want {
				t.Errorf("%s, %v; want a folder in %s", dir, err, c.want)
			}
		})
	}
}
