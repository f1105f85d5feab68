package memory

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryStatus is the structure MEMORYSTATUSEX of Windows.
type memoryStatus struct {
	size, load                         uint32
	total, free, totalPage, freePage   uint64
	totalVirtual, freeVirtual, freeExt uint64
}

var globalMemoryStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// Machine returns the main memory of this machine in bytes, 0 if unknown.
func Machine() uint64 {
	var s memoryStatus
	s.size = uint32(unsafe.Sizeof(s))
	if globalMemoryStatus.Find() != nil {
		return 0
	}
	if ok, _, _ := globalMemoryStatus.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return 0
	}
	return s.total
}
