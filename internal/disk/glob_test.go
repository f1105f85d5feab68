package disk_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"fasternet/internal/disk"
)

func TestGlob(t *testing.T) {
	names := []string{"plain", "photos [2024]", "[ab]", "a {b,c}", "]["}
	if runtime.GOOS != "windows" {
		names = append(names, "what?", "a*b", `back\slash`, "new\nline")
	}
	for _, name := range names {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		want := filepath.Join(dir, "train-0.tar")
		if err := os.WriteFile(want, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := disk.Glob(dir, "train*.tar"); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
		if got, err := disk.Glob("elsewhere", want); name == "plain" && (err != nil || len(got) != 1) {
			t.Errorf("an absolute pattern: %q, %v", got, err)
		}
	}
}
