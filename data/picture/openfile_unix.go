//go:build unix

package picture

import "syscall"

// doNotWait opens a pipe at once. Without it, opening waits until something writes to the pipe.
const doNotWait = syscall.O_NONBLOCK
