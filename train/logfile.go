package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fasternet/internal/disk"
)

// logFile is a log that is open for appending. If its file is deleted or moved away, for example by log rotation,
// the next line begins a new one.
type logFile struct {
	folder *Folder
	name   string
	file   *disk.File
}

func (f *Folder) openLog(name string) (*logFile, error) {
	file, err := appendTo(f.path(name))
	if err != nil {
		return nil, err
	}
	return &logFile{folder: f, name: name, file: file}, nil
}

// here reports whether the file still has its name.
func (l *logFile) here() bool { return l.file.At(l.folder.path(l.name)) }

// Write appends to the file.
func (l *logFile) Write(p []byte) (int, error) {
	if !l.here() {
		if err := l.renew(); err != nil {
			return 0, err
		}
	}
	return l.file.Write(p)
}

// renew begins a new file, unless the whole folder is being deleted.
func (l *logFile) renew() error {
	if err := l.folder.stays(l.name); err != nil {
		return err
	}
	file, err := appendTo(l.folder.path(l.name))
	if err != nil {
		return err
	}
	_ = l.file.Close()
	l.file = file
	l.folder.lost(l.name)
	return nil
}

// stays reports whether a missing file or folder of the run may be made again: after a while the folder still exists
// and belongs to this process. A folder that is being deleted loses one file after the other.
func (f *Folder) stays(name string) error {
	if err := f.owned(); err != nil {
		return err
	}
	if _, err := os.Stat(f.path(name)); errors.Is(err, fs.ErrNotExist) {
		time.Sleep(deletion)
	}
	return f.owned()
}

func (f *Folder) lost(name string) {
	f.told = append(f.told, fmt.Sprintf("%s was deleted or moved during the run: making it again", f.path(name)))
}

// warnings returns the warnings about lost files.
func (f *Folder) warnings() (all []string) {
	if f == nil {
		return nil
	}
	all, f.told = f.told, nil
	return all
}

// remake makes the folder of the checkpoints again if it was deleted.
func (f *Folder) remake() error {
	if _, err := os.Stat(f.Checkpoints.Dir); !errors.Is(err, fs.ErrNotExist) {
		return nil //nolint:nilerr // writing to it reports the error
	}
	name := filepath.Base(f.Checkpoints.Dir)
	if err := f.stays(name); err != nil {
		return err
	}
	if err := disk.MakeFolder(f.Checkpoints.Dir); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	f.lost(name)
	return nil
}

// tellLost warns about files of the run that were deleted.
func (t *trainer) tellLost() {
	for _, w := range t.folder.warnings() {
		t.show.Line("warning: %s", w)
	}
}
