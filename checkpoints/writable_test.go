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
	for path, want := range map[string]string{
		there: "", filepath.Join(dir, "new"): "", dir: "it is a folder",
		filepath.Join(dir, "none", "x"): "none", filepath.Join(there, "x"): "there",
	} {
		if err := checkpoints.Writable(path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}
