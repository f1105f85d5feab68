//go:build !linux && !darwin && !windows

package memory

// Machine is the main memory of this machine in bytes, 0 if it is not known.
func Machine() uint64 { return 0 }
