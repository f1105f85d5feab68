//go:build !linux && !windows

package train

// residentMemory is the memory of the process in bytes, as far as Go knows.
func residentMemory() float64 { return heldMemory() }
