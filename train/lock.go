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

// LockFile is in the folder of a run while a process works on it. Its text says
// which one, for people; what counts is the system's lock, which ends with the
// process, however that ends.
const LockFile = "run.lock"

// errNoLocks says that the file system of the folder knows no locks.
var errNoLocks = errors.New("this file system knows no locks: see to it that one process alone works on the run")

// lockFolder makes this process the only one that works on a run. If another one
// does, the error says which. errNoLocks comes with a nil lock.
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
			return nil, fmt.Errorf("%s is in use by %s: wait for it, stop it, or take another folder (--run)", dir, holder(path))
		}
		// The one who had it may have removed the file between our open and lock.
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

// describeLock writes who holds a lock into its file, which is there.
func describeLock(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|disk.NoFollow, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// errReplaced says that the folder of a run is not the one any more that the process has
// worked in.
var errReplaced = errors.New("the folder was deleted, moved or replaced by another while the run went on")

// deletion is how long the deletion of a folder may take after its lock is deleted.
const deletion = 300 * time.Millisecond

// owned is an error once the folder has become another's, or is gone: then nothing may be
// written under its name. It is asked before every operation on a file in the folder.
func (f *Folder) owned() error {
	path := f.path(LockFile)
	if _, err := os.Stat(path); f.lock != nil && err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil //nolint:nilerr // nobody can tell now: the operation itself will
	}
	switch {
	case f.lock == nil && (f.log == nil || f.log.here()):
		return nil
	case f.lock != nil && holds(f.lock, path):
		return nil
	case f.lock != nil && f.log != nil && f.log.here():
		// Only the file of the lock is gone, as what removes old locks does it; or it is the
		// first of a folder that is being deleted.
		time.Sleep(deletion)
		if f.log.here() {
			if again, err := lockFolder(f.Dir); err == nil {
				_ = f.lock.Unlock()
				f.lock = again
				return nil
			}
		}
	}
	return fmt.Errorf("%s: %w: what it holds is not touched, and the run ends", f.Dir, errReplaced)
}

// holds says whether the file of a lock is the one that has its path now.
func holds(lock *flock.Flock, path string) bool {
	ours, err1 := lock.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(ours, named)
}

// holder is what a lock's file says of the process that holds it.
func holder(path string) string {
	const most = 200
	text, err := disk.ReadFile(path)
	if line, _, _ := strings.Cut(string(text), "\n"); err == nil && line != "" && len(line) <= most {
		return line
	}
	return "another process"
}

// unlockFolder gives a run back. The file goes first: whoever opens it after
// that makes a new one.
func unlockFolder(lock *flock.Flock) error {
	if lock == nil {
		return nil
	}
	if holds(lock, lock.Path()) { // it may be of who has taken the folder's place
		os.Remove(lock.Path())
	}
	if err := lock.Unlock(); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}
