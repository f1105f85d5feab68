package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"fasternet/internal/disk"
)

// The disk fills up in the second write.
func ExampleInject() {
	writes := 0
	undo := disk.Inject(func(op, _ string, size int) *disk.Failure {
		if op != disk.Write {
			return nil
		}
		if writes++; writes < 2 {
			return nil
		}
		return &disk.Failure{Written: size / 2, Err: syscall.ENOSPC}
	})
	defer undo()
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	f, err := disk.CreateFile(filepath.Join(dir, "log"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Fprint(f, "one ")
	n, err := f.Write([]byte("four"))
	fmt.Println(n, errors.Is(err, syscall.ENOSPC))
	content, _ := os.ReadFile(filepath.Join(dir, "log"))
	fmt.Printf("%s\n", content)
	// Output:
	// 2 true
	// one fo
}

// Every operation has a name. It fails when it should, and then does nothing.
func TestOperations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	var f *disk.File
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"create a", func() (err error) { f, err = disk.CreateFile(a); return err }},
		{"write a", func() error { _, err := f.Write([]byte("x")); return err }},
		{"sync a", func() error { return errors.Join(f.Sync(), f.Close()) }},
		{"append a", func() (err error) { f, err = disk.AppendTo(a); return err }},
		{"write a", func() error { _, err := f.Write([]byte("y")); return errors.Join(err, f.Close()) }},
		{"rename b", func() error { return disk.RenameFile(a, b) }},
		{"sync run/", func() error { return disk.SyncFolder(dir) }},
		{"remove b", func() error { return disk.RemoveFile(b) }},
	} {
		var got string
		after := false
		undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
			got = op + " " + file
			return &disk.Failure{Err: syscall.EIO, Then: func() { after = true }}
		})
		before, _ := os.ReadDir(dir)
		if step.name != "write a" && step.name != "sync a" { // these close the file
			if err := step.do(); !errors.Is(err, syscall.EIO) || got != step.name || !after {
				t.Errorf("%s: %q, %v, then %v", step.name, got, err, after)
			}
		}
		if now, _ := os.ReadDir(dir); len(now) != len(before) {
			t.Errorf("%s has failed and changed the folder", step.name)
		}
		undo()
		if step.name == "remove b" {
			if text, err := os.ReadFile(b); err != nil || string(text) != "xy" {
				t.Errorf("b holds %q, %v", text, err)
			}
		}
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A folder that takes the place of another after the question keeps its files.
func TestReplacedMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
	}{
		{"rename", func(dir string) error {
			return disk.RenameFile(filepath.Join(dir, "last"), filepath.Join(dir, "previous"))
		}},
		{"remove", func(dir string) error { return disk.RemoveFile(filepath.Join(dir, "last")) }},
	} {
		dir := filepath.Join(t.TempDir(), "checkpoints")
		fill := func(text string) error {
			return errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "last"), []byte(text), 0o644))
		}
		if err := fill("old"); err != nil {
			t.Fatal(err)
		}
		undo := disk.Inject(func(string, string, int) *disk.Failure {
			if err := errors.Join(os.Rename(dir, dir+".old"), fill("new")); err != nil {
				t.Error(err)
			}
			return nil
		})
		if err := c.change(dir); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		undo()
		if text, err := os.ReadFile(filepath.Join(dir, "last")); err != nil || string(text) != "new" {
			t.Errorf("%s reached the other folder: %q, %v", c.name, text, err)
		}
	}
}
