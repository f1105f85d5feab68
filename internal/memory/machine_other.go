//go:build !linux && !darwin && !windows

package memory

// Machine returns the main memory of this machine in bytes, 0 if unknown.
func Machine() uint64 { return 0 }
