package bench

import (
	"os"
	"strconv"
	"strings"
)

// loadAverage returns how many processes wanted a processor in the last minute, on average; -1 if unknown.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(text), " ")
	v, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return v
}
