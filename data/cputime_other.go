//go:build !unix

package data

import "time"

// cpuTime is the time of the clock, where the time of the process cannot be had.
func cpuTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
