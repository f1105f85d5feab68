package ops

import (
	"math"
	"math/rand/v2"
	"testing"

	"fasternet/kernels"
)

// The statistics that two ranks measure on their rows equal the statistics of all rows, also if the mean
// is large compared with the deviation and the ranks have different means.
func TestSumMoments(t *testing.T) {
	const rows, c = 600, 3
	r := rand.New(rand.NewPCG(1, 2))
	x := kernels.NewMatrix(make([]float32, rows*c), rows, c)
	for i := range x.Data {
		x.Data[i] = float32([]float64{0, 3e4, -50}[i%c] + float64(i/c)/300 + r.NormFloat64())
	}
	norm := func(spans ...int) *normState {
		bn := &BatchNorm{
			Weight:      NewParam("w", c),
			Bias:        NewParam("b", c),
			RunningMean: []float32{0, 2.9e4, 0},
			RunningVar:  make([]float32, c),
			Tracked:     new(int64),
			Momentum:    0.1,
		}
		n := newNormState(nil, bn, len(spans)-1, true)
		for i := range n.moments {
			n.moments[i].Measure(kernels.Default(), x.Slice(spans[i], spans[i+1]))
		}
		return n
	}
	whole, first, second := norm(0, 100, 200, 333, rows), norm(0, 100, 200), norm(200, 333, rows)
	var other []float64
	keep := func(x []float64) error { other = append([]float64{}, x...); return nil }
	add := func(x []float64) error {
		for i, v := range other {
			x[i] += v
		}
		return nil
	}
	if err := second.batch(&Parallel{Sum: keep}); err != nil {
		t.Fatal(err)
	}
	if err := whole.batch(&Parallel{}); err != nil {
		t.Fatal(err)
	}
	if err := first.batch(&Parallel{Sum: add}); err != nil {
		t.Fatal(err)
	}
	for i := range c {
		if math.Abs(first.mean[i]/whole.mean[i]-1) > 1e-12 ||
			math.Abs(first.inv[i]/whole.inv[i]-1) > 1e-8 ||
			first.count != rows {
			t.Errorf("channel %d: mean %v, 1/deviation %v of %d, want %v and %v",
				i, first.mean[i], first.inv[i], first.count, whole.mean[i], whole.inv[i])
		}
	}
}
