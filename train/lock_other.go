//go:build !unix

package train

// mandatoryLocks says that a lock keeps others, and other files of this process,
// from reading and writing.
const mandatoryLocks = true

// unsupported says whether an error of a lock means that there are none.
func unsupported(error) bool { return false }
