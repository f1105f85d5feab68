//go:build !unix

package bench

import (
	"runtime"
	"time"
)

// PeakRSS returns the memory that Go has from the system, the best estimate of the peak of the
// resident memory here.
func PeakRSS() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys)
}

// cpuTime returns 0: it is unknown here.
func cpuTime() time.Duration { return 0 }
