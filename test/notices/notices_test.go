// Package notices_test checks that THIRD-PARTY.md names the modules in the program.
package notices_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestNoticesAreCurrent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("scripts/notices.sh needs a shell")
	}
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "THIRD-PARTY.md"))
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("sh", "scripts/notices.sh", "--list")
	list.Dir, list.Stderr = root, os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, line := range strings.Split(string(page), "\n") {
		// files of other projects are not modules
		if name, ok := strings.CutPrefix(line, "## "); ok && !strings.HasPrefix(name, "data/") {
			named = append(named, name)
		}
	}
	if got, want := strings.Join(named, "\n"), strings.TrimSpace(string(out)); got != want {
		t.Errorf("THIRD-PARTY.md is not current: run make notices. It names\n%s\nbut the program contains\n%s",
			got, want)
	}
}
