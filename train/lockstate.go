package train

import (
	"path/filepath"

	"github.com/gofrs/flock"
)

// InUse says which process works on a run; "" if none does, or nobody can tell.
func InUse(dir string) string {
	path := filepath.Join(dir, LockFile)
	lock := flock.New(path, flock.SetFlag(0)) // the file is not made
	locked, err := lock.TryRLock()
	if err != nil {
		return ""
	}
	if locked {
		_ = lock.Unlock()
		return ""
	}
	return holder(path)
}
