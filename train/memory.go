package train

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
)

// residentMemory is the memory of the process in bytes: the part that is in RAM
// where the system says so, else what Go has asked the system for.
func residentMemory() float64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			if pages, err := strconv.Atoi(string(fields[1])); err == nil {
				return float64(pages * os.Getpagesize())
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}
