package kernels

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// permitTiles asks Linux to let all threads of the process use tiles. Linux refuses if
// the stacks of signal handlers are too small or the kernel is older than 5.16, and
// inside a sandbox that forbids the call. The numbers are from Linux's
// arch/x86/include/uapi/asm/prctl.h and its documentation of XSTATE features.
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
