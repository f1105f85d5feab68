package ramdisk_test

import (
	"os"
	"path/filepath"
	"testing"

	"fasternet/internal/ramdisk"
)

func TestDir(t *testing.T) {
	var dir string
	t.Run("in use", func(t *testing.T) {
		dir = ramdisk.Dir(t)
		if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o644); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}
