//go:build !unix

package bench

import (
	"runtime"
	"time"
)

// PeakRSS is the memory that Go has from the system: the closest there is to
// the peak of the resident memory.
func PeakRSS() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys)
}

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
