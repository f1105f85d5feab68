//go:build !unix

package disk

// NoFollow would make an open fail at a symbolic link; this system has no such flag.
const NoFollow = 0

// noWait would make an open not wait for the other end of a pipe; this system has no such flag.
const noWait = 0
