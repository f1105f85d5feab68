package checkpoints

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"fasternet/internal/disk"
)

// temporary ends the names of files that are being written.
const temporary = ".unfinished.tmp"

// WriteAtomic replaces the file at path by what write produces, or leaves it as
// it was. What a crash leaves has a name that ends in .unfinished.tmp; [Clean] removes it.
func WriteAtomic(path string, write func(io.Writer) error) (err error) {
	tmp := path + temporary
	file, err := disk.CreateFile(tmp)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	beingWritten.Store(tmp, nil)
	defer beingWritten.Delete(tmp)
	defer func() {
		if err != nil {
			_ = disk.RemoveFile(tmp)
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	buffered := bufio.NewWriterSize(file, 1<<16)
	err = errors.Join(write(buffered), buffered.Flush())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err = disk.RenameFile(tmp, path); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}

// beingWritten are the temporary files of WriteAtomic in this process.
var beingWritten sync.Map

// Abandon deletes what WriteAtomic has not finished. It is for a process that ends now.
func Abandon() {
	beingWritten.Range(func(tmp, _ any) bool {
		_ = os.Remove(tmp.(string))
		return true
	})
}

// Unfinished says whether a name is that of a file that is being written.
func Unfinished(name string) bool { return strings.HasSuffix(name, temporary) }

// Clean deletes what writers that were killed have left in a folder. Nobody else
// may be writing there.
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

// Writable says whether a file can be written at path, so that this is known
// before the work whose result it takes.
func Writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("writing %s: it is a folder: want a file", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".writable-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
