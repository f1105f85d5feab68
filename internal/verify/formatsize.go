package verify

import (
	"fmt"
	"math"
)

// size writes a number of bytes for people.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", math.Floor(float64(n)/(1<<20)*10)/10)
}
