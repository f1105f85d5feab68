package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fasternet/data/picture"
	"fasternet/internal/disk"
	"fasternet/model"
)

// Usable returns an error unless a run on images in the folder images can have its folder at dir. It
// leaves nothing there. So this is known before the work that comes first.
func Usable(dir, images string) error {
	if err := apart(dir, images); err != nil {
		return err
	}
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
	if at == dir {
		return fmt.Errorf("run folder: %s: %w: --run names another folder", dir, err)
	}
	return fmt.Errorf("run folder: %s cannot be made in %s: %w: --run names another folder", dir, at, err)
}

// apart returns an error if the folder of a run would be mixed with the images that it is trained on:
// its folders would be classes, or a class would be taken for a run.
func apart(dir, images string) error {
	there, err := os.Stat(dir)
	if err != nil {
		return nil //nolint:nilerr // it will be made, or there is another error
	}
	if of, err := os.Stat(images); err == nil && images != "" && os.SameFile(there, of) {
		return fmt.Errorf("run folder: %s is the folder of the data set: --run names another folder", dir)
	}
	entries, _ := os.ReadDir(dir) // who opens it finds what is wrong
	for _, e := range entries {
		if !e.IsDir() && picture.HasImageName(e.Name()) {
			return fmt.Errorf("run folder: %s has images, such as %s: --run names another folder", dir, e.Name())
		}
	}
	return nil
}

// existing returns the folder itself, or the nearest one above it that is there.
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

// checkRoom returns an error if the disk of a folder has no room for the first checkpoints of the run, the
// last and the best one. It adds a note if there is none for the next ones, which are written before the
// older ones go.
func (t *trainer) checkRoom(dir string) error {
	size, store := uint64(0), model.Tensors(t.task.store())
	tensors := slices.Concat(store, t.optimizer.Tensors())
	if t.config.EMA.Decay > 0 {
		tensors = append(tensors, store...)
	}
	for _, t := range tensors {
		size += 4*uint64(len(t.F32)) + 8*uint64(len(t.I64))
	}
	free, known := freeSpace(existing(dir))
	if !known || free >= 4*size {
		return nil
	}
	const mega = 1e6
	text := fmt.Sprintf("the checkpoints of the run take up to %.1f MB while they are written, "+
		"and the disk of %s has %.1f MB left: make room, or name a folder on another disk with --run",
		float64(4*size)/mega, dir, float64(free)/mega)
	if free >= 2*size {
		t.origin = append(t.origin, "note: "+text)
		return nil
	}
	return fmt.Errorf("run folder: %s", text)
}
