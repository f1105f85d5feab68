package checkpoints_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
)

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{there, ""}, {filepath.Join(dir, "new"), ""}, {dir, "it is a folder"},
		{filepath.Join(dir, "none", "x"), "none"}, {filepath.Join(there, "x"), "there"},
	} {
		t.Run(c.path, func(t *testing.T) {
			if err := checkpoints.Writable(c.path); (err == nil) != (c.want == "") ||
				err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), ".writable")) {
				t.Errorf("%s: %v, want %q", c.path, err, c.want)
			}
		})
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}
