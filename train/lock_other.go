//go:build !unix

package train

// mandatoryLocks says that a lock keeps others, and other open files of this process, from reading and writing.
const mandatoryLocks = true

// unsupported reports whether an error of a lock means that there are no locks.
func unsupported(error) bool { return false }
