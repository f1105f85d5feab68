//go:build !linux

package memory

// systemLimits returns nil: the limits of the system are unknown here.
func systemLimits() []limit { return nil }

// used returns the memory that Go has from the system, in bytes.
func used() uint64 { return heap() }
