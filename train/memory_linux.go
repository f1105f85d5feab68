package train

import (
	"bytes"
	"os"
	"strconv"
)

// residentMemory returns the memory of the process in RAM, in bytes.
func residentMemory() float64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			if pages, err := strconv.Atoi(string(fields[1])); err == nil {
				return float64(pages * os.Getpagesize())
			}
		}
	}
	return heldMemory()
}
