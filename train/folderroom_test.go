package train

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/internal/disk"
	"fasternet/internal/ramdisk"
)

// Where no run can be is known before any work, and nothing is left there.
func TestUsable(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "run"), filepath.Join(root, "a\x00b")} {
		if err := Usable(dir); err == nil || !strings.Contains(err.Error(), "--run names another folder") {
			t.Errorf("%q: %v", dir, err)
		}
	}
	for _, dir := range []string{root, filepath.Join(root, "new"), filepath.Join(root, "deep", "er", "new")} {
		if err := Usable(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 1 {
		t.Errorf("it has left %v, %v", left, err)
	}
}

// A run that has no room for its checkpoints does not begin.
func TestRoomForCheckpoints(t *testing.T) {
	defer func() { freeSpace = disk.FreeSpace }()
	c := smallConfig(t, small["fasternet"], noise(t), "threads=1", "train.epochs=1")
	for _, test := range []struct {
		name  string
		free  uint64
		known bool
		says  string
	}{
		{"none", 100, true, "two checkpoints take "},
		{"not known", 0, false, ""},
		{"enough", 1 << 40, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			freeSpace = func(string) (uint64, bool) { return test.free, test.known }
			dir := filepath.Join(ramdisk.Dir(t), "run")
			_, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, want %q", err, test.says)
			}
			if _, gone := os.Stat(dir); err != nil && gone == nil {
				t.Error("a folder was made")
			}
		})
	}
}
