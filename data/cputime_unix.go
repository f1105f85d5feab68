//go:build unix

package data

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the processor time of the process so far. On a machine with other work
// it tells more than the clock.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
