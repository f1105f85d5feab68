package checkpoints

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"fasternet/internal/disk"
)

// temporary ends the names of files that are being written.
const temporary = ".unfinished.tmp"

// WriteAtomic replaces the file at path with what write produces, or leaves it unchanged. A crash may
// leave a file whose name ends in .unfinished.tmp; [Clean] removes it.
func WriteAtomic(path string, write func(io.Writer) error) error {
	s, err := stage(path, write)
	if err != nil {
		return err
	}
	return s.commit()
}

// staged is a file with its content under a temporary name.
type staged struct {
	path, tmp string
	file      *disk.File
}

// stage writes the content of the file for path under a temporary name. After an error no file is left.
func stage(path string, write func(io.Writer) error) (*staged, error) {
	s := &staged{path: path, tmp: path + temporary}
	var err error
	if s.file, err = disk.CreateFile(s.tmp); err != nil {
		return nil, s.failed(err)
	}
	beingWritten.Store(s.tmp, nil)
	buffered := bufio.NewWriterSize(s.file, 1<<16)
	if err = write(buffered); err == nil { // else Flush has the same error
		err = buffered.Flush()
	}
	if err != nil {
		err = errors.Join(err, s.file.Close())
		s.remove()
		return nil, s.failed(err)
	}
	return s, nil
}

// commit syncs the file and gives it its name. After an error no file is left.
func (s *staged) commit() error {
	if err := errors.Join(s.file.Sync(), s.file.Close()); err != nil {
		s.remove()
		return s.failed(err)
	}
	if err := disk.RenameFile(s.tmp, s.path); err != nil {
		s.remove()
		return s.failed(err)
	}
	beingWritten.Delete(s.tmp)
	if err := disk.SyncFolder(filepath.Dir(s.path)); err != nil {
		return s.failed(err)
	}
	return nil
}

// discard deletes the temporary file.
func (s *staged) discard() {
	_ = s.file.Close()
	s.remove()
}

func (s *staged) remove() {
	_ = disk.RemoveFile(s.tmp)
	beingWritten.Delete(s.tmp)
}

func (s *staged) failed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("writing %s: the disk is full, make room there: %w", s.path, err)
	}
	return fmt.Errorf("writing %s: %w", s.path, err)
}

// beingWritten are the temporary files of this process.
var beingWritten sync.Map

// Abandon deletes the unfinished files. It is for a process that ends now.
func Abandon() {
	beingWritten.Range(func(tmp, _ any) bool {
		_ = os.Remove(tmp.(string))
		return true
	})
}

// Unfinished reports whether a name belongs to a file that is being written.
func Unfinished(name string) bool { return strings.HasSuffix(name, temporary) }

// Clean deletes what killed writers have left in a folder. No other process may write there.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if Unfinished(e.Name()) {
			err = errors.Join(err, disk.RemoveFile(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Writable reports whether a file can be written at path. A command asks before the work, not after it.
func Writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("writing %s: it is a folder; give the name of a file", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".writable-*")
	var why *fs.PathError
	if errors.As(err, &why) { // the name of the probe says nothing
		err = why.Err
	}
	if err != nil {
		return fmt.Errorf("writing %s: the folder %s: %w", path, filepath.Dir(path), err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
