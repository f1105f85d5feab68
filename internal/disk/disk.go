// Package disk is the way to the file system of what must not be lost: a run's
// checkpoints, configuration and logs.
//
// It adds one thing to package os: a place where tests bring in faults. Every
// operation that changes something has a name, "OP FILE", such as "write
// last.safetensors.tmp" or "rename best.safetensors"; [Inject] can make it fail,
// write a part only, or end the process. A program that calls no Inject pays one
// comparison with nil for it. In a build with the tag faults, and in no other,
// the environment says what happens: see faults.go.
package disk

import (
	"os"
	"path/filepath"
)

// The operations.
const (
	Create = "create" // or truncate
	Append = "append" // open to append
	Write  = "write"
	Sync   = "sync" // of a file, or of a folder, whose name then ends in /
	Rename = "rename"
	Remove = "remove"
)

// Fault is called before an operation on a file of that base name; a write is of
// size bytes. If it returns a failure, that is what happens instead.
type Fault func(op, file string, size int) *Failure

// Failure is how an operation fails.
type Failure struct {
	Written int    // bytes that a write still writes
	Then    func() // called after that; may be nil
	Err     error  // what the operation returns
}

var fault Fault

// Inject brings faults in until undo is called. It is for tests, before the
// goroutines that use the disk.
func Inject(f Fault) (undo func()) {
	fault = f
	return func() { fault = nil }
}

// check is called before an operation that is no write.
func check(op, path, name string) error {
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
	f *os.File
}

// CreateFile creates a file, or empties it.
func CreateFile(path string) (*File, error) {
	return open(Create, path, os.O_TRUNC)
}

// AppendTo opens a file, new or not, to write at its end.
func AppendTo(path string) (*File, error) {
	return open(Append, path, os.O_APPEND)
}

func open(op, path string, how int) (*File, error) {
	if err := check(op, path, filepath.Base(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|how, 0o644)
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

// Write writes to the file.
func (f *File) Write(p []byte) (int, error) {
	if fault == nil {
		return f.f.Write(p)
	}
	bad := fault(Write, filepath.Base(f.f.Name()), len(p))
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

// Sync makes what was written durable.
func (f *File) Sync() error {
	if err := check(Sync, f.f.Name(), filepath.Base(f.f.Name())); err != nil {
		return err
	}
	return f.f.Sync()
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// RenameFile renames a file, over another one if there is one.
func RenameFile(from, to string) error {
	if err := check(Rename, to, filepath.Base(to)); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// RemoveFile deletes a file.
func RemoveFile(path string) error {
	if err := check(Remove, path, filepath.Base(path)); err != nil {
		return err
	}
	return os.Remove(path)
}

// SyncFolder makes renames in a folder durable, where the system has a way to.
func SyncFolder(dir string) error {
	if err := check(Sync, dir, filepath.Base(dir)+"/"); err != nil {
		return err
	}
	return syncFolder(dir)
}
