//go:build !linux && !windows

package train

// residentMemory returns the memory of the process in bytes, as far as Go knows.
func residentMemory() float64 { return heldMemory() }
