// Package ramdisk gives tests that sync a lot a folder in memory, if there is one with enough room:
// there it takes no time, but minutes on a busy disk.
package ramdisk

import (
	"os"
	"testing"

	"fasternet/internal/disk"
)

// shared is the file system in memory of Linux.
const shared = "/dev/shm"

// least is how much room all tests together need. Containers often have 64 MB.
const least = 1 << 30

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

// Make makes a folder that the caller removes. Programs may not be allowed to run in it.
func Make() (string, error) { return in(shared, disk.FreeSpace) }

func in(memory string, free func(dir string) (bytes uint64, known bool)) (string, error) {
	if n, known := free(memory); !known || n >= least {
		if dir, err := os.MkdirTemp(memory, "fasternet-test-"); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", "fasternet-test-")
}
