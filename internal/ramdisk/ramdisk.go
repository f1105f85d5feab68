// Package ramdisk is for tests that sync a lot: where there is a file system in
// memory it takes no time, on a disk that others write to it takes minutes.
package ramdisk

import (
	"os"
	"testing"
)

// shared is where Linux has a file system in memory.
const shared = "/dev/shm"

// Dir is a folder that is removed at the end of the test.
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
