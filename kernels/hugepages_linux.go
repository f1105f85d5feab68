package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// preferHugePages asks Linux for pages of 2 MiB, the size of x86-64's large pages, under a large
// slice: the rows of a matrix then need few entries of the TLB. Linux may refuse.
func preferHugePages(s []float32) {
	const page = 2 << 20
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), 4*len(s))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page)
	if n := (len(b) - skip) / page * page; n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
