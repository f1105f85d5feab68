package kernels

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// permitTiles asks the system for the permission to use tiles, for all threads of
// the process. It is refused where the stacks of signal handlers are too small,
// by kernels before 5.16, and where a sandbox forbids the call.
func permitTiles() error {
	const (
		getPermission = 0x1022 // ARCH_GET_XCOMP_PERM
		request       = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData      = 18
	)
	if _, _, e := unix.RawSyscall(unix.SYS_ARCH_PRCTL, request, tileData, 0); e != 0 {
		return fmt.Errorf("arch_prctl: %w", e)
	}
	var granted uint64
	if _, _, e := unix.RawSyscall(unix.SYS_ARCH_PRCTL, getPermission, uintptr(unsafe.Pointer(&granted)), 0); e != 0 {
		return fmt.Errorf("arch_prctl: %w", e)
	}
	if granted&(1<<tileData) == 0 {
		return fmt.Errorf("arch_prctl granted %#x", granted)
	}
	return nil
}
