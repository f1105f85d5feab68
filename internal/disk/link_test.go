//go:build unix

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"fasternet/internal/disk"
)

// No file or folder is written through a link, and nothing waits for a pipe.
func TestLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	target := filepath.Join(outside, "precious")
	keep := func() {
		t.Helper()
		if text, err := os.ReadFile(target); err != nil || string(text) != "precious" {
			t.Errorf("the file outside is %q, %v", text, err)
			os.WriteFile(target, []byte("precious"), 0o644)
		}
		if found, _ := os.ReadDir(outside); len(found) != 1 {
			t.Errorf("there are %d files outside", len(found))
		}
	}
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct{ name, to string }{
		{"link", target},
		{"nowhere", filepath.Join(outside, "new")},
		{"folder", outside},
	} {
		if err := os.Symlink(c.to, path(c.name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(path("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path("own"), 0o755); err != nil {
		t.Fatal(err)
	}
	type operation struct {
		name string
		run  func(path string) error
	}
	operations := []operation{
		{"create", func(path string) error { return closed(disk.CreateFile(path)) }},
		{"append", func(path string) error { return closed(disk.AppendTo(path)) }},
		{"new", func(path string) error { return closed(disk.CreateNew(path, "events")) }},
	}
	for _, c := range operations {
		for _, at := range []string{"link", "nowhere", "pipe"} {
			if err := c.run(path(at)); !errors.Is(err, disk.ErrNotPlain) {
				t.Errorf("%s at a %s: %v", c.name, at, err)
			}
			keep()
		}
		if err := c.run(path("own")); err == nil {
			t.Errorf("%s at a folder succeeds", c.name)
		}
		if err := c.run(path("plain-" + c.name)); err != nil {
			t.Errorf("%s of a new file: %v", c.name, err)
		}
	}
	if err := disk.MakeFolder(path("folder")); !errors.Is(err, disk.ErrNotPlain) {
		t.Errorf("a folder that is a link: %v", err)
	}
	if err := disk.MakeFolder(filepath.Join(path("own"), "deeper", "still")); err != nil {
		t.Error(err)
	}

	// Within a claimed folder, links among the folders are refused; the folder itself may be a link.
	link := filepath.Join(t.TempDir(), "run")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	defer disk.Claim(link, func() error { return nil })()
	inside := filepath.Join(link, "folder", "file")
	operations = append(operations,
		operation{"rename", func(path string) error { return disk.RenameFile(path+"-new", path) }},
		operation{"remove", disk.RemoveFile}, operation{"folder", disk.MakeFolder})
	for _, c := range operations {
		if err := c.run(inside); !errors.Is(err, disk.ErrNotPlain) {
			t.Errorf("%s through a link: %v", c.name, err)
		}
		keep()
	}
	if err := closed(disk.AppendTo(filepath.Join(link, "own", "file"))); err != nil {
		t.Errorf("in a run whose folder is a link: %v", err)
	}
	// A rename replaces a link, and a link can be removed.
	if err := disk.RenameFile(filepath.Join(link, "plain-new"), filepath.Join(link, "link")); err != nil {
		t.Error(err)
	}
	if err := disk.RemoveFile(filepath.Join(link, "nowhere")); err != nil {
		t.Error(err)
	}
	keep()
}

func closed(f *disk.File, err error) error {
	if err == nil {
		_, err = f.Write([]byte("text"))
		err = errors.Join(err, f.Close())
	}
	return err
}

// Open takes a file, or a link to a file. It does not wait for a pipe, or read a device without an
// end.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, to string }{{"link", path("file")}, {"zeros", "/dev/zero"}} {
		if err := os.Symlink(c.to, path(c.name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(path("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "link"} {
		if text, err := disk.ReadFile(path(name)); err != nil || string(text) != "text" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for _, name := range []string{"pipe", "zeros", "", "missing"} {
		if text, err := disk.ReadFile(path(name)); err == nil {
			t.Errorf("%q: %d bytes", name, len(text))
		}
	}
	if _, err := disk.ReadFile(path("missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if text, err := disk.ReadFile("/proc/self/stat"); err == nil && len(text) == 0 { // its size is 0
		t.Error("a file that says it is empty is not read")
	}
}
