package checkpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names in a folder of checkpoints.
const (
	Last     = "last.safetensors"
	Previous = "previous.safetensors" // the last but one
	Best     = "best.safetensors"
)

// Folder is the folder of a run's checkpoints.
type Folder struct {
	Dir string
}

// Path is the path of a checkpoint by its name.
func (f Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Epoch is the name of the checkpoint that is kept of an epoch, counted from 0.
func Epoch(epoch int) string { return fmt.Sprintf("epoch-%03d.safetensors", epoch) }

// SaveLast writes the last checkpoint and keeps the one before it.
func (f Folder) SaveLast(c File) error {
	next := f.Path("next.safetensors")
	if err := Write(next, c); err != nil {
		return err
	}
	if err := os.Rename(f.Path(Last), f.Path(Previous)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	if err := os.Rename(next, f.Path(Last)); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	if err := syncFolder(f.Dir); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Save writes a checkpoint under another name.
func (f Folder) Save(name string, c File) error { return Write(f.Path(name), c) }

// Remove deletes a checkpoint; that it is not there is no error.
func (f Folder) Remove(name string) error {
	if err := os.Remove(f.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Newest reads the newest checkpoint that is whole: the last, else the one
// before it, else the newest of an epoch. Files that are damaged are reported
// to warn and put aside under a name ending in .damaged, so that they cannot
// take the place of a whole one later. Without any file the error wraps
// fs.ErrNotExist.
func (f Folder) Newest(warn func(error)) (*File, string, error) {
	// A crash between the two renames of SaveLast leaves the newest one as next.
	names := []string{"next.safetensors", Last, Previous}
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return nil, "", fmt.Errorf("checkpoints: %w", err)
	}
	var epochs []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "epoch-") && strings.HasSuffix(e.Name(), ".safetensors") {
			epochs = append(epochs, e.Name())
		}
	}
	slices.Sort(epochs)
	slices.Reverse(epochs)
	for _, name := range append(names, epochs...) {
		c, err := Read(f.Path(name))
		switch {
		case err == nil:
			return c, f.Path(name), nil
		case errors.Is(err, ErrDamaged):
			warn(err)
			if err := os.Rename(f.Path(name), f.Path(name)+".damaged"); err != nil {
				return nil, "", fmt.Errorf("checkpoints: %w", err)
			}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, "", err
		}
	}
	return nil, "", fmt.Errorf("checkpoints: %s holds no whole checkpoint: %w", f.Dir, fs.ErrNotExist)
}
