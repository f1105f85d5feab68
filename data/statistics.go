package data

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"fasternet/data/picture"
)

// Statistics has the mean and the standard deviation of the pixels of a dataset, by channel,
// in [0, 1].
type Statistics struct {
	Mean, Std []float64
	Images    int // images that were read
	Bad       int // images that could not be read, in addition
}

// Measure computes the statistics of at most the given number of samples, spread evenly
// over the dataset; all of them if most is 0. Every image has the same weight, whatever its
// size. With 1 channel, colours are made grey first. With skipBad, images that cannot be
// read are counted and left out; otherwise they are an error.
func Measure(ctx context.Context, ds Dataset, channels, most, workers int, skipBad bool) (Statistics, error) {
	if channels != 1 && channels != 3 {
		return Statistics{}, fmt.Errorf("data: statistics of %d channels; use 1 (grey) or 3 (RGB)", channels)
	}
	n := ds.Len()
	count := n
	if most > 0 {
		count = min(n, most)
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	// Keep the sums of each image and add them in order, so that the result does not
	// depend on which worker is first.
	sums, squares := make([][3]float64, count), make([][3]float64, count)
	errs := make([]error, count)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var other picture.Image
			for k := w; k < count && ctx.Err() == nil; k += workers {
				m, err := ds.Image(k * n / count)
				if err != nil {
					if errs[k] = err; skipBad {
						continue
					}
					return
				}
				if m.Channels != channels {
					picture.Convert(&other, m)
					m = &other
				}
				sums[k], squares[k] = moments(m)
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return Statistics{}, err
	}
	var s Statistics
	for _, err := range errs {
		switch {
		case err == nil:
			s.Images++
		case skipBad && s.Bad+1 < count: // if no image can be read, return the last error
			s.Bad++
		default:
			return Statistics{}, err
		}
	}
	for c := range channels {
		var sum, square float64
		for k := range sums {
			sum += sums[k][c]
			square += squares[k][c]
		}
		mean := sum / float64(s.Images)
		s.Mean = append(s.Mean, mean)
		s.Std = append(s.Std, math.Sqrt(max(square/float64(s.Images)-mean*mean, 0)))
	}
	return s, nil
}

// moments returns the mean of the values and the mean of their squares.
func moments(m *picture.Image) (mean, square [3]float64) {
	var sum, squares [3]uint64
	for i, v := range m.Pix {
		c := i % m.Channels
		sum[c] += uint64(v)
		squares[c] += uint64(v) * uint64(v)
	}
	n := float64(m.Height*m.Width) * 255
	for c := range sum {
		mean[c], square[c] = float64(sum[c])/n, float64(squares[c])/(n*255)
	}
	return mean, square
}
