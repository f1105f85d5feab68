//go:build unix

package serve

import (
	"io/fs"
	"syscall"
)

// inode returns the number of a file in its file system, which changes when another file takes its
// place.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino) //nolint:unconvert // not a uint64 on every Unix
	}
	return 0
}
