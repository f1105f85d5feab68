// Package disk writes the files that must not be lost: the checkpoints, the configuration and
// the logs of a run.
//
// It adds three things to package os. A process can claim a folder, so that nothing is written to
// it after it has come to belong to another process ([Claim]). Nothing is written through a symbolic
// link, neither a file nor a folder within a claimed one. And tests can inject faults: every
// operation that changes something has a name, "OP FILE", such as "write last.safetensors.tmp" or
// "rename best.safetensors", and [Inject] can make it fail, write only a part, or end the process.
// Without Inject, this costs one comparison with nil. In a build with the tag faults, and only
// there, the environment can inject faults: see faults.go.
package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The operations.
const (
	Create = "create" // create or truncate
	Append = "append" // open to append
	Write  = "write"
	Sync   = "sync" // sync a file, or a folder, whose name then ends in /
	Rename = "rename"
	Remove = "remove"
)

// Fault is called before an operation on a file of that base name; size is the number of bytes of
// a write. If it returns a failure, the operation fails in that way.
type Fault func(op, file string, size int) *Failure

// Failure is how an operation fails.
type Failure struct {
	Written int    // bytes that a write still writes
	Then    func() // called after that; may be nil
	Err     error  // what the operation returns
}

var fault Fault

// Inject injects faults until undo is called. It is for tests. Call it before goroutines use the
// disk.
func Inject(f Fault) (undo func()) {
	fault = f
	return func() { fault = nil }
}

// check is called before an operation other than a write.
func check(op, path, name string) error {
	if err := ask(path); err != nil {
		return err
	}
	if err := plainPath(path); err != nil {
		return err
	}
	if fault == nil {
		return nil
	}
	if f := fault(op, name, 0); f != nil {
		if f.Then != nil {
			f.Then()
		}
		return &os.PathError{Op: op, Path: path, Err: f.Err}
	}
	return nil
}

// File is a file that is open for writing.
type File struct {
	f    *os.File
	name string // the name of its operations
}

// CreateFile creates a file, or empties it.
func CreateFile(path string) (*File, error) {
	return open(Create, path, filepath.Base(path), os.O_TRUNC)
}

// CreateNew creates a file to write at its end; it returns an error if the file exists. name is the
// name of its operations, because the name of the file contains the time.
func CreateNew(path, name string) (*File, error) {
	return open(Create, path, name, os.O_EXCL|os.O_APPEND)
}

// AppendTo opens or creates a file to write at its end.
func AppendTo(path string) (*File, error) {
	return open(Append, path, filepath.Base(path), os.O_APPEND)
}

// MakeFolder makes a folder, and the folders above it, unless they exist. The folder must not be a
// symbolic link; the folders above it may be.
func MakeFolder(dir string) error {
	if err := check(Create, dir, filepath.Base(dir)+"/"); err != nil {
		return err
	}
	if err := plainFolder(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}

func open(op, path, name string, how int) (*File, error) {
	if err := check(op, path, name); err != nil {
		return nil, err
	}
	f, err := openPlain(path, os.O_WRONLY|os.O_CREATE|how)
	if err != nil {
		return nil, err
	}
	return &File{f, name}, nil
}

// Write writes to the file.
func (f *File) Write(p []byte) (int, error) {
	if err := ask(f.f.Name()); err != nil {
		return 0, err
	}
	if fault == nil {
		return f.f.Write(p)
	}
	bad := fault(Write, f.name, len(p))
	if bad == nil {
		return f.f.Write(p)
	}
	n, err := f.f.Write(p[:min(bad.Written, len(p))])
	if err != nil {
		return n, err
	}
	if bad.Then != nil {
		bad.Then()
	}
	return n, &os.PathError{Op: Write, Path: f.f.Name(), Err: bad.Err}
}

// Sync makes the written bytes durable.
func (f *File) Sync() error {
	if err := check(Sync, f.f.Name(), f.name); err != nil {
		return err
	}
	return f.f.Sync()
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// At reports whether the path still names this file.
func (f *File) At(path string) bool {
	own, err1 := f.f.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(own, named)
}

// RenameFile renames a file within its folder, over another one if there is one.
func RenameFile(from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return fmt.Errorf("rename %s %s: want both in the same folder", from, to)
	}
	err := inFolder(Rename, to, func(folder *os.Root, name string) error {
		return folder.Rename(filepath.Base(from), name)
	})
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: link.Err}
	}
	return err
}

// RemoveFile deletes a file.
func RemoveFile(path string) error {
	err := inFolder(Remove, path, (*os.Root).Remove)
	if bad := (*fs.PathError)(nil); errors.As(err, &bad) {
		return &fs.PathError{Op: "remove", Path: path, Err: bad.Err}
	}
	return err
}

// inFolder changes a name in a folder. It opens the folder before it asks whether the folder may be
// changed. If another folder gets the same path after that, the change does not reach it.
func inFolder(op, path string, change func(folder *os.Root, name string) error) error {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		// The folder is gone. It matters more if it now belongs to another run.
		return cmp.Or(check(op, path, filepath.Base(path)), err)
	}
	defer folder.Close()
	if err := check(op, path, filepath.Base(path)); err != nil {
		return err
	}
	if err := change(folder, filepath.Base(path)); err != nil {
		return cmp.Or(ask(path), err)
	}
	return nil
}

// SyncFolder makes renames in a folder durable, if the system can do it.
func SyncFolder(dir string) error {
	if err := check(Sync, dir, filepath.Base(dir)+"/"); err != nil {
		return err
	}
	return syncFolder(dir)
}
