package train

import (
	"path/filepath"

	"fasternet/internal/disk"

	"github.com/gofrs/flock"
)

// InUse says which process works on a run; "" if none does, or nobody can tell.
func InUse(dir string) string {
	path := filepath.Join(dir, LockFile)
	if disk.Plain(path) != nil {
		return "" // no lock of ours, and a pipe would be waited for
	}
	lock := flock.New(path, flock.SetFlag(disk.NoFollow)) // the file is not made
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
