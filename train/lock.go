package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fasternet/internal/disk"

	"github.com/gofrs/flock"
)

// LockFile is in the folder of a run while a process works on it. Its text names the process, for people. What
// counts is the system's lock, which always ends with the process.
const LockFile = "run.lock"

// errNoLocks says that the file system of the folder has no locks.
var errNoLocks = errors.New("this file system has no locks: make sure that only one process works on the run")

// lockFolder makes this process the only one that works on a run. If another one does, the error names it.
// errNoLocks comes with a nil lock.
func lockFolder(dir string) (*flock.Flock, error) {
	path := filepath.Join(dir, LockFile)
	if err := disk.Plain(path); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|disk.NoFollow), flock.SetPermissions(0o644))
	for {
		locked, err := lock.TryLock()
		switch {
		case unsupported(err):
			os.Remove(path)
			return nil, errNoLocks
		case err != nil:
			return nil, fmt.Errorf("run folder: %w", err)
		case !locked:
			return nil, fmt.Errorf("%s is in use by %s: wait, stop that process, or choose another folder (--run)",
				dir, holder(path))
		}
		// The previous holder may have removed the file between our open and our lock.
		if holds(lock, path) {
			break
		}
		if err := lock.Unlock(); err != nil {
			return nil, fmt.Errorf("run folder: %w", err)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	text := fmt.Sprintf("process %d on %s since %s\n", os.Getpid(), host, clock().Format(time.RFC3339))
	if err := describeLock(path, text); err != nil && !mandatoryLocks {
		return nil, errors.Join(fmt.Errorf("run folder: %w", err), unlockFolder(lock))
	}
	return lock, nil
}

// describeLock writes the holder of a lock into its file, which exists.
func describeLock(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|disk.NoFollow, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// errReplaced says that the folder of a run is no longer the folder that the process has worked in.
var errReplaced = errors.New("the folder was deleted, moved or replaced during the run")

// deletion is how long deleting a folder may take after its lock is deleted.
const deletion = 300 * time.Millisecond

// owned returns an error if the folder belongs to another process, or is gone. Then nothing may be written under
// its name. It is called before every operation on a file in the folder.
func (f *Folder) owned() error {
	path := f.path(LockFile)
	if _, err := os.Stat(path); f.lock != nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil //nolint:nilerr // unknown here: the operation reports it
	}
	switch {
	case f.lock == nil && (f.log == nil || f.log.here()):
		return nil
	case f.lock != nil && holds(f.lock, path):
		return nil
	case f.lock != nil && f.log != nil && f.log.here():
		// Only the lock file is gone: a program may have removed old locks, or the whole folder is being deleted
		// and the lock was first.
		time.Sleep(deletion)
		if f.log.here() {
			if again, err := lockFolder(f.Dir); err == nil {
				_ = f.lock.Unlock()
				f.lock = again
				return nil
			}
		}
	}
	return fmt.Errorf("%s: %w: the run ends and leaves it alone", f.Dir, errReplaced)
}

// holds reports whether the path of a lock still leads to the locked file.
func holds(lock *flock.Flock, path string) bool {
	ours, err1 := lock.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(ours, named)
}

// holder reads from a lock's file which process holds it.
func holder(path string) string {
	const most = 200
	text, err := disk.ReadFile(path)
	if line, _, _ := strings.Cut(string(text), "\n"); err == nil && line != "" && len(line) <= most {
		return line
	}
	return "another process"
}

// unlockFolder gives a run back. It removes the file first: whoever opens it after that makes a new one.
func unlockFolder(lock *flock.Flock) error {
	if lock == nil {
		return nil
	}
	if holds(lock, lock.Path()) { // the file may belong to the new owner of the folder
		os.Remove(lock.Path())
	}
	if err := lock.Unlock(); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}
