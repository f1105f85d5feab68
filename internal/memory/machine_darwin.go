package memory

import "golang.org/x/sys/unix"

// Machine returns the main memory of this machine in bytes, 0 if unknown.
func Machine() uint64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return n
}
