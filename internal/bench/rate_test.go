package bench

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		runs [][]peakSlice
		rate float64 // in 10⁹ per second
		best []float64
	}{
		{"one", [][]peakSlice{{{1e6, 0, ms}, {1e6, ms, 3 * ms}}}, 2.0 / 3, []float64{1}},
		{"side by side", [][]peakSlice{{{2e6, 0, ms}, {1e6, ms, 2 * ms}}, {{1e6, 0, ms}, {1e6, ms, 2 * ms}}},
			2.5, []float64{2, 1}},
		{"one is slower", [][]peakSlice{{{1e6, 0, ms}}, {{1e6, 0, 4 * ms}}}, 0.5, []float64{1, 0}},
		{"one after the other", [][]peakSlice{{{1e6, 0, ms}}, {{1e6, ms, 2 * ms}}}, 1, []float64{0, 0}},
		{"some of it together",
			[][]peakSlice{{{1e6, 0, ms}, {1e6, ms, 2 * ms}}, {{1e6, ms, 2 * ms}, {2e6, 2 * ms, 3 * ms}}},
			5.0 / 3, []float64{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rateOf(c.runs); math.Abs(got-c.rate) > 1e-9 {
				t.Errorf("got %v, want %v", got, c.rate)
			}
			best := make([]float64, len(c.runs))
			from, to := window(c.runs)
			bestSlices(best, c.runs, from, to)
			if !slices.Equal(best, c.best) {
				t.Errorf("best %v, want %v", best, c.best)
			}
		})
	}
}
