//go:build !unix

package disk

// NoFollow would have an open fail at a symbolic link; this system knows no such flag.
const NoFollow = 0

// noWait would have an open not wait for the other end of a pipe, which has no name here.
const noWait = 0
