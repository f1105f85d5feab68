package verify

import (
	"fmt"
	"math"
)

// finite looks for values that are no numbers.
type finite struct {
	tensors, values int
	bad             int    // values that are NaN or infinite
	first           string // where the first of them is
}

func (f *finite) add(name string, values []float32) {
	f.tensors++
	f.values += len(values)
	for i, v := range values {
		if v-v != 0 { // NaN, or an infinity
			if f.bad++; f.bad == 1 {
				f.first = fmt.Sprintf("%s[%d] is %v", name, i, float64(v))
			}
		}
	}
}

func (f *finite) err() error {
	if f.bad == 0 {
		return nil
	}
	return fmt.Errorf("%d of its %d values are NaN or infinite, the first: %s", f.bad, f.values, f.first)
}

func (f *finite) facts() string { return fmt.Sprintf("%d tensors of %d values", f.tensors, f.values) }

// size is a number of bytes for people.
func size(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", math.Floor(float64(n)/(1<<20)*10)/10)
}
