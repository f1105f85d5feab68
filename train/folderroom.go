package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fasternet/internal/disk"
	"fasternet/model"
)

// Usable returns an error unless a run can have its folder at dir. It leaves nothing there. So this
// is known before the work that comes first.
func Usable(dir string) error {
	at := existing(dir)
	if info, err := os.Stat(at); err == nil && !info.IsDir() {
		return fmt.Errorf("run folder: %s is a file: --run names another folder", at)
	}
	probe, err := os.MkdirTemp(at, ".writable-*")
	if err == nil {
		return os.Remove(probe)
	}
	var why *fs.PathError
	if errors.As(err, &why) {
		err = why.Err
	}
	return fmt.Errorf("run folder: %s: %w: --run names another folder", at, err)
}

// existing is the folder itself, or the nearest one above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// freeSpace is a variable for tests.
var freeSpace = disk.FreeSpace

// checkRoom returns an error if the disk of a folder has no room for two checkpoints of the run: the
// last one, and the next one while it is written.
func (t *trainer) checkRoom(dir string) error {
	size := uint64(0)
	for _, t := range append(model.Tensors(t.task.store()), t.optimizer.Tensors()...) {
		size += 4*uint64(len(t.F32)) + 8*uint64(len(t.I64))
	}
	free, known := freeSpace(existing(dir))
	if !known || free >= 2*size {
		return nil
	}
	return fmt.Errorf("run folder: two checkpoints take %.1f MB, and the disk of %s has %.1f MB left: "+
		"make room, or name a folder on another disk with --run",
		float64(2*size)/1e6, dir, float64(free)/1e6)
}
