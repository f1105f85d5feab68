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
	Previous = "previous.safetensors" // the last but one
	Best     = "best.safetensors"
)

// Folder is the folder of a run's checkpoints.
type Folder struct {
	Dir string
	// Position says by its metadata how far a checkpoint is: the newest has the largest.
	// Without it the names tell.
	Position func(meta map[string]string) int64
}

// Path is the path of a checkpoint by its name.
func (f Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Epoch is the name of the checkpoint that is kept of an epoch, counted from 0.
func Epoch(epoch int) string { return fmt.Sprintf("epoch-%03d.safetensors", epoch) }

// next is the name of the last checkpoint before it takes the place of the one
// before it.
const next = "next.safetensors"

// SaveLast writes the last checkpoint and keeps the one before it.
func (f Folder) SaveLast(c File) error { return f.SaveTogether(c, []string{Last}, func() {}) }

// SaveTogether writes a checkpoint under several names, in their order; under the name Last as SaveLast
// does. It calls read when it no longer needs the values, also if there is an error: all files have
// their content then, and get their names one after the other.
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

// stageTogether writes the content of all files, or leaves no file.
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

// promote makes next the last checkpoint, and the last the previous one. It can
// be done again after a crash at any point of it.
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

// Save writes a checkpoint under another name.
func (f Folder) Save(name string, c File) error { return Write(f.Path(name), c) }

// Remove deletes a checkpoint; that it is not there is no error.
func (f Folder) Remove(name string) error {
	if err := disk.RemoveFile(f.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Newest reads the newest checkpoint that is whole: by Position if there is one, else
// the last, the one before it, or the newest of an epoch. Files that are damaged are
// reported to warn and put aside under a name ending in .damaged, so that they cannot
// take the place of a whole one later. Without any file the error wraps fs.ErrNotExist. A
// file that is there and cannot be read is an error: whoever went on from an older one
// would soon have overwritten it.
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
			return nil, "", fmt.Errorf("%w; if it is lost for good, remove it: the one before it is used then", err)
		}
	}
	return nil, "", fmt.Errorf("checkpoints: %s holds no whole checkpoint: %w", f.Dir, fs.ErrNotExist)
}

// torn is a file whose header shows that it is no whole checkpoint.
type torn struct {
	name string
	err  error
}

// newestFirst orders names by what the headers say, and takes out those that are torn or
// not there. One that cannot be read stays in front if it is the last: it may be newest.
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

// PutAside renames a damaged checkpoint, so that it is taken for none.
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

// names are the names of checkpoints that a run can be resumed from, the newest first as
// far as they tell.
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

// Names are the checkpoints that are there, and that a run can be resumed from if they are
// whole, in the order in which Newest tries them.
func (f Folder) Names() []string {
	names, err := f.names()
	if err != nil {
		return nil
	}
	names, _ = f.newestFirst(names)
	return names
}

// Empty says whether the folder has no checkpoint that a run can be resumed
// from, whole or not.
func (f Folder) Empty() bool {
	names, err := f.names()
	return err != nil || !slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(f.Path(name))
		return err == nil
	})
}
