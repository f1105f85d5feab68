// Package ramdisk gives tests that sync a lot a folder in memory, if there is one: there it takes no
// time, but minutes on a busy disk.
package ramdisk

import (
	"os"
	"testing"
)

// shared is the file system in memory of Linux.
const shared = "/dev/shm"

// Dir makes a folder that is removed at the end of the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Make makes a folder that the caller removes.
func Make() (string, error) {
	if dir, err := os.MkdirTemp(shared, "fasternet-test-"); err == nil {
		return dir, nil
	}
	return os.MkdirTemp("", "fasternet-test-")
}
