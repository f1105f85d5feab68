package train

import (
	"path/filepath"

	"fasternet/internal/disk"

	"github.com/gofrs/flock"
)

// InUse names the process that works on a run; "" if there is none, or it is unknown.
func InUse(dir string) string {
	path := filepath.Join(dir, LockFile)
	if disk.Plain(path) != nil {
		return "" // not our lock; opening a pipe would wait forever
	}
	lock := flock.New(path, flock.SetFlag(disk.NoFollow)) // does not create the file
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
