package metrics

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"fasternet/internal/rng"
)

// Calibration says what a temperature does to the probabilities. The logits are divided by it, so
// the answers and their order stay the same (Guo et al. 2017).
type Calibration struct {
	Value    float64 `json:"value"`     // the temperature with the smallest NLL on all images
	FittedOn int     `json:"fitted_on"` // number of images
	// Before and After are measured on all images. No image is measured with a temperature that was
	// fitted on it: each half uses the temperature of the other half.
	Halves [2]float64         `json:"halves"` // temperatures fitted on each half
	Before CalibrationFigures `json:"before"`
	After  CalibrationFigures `json:"after"`
}

// Brief returns a copy without the bins.
func (c *Calibration) Brief() *Calibration {
	b := *c
	b.Before.Reliability, b.After.Reliability = nil, nil
	return &b
}

// The limits of a temperature.
const (
	LeastTemperature = 0.01
	MostTemperature  = 100
)

// CheckTemperature returns an error for a value that cannot be a temperature.
func CheckTemperature(t float64) error {
	if !(t >= LeastTemperature && t <= MostTemperature) {
		return fmt.Errorf("a temperature of %v: want %v to %v", t, LeastTemperature, float64(MostTemperature))
	}
	return nil
}

// Calibrate fits a temperature on the images whose logits the collector has kept, and measures
// its effect. The seed decides which images are in which half.
func (c *Collector) Calibrate(seed uint64) (*Calibration, error) {
	if c.stride == 0 {
		return nil, fmt.Errorf("temperature: the logits were not kept")
	}
	var images []int
	for i := 0; i < len(c.images); i += c.stride {
		x := &c.images[i]
		if math.IsInf(x.nll, 1) {
			return nil, fmt.Errorf("temperature: the label of image %d has the probability 0, "+
				"which no temperature changes", i)
		}
		if x.finite() {
			images = append(images, i)
		}
	}
	if len(images) < 4 {
		return nil, fmt.Errorf("temperature: only %d images have probabilities: want 4 or more to fit one", len(images))
	}
	r := &Calibration{FittedOn: len(images)}
	var err error
	if r.Value, err = c.fitTemperature(images); err != nil {
		return nil, err
	}
	rng.New(seed, rng.Calibrate).Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
	middle := len(images) / 2
	halves := [2][]int{images[:middle], images[middle:]}
	before, after := New(c.classes, 0, 0), New(c.classes, 0, 0)
	scaled := make([]float32, c.classes)
	for h, half := range halves {
		if r.Halves[h], err = c.fitTemperature(half); err != nil {
			return nil, fmt.Errorf("one half of the images: %w", err)
		}
		for _, i := range halves[1-h] {
			row, label := c.row(i), int(c.images[i].label)
			Scale(scaled, row, r.Halves[h])
			if _, err := before.Add(label, row); err != nil {
				return nil, err
			}
			if _, err := after.Add(label, scaled); err != nil {
				return nil, err
			}
		}
	}
	r.Before, r.After = *before.calibrationFigures(), *after.calibrationFigures()
	return r, nil
}

// Scale divides logits by a temperature; dst may be logits itself.
func Scale(dst, logits []float32, temperature float64) {
	for k, v := range logits {
		dst[k] = float32(float64(v) / temperature)
	}
}

// fitTemperature finds the temperature with the smallest NLL. The NLL is convex in the inverse of the
// temperature: Newton's method finds the zero of its slope, between bounds.
func (c *Collector) fitTemperature(images []int) (float64, error) {
	low, high := 1.0/MostTemperature, 1.0/LeastTemperature
	if slope, _ := c.slope(images, low); slope >= 0 {
		return 0, fmt.Errorf("temperature: the model is not better than chance on these %d images, "+
			"and no temperature makes it better", len(images))
	}
	if slope, _ := c.slope(images, high); slope <= 0 {
		return 0, fmt.Errorf("temperature: all answers on these %d images are right, "+
			"so the smallest temperature fits best: "+
			"use images that the model was not trained on, and more of them", len(images))
	}
	const steps = 100
	b := 1.0
	for range steps {
		slope, curvature := c.slope(images, b)
		if slope > 0 {
			high = b
		} else {
			low = b
		}
		next := b - slope/curvature
		if !(next > low && next < high) {
			next = math.Sqrt(low * high)
		}
		if math.Abs(next-b) <= 1e-12*b {
			return 1 / next, nil
		}
		b = next
	}
	return 1 / b, nil
}

// slope returns the first and the second derivative of the mean NLL with respect to b, the factor of
// the logits: the mean and the variance of the logits under the softmax.
func (c *Collector) slope(images []int, b float64) (first, second float64) {
	const chunk = 256 // fixed: the sums must not depend on the number of processors
	sums := make([][2]float64, (len(images)+chunk-1)/chunk)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(sums)) {
		wait.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(sums); k = int(next.Add(1)) - 1 {
				for _, i := range images[k*chunk : min((k+1)*chunk, len(images))] {
					x := &c.images[i]
					s, v := moments(c.row(i), int(x.label), float64(x.top), b)
					sums[k][0] += s
					sums[k][1] += v
				}
			}
		})
	}
	wait.Wait()
	for _, s := range sums {
		first += s[0]
		second += s[1]
	}
	n := float64(len(images))
	return first / n, second / n
}

// moments returns the derivatives for one image. A logit of -Inf has the probability 0.
func moments(row []float32, label int, top, b float64) (first, second float64) {
	var sum, mean, square float64
	for _, v := range row {
		d := float64(v) - top
		e := math.Exp(b * d)
		if e == 0 {
			continue
		}
		sum += e
		mean += e * d
		square += e * d * d
	}
	mean /= sum
	return mean - (float64(row[label]) - top), max(square/sum-mean*mean, 0)
}
