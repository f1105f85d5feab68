package checkpoints

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fasternet/internal/disk"
)

// The names in a folder of checkpoints.
const (
	Last     = "last.safetensors"
	Previous = "previous.safetensors" // the one before the last
	Best     = "best.safetensors"
)

// Folder is the folder of a run's checkpoints.
type Folder struct {
	Dir string
	// Position reads from the metadata how far a checkpoint is: the newest has the largest position.
	// Without Position, the names decide.
	Position func(meta map[string]string) int64
}

// Path returns the path of a checkpoint.
func (f Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Epoch returns the name of the checkpoint of an epoch, counted from 0.
func Epoch(epoch int) string { return fmt.Sprintf("epoch-%03d.safetensors", epoch) }

// next is the name of the new checkpoint until it becomes the last one.
const next = "next.safetensors"

// SaveLast writes the last checkpoint and keeps the one before it.
func (f Folder) SaveLast(c File) error { return f.SaveTogether(c, []string{Last}, func() {}) }

// SaveTogether writes one checkpoint under several names, in their order; under Last as SaveLast does.
// It calls read when it no longer needs the values, also after an error: all files then have their
// content, and get their names one after the other.
func (f Folder) SaveTogether(c File, names []string, read func()) error {
	files, err := f.stageTogether(c, names)
	read()
	if err != nil {
		return err
	}
	for i, file := range files {
		err := file.commit()
		if err == nil && names[i] == Last {
			err = f.promote()
		}
		if err != nil {
			discard(files[i+1:])
			return err
		}
	}
	return nil
}

// stageTogether writes the content of all files. After an error no file is left.
func (f Folder) stageTogether(c File, names []string) (files []*staged, err error) {
	write := c.writer()
	for _, name := range names {
		if name == Last {
			name = next
		}
		file, err := stage(f.Path(name), write)
		if err != nil {
			discard(files)
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func discard(files []*staged) {
	for _, file := range files {
		file.discard()
	}
}

// promote makes next the last checkpoint, and the last the previous one. After a crash at any point it
// can run again.
func (f Folder) promote() error {
	err := disk.RenameFile(f.Path(Last), f.Path(Previous))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = disk.RenameFile(f.Path(next), f.Path(Last))
	}
	if err == nil {
		err = disk.SyncFolder(f.Dir)
	}
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Save writes a checkpoint under a name other than Last.
func (f Folder) Save(name string, c File) error { return Write(f.Path(name), c) }

// Remove deletes a checkpoint. A missing checkpoint is not an error.
func (f Folder) Remove(name string) error {
	if err := disk.RemoveFile(f.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Newest reads the newest undamaged checkpoint: by Position if it is set, else the last, the one before
// it, or the newest of an epoch. It reports damaged files to warn and renames them to end in .damaged,
// so that they are never tried again. If there is no file, the error wraps fs.ErrNotExist. A file that
// exists and cannot be read is an error, because a run that went on from an older checkpoint would
// soon overwrite it.
func (f Folder) Newest(warn func(error)) (*File, string, error) {
	names, err := f.names()
	if err != nil {
		return nil, "", err
	}
	names, torn := f.newestFirst(names)
	for _, t := range torn {
		if err := f.PutAside(t.name); err != nil {
			return nil, "", err
		}
		warn(t.err)
	}
	for _, name := range names {
		c, err := Read(f.Path(name))
		switch {
		case err == nil && name == next: // a crash between the renames of SaveLast
			return c, f.Path(Last), f.promote()
		case err == nil:
			return c, f.Path(name), nil
		case errors.Is(err, ErrDamaged):
			if err := f.PutAside(name); err != nil {
				return nil, "", err
			}
			warn(err)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, "", fmt.Errorf("%w; if it is lost, remove it, and the run resumes from the one before", err)
		}
	}
	return nil, "", fmt.Errorf("checkpoints: %s has no undamaged checkpoint: %w", f.Dir, fs.ErrNotExist)
}

// torn reports whether the header shows that a file is not a complete checkpoint.
type torn struct {
	name string
	err  error
}

// newestFirst orders names by their headers, and drops files that are torn or missing. An unreadable
// file stays first if it is the last checkpoint, because it may be the newest.
func (f Folder) newestFirst(names []string) (ordered []string, bad []torn) {
	at := map[string]int64{}
	for _, name := range names {
		meta, err := ReadMeta(f.Path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, ErrDamaged):
			bad = append(bad, torn{name, err})
			continue
		case err == nil && f.Position != nil:
			at[name] = f.Position(meta)
		case name == next || name == Last:
			at[name] = math.MaxInt64
		}
		ordered = append(ordered, name)
	}
	slices.SortStableFunc(ordered, func(a, b string) int { return cmp.Compare(at[b], at[a]) })
	return ordered, bad
}

// PutAside renames a damaged checkpoint, so that no run resumes from it.
func (f Folder) PutAside(name string) error {
	if err := disk.RenameFile(f.Path(name), f.Path(name)+damaged); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// damaged ends the names of files that were put aside.
const damaged = ".damaged"

// Copy writes a checkpoint again under another name.
func (f Folder) Copy(from, to string) error {
	file, err := disk.Open(f.Path(from))
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	defer file.Close()
	return WriteAtomic(f.Path(to), func(w io.Writer) error {
		_, err := io.Copy(w, file)
		return err
	})
}

// names returns the names of checkpoints that a run can resume from, as far as names tell the newest first.
func (f Folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	var epochs []int
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(e.Name(), "epoch-"), ".safetensors"))
		if err == nil && e.Name() == Epoch(n) {
			epochs = append(epochs, n)
		}
	}
	slices.Sort(epochs)
	names := []string{next, Last, Previous}
	for _, n := range slices.Backward(epochs) {
		names = append(names, Epoch(n))
	}
	return append(names, Best), nil
}

// Names returns the checkpoints that a run can resume from if they are undamaged, in the order in which
// Newest tries them.
func (f Folder) Names() []string {
	names, err := f.names()
	if err != nil {
		return nil
	}
	names, _ = f.newestFirst(names)
	return names
}

// Empty reports whether the folder has no checkpoint to resume from, damaged or not.
func (f Folder) Empty() bool {
	names, err := f.names()
	return err != nil || !slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(f.Path(name))
		return err == nil
	})
}
