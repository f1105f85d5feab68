//go:build unix

package train

import (
	"errors"
	"syscall"
)

// mandatoryLocks says that a lock keeps others, and other open files of this process, from reading and writing.
const mandatoryLocks = false

// unsupported reports whether an error of a lock means that there are no locks.
func unsupported(err error) bool {
	return errors.Is(err, syscall.ENOSYS) ||
		errors.Is(err, syscall.ENOTSUP) ||
		errors.Is(err, syscall.ENOLCK) ||
		errors.Is(err, syscall.EOPNOTSUPP)
}
