package metrics

import (
	"fmt"

	"fasternet/internal/rng"
)

// Difference says how much more often the second of two models is right, in percent of the images,
// with a bootstrap interval over the images.
type Difference struct {
	Top1      float64     `json:"top1"` // the second model's less the first's
	Interval  *[2]float64 `json:"interval,omitempty"`
	Level     float64     `json:"level,omitempty"`
	Resamples int         `json:"resamples,omitempty"`
	Seed      uint64      `json:"seed"`
}

// DifferenceOf compares two collectors that have seen the same images in the same order.
// Resamples 0 makes no interval.
func DifferenceOf(a, b *Collector, resamples int, seed uint64) (*Difference, error) {
	n := len(a.images)
	if n == 0 || n != len(b.images) {
		return nil, fmt.Errorf("want the same images for both, and one at least, got %d and %d", n, len(b.images))
	}
	if resamples < 0 || resamples > MostResamples {
		return nil, fmt.Errorf("%d resamples: want 0 to %d", resamples, MostResamples)
	}
	gain := make([]int8, n)
	sum := 0
	for i := range gain {
		if b.images[i].rank == 0 {
			gain[i]++
		}
		if a.images[i].rank == 0 {
			gain[i]--
		}
		sum += int(gain[i])
	}
	percent := func(sum int) float64 { return 100 * float64(sum) / float64(n) }
	d := &Difference{Top1: percent(sum), Seed: seed}
	if resamples == 0 {
		return d, nil
	}
	values := make([]float64, resamples)
	eachResample(resamples, func() func(k int) {
		return func(k int) {
			random, sum := rng.New(seed, rng.Bootstrap, uint64(k)), 0
			for range n {
				sum += int(gain[random.IntN(n)])
			}
			values[k] = percent(sum)
		}
	})
	low, high, _ := interval(values) // all values are finite
	d.Interval, d.Level, d.Resamples = &[2]float64{low, high}, Level, resamples
	return d, nil
}
