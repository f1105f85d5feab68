//go:build unix

package bench

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// PeakRSS is the largest resident memory of the process so far, in bytes.
func PeakRSS() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return float64(u.Maxrss)
	}
	return float64(u.Maxrss) * 1024
}
