package train

import "runtime"

// heldMemory is what Go has from the system, in bytes: the closest there is where the
// system does not say what is in RAM. Files that are mapped do not count.
func heldMemory() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}
