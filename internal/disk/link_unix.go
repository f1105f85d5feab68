//go:build unix

package disk

import "syscall"

// NoFollow makes an open fail at a symbolic link, and not wait for the other end of a pipe.
const NoFollow = syscall.O_NOFOLLOW | noWait

// noWait makes an open not wait for the other end of a pipe.
const noWait = syscall.O_NONBLOCK
