//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// action is the kernel's struct sigaction, on both processors.
type action [4]uint64

// signalCount is the number of signals of Linux.
const signalCount = 64

// keepSignals calls f, and then restores the signal handlers that f has changed. MPI libraries, and
// the libraries that they load, replace Go's handlers, such as the ones for SIGSEGV and SIGBUS, which Go
// turns into an error or a panic.
func keepSignals(f func() error) error {
	var before [signalCount + 1]action
	for n := 1; n <= signalCount; n++ {
		if err := sigaction(n, nil, &before[n]); err != nil {
			return err
		}
	}
	err := f()
	for n := 1; n <= signalCount; n++ {
		var now action
		e := sigaction(n, nil, &now)
		if e == nil && now != before[n] {
			e = sigaction(n, &before[n], nil)
		}
		if err == nil {
			err = e
		}
	}
	return err
}

func sigaction(signal int, set, get *action) error {
	const setSize = 8 // bytes of a set of signals
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION,
		uintptr(signal), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), setSize, 0, 0)
	if errno != 0 {
		return fmt.Errorf("the handler of signal %d: %w", signal, errno)
	}
	return nil
}
