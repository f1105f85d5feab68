package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// preferHugePages asks for pages of 2 MiB under a large slice: the rows of a
// matrix then need few entries of the TLB. It is a hint, and may be refused.
func preferHugePages(s []float32) {
	const page = 2 << 20
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), 4*len(s))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page)
	if n := (len(b) - skip) / page * page; n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
