package train

import "runtime"

// heldMemory returns the bytes that Go has from the system: the best estimate if the system does not say what is in
// RAM. It does not count mapped files.
func heldMemory() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}
