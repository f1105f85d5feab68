package train

import (
	"fmt"
	"math"
	"slices"
)

// The loss of a step is noisy, because each batch has other images. A smoothed curve shows where the loss falls. Its
// noise shows whether it falls at all.

const (
	// smoothPart is the deviation of the Gaussian smoothing window, as a part of the steps. About 3.5 times
	// as many steps count.
	smoothPart  = 0.04
	smoothLeast = 1.5 // smallest deviation, in steps

	// fallSigmas is how many standard deviations of the smoothed curve the loss must fall. Fewer than one in
	// 500 curves of pure noise does.
	fallSigmas = 5

	// fallPart is the part of the loss that it must also fall. Even with random labels, a classifier learns
	// how frequent each class is, and the noise grows with the learning rate: falls of 0.1 to 0.8 % are
	// usual then.
	fallPart = 0.01
)

// curve is a loss smoothed over the steps by a local linear fit. Unlike a trailing average it does not lag, and
// it follows a slope at its ends.
type curve struct {
	value, slope []float64 // by step
	spread       []float64 // standard deviation of value / standard deviation of a step's loss
}

func smooth(loss []float64) curve {
	n := len(loss)
	width := max(smoothPart*float64(n), smoothLeast)
	reach := int(math.Ceil(3 * width))
	c := curve{make([]float64, n), make([]float64, n), make([]float64, n)}
	for i := range n {
		from, to := max(i-reach, 0), min(i+reach+1, n)
		var s0, s1, s2 float64 // sums of the weights, of weight · distance, and of weight · distance²
		weight := func(j int) (w, x float64) {
			x = float64(j - i)
			return math.Exp(-x * x / (2 * width * width)), x
		}
		for j := from; j < to; j++ {
			w, x := weight(j)
			s0, s1, s2 = s0+w, s1+w*x, s2+w*x*x
		}
		det := s0*s2 - s1*s1
		var variance float64
		for j := from; j < to; j++ {
			w, x := weight(j)
			share := w * (s2 - s1*x) / det
			c.value[i] += share * loss[j]
			c.slope[i] += w * (s0*x - s1) / det * loss[j]
			variance += share * share
		}
		c.spread[i] = math.Sqrt(variance)
	}
	return c
}

// noiseOf returns the standard deviation of the losses around their curve, from the differences of neighbours: half
// of these are below 0.954 times it.
func noiseOf(loss []float64) float64 {
	if len(loss) < 2 {
		return 0
	}
	d := make([]float64, len(loss)-1)
	for i := range d {
		d[i] = math.Abs(loss[i+1] - loss[i])
	}
	slices.Sort(d)
	return d[len(d)/2] / (0.6745 * math.Sqrt2)
}

// suggestLR finds where the loss falls most steeply by the number of steps, before its lowest value.
func suggestLR(points []LRPoint) (LRFinding, error) {
	f := LRFinding{Steps: len(points)}
	if len(points) < findSkip+4 {
		return f, fmt.Errorf("the loss explodes after %d steps, at learning rate %.3g: start at a smaller one (--min)",
			len(points), points[len(points)-1].LR)
	}
	f.Points = points
	loss := make([]float64, len(points))
	for i, p := range points {
		loss[i] = p.Loss
	}
	begin := loss[:max(findSkip, len(loss)/10)]
	start := median(begin)
	f.top = start + max(start-slices.Min(loss), 4*noiseOf(begin))
	for i, v := range loss { // the explosion must not move the curve before it
		loss[i] = min(v, f.top)
	}
	c := smooth(loss)
	for i := range points {
		points[i].Smooth = c.value[i]
	}
	low := 0
	for i, v := range c.value {
		if v < c.value[low] {
			low = i
		}
	}
	f.Fall, f.Noise = start-c.value[low], noiseOf(loss[:max(low+1, len(begin))])
	// The median of the first values varies 1.25 times as much as their mean.
	spread := f.Noise * math.Hypot(c.spread[low], 1.2533/math.Sqrt(float64(len(begin))))
	if f.Fall <= fallSigmas*spread || f.Fall < fallPart*math.Abs(start) || low < 2 {
		what := "does not fall"
		if f.Fall > 0 {
			what = fmt.Sprintf("falls by %.3g, which may be noise (%.3g per step)", f.Fall, f.Noise)
		}
		return f, fmt.Errorf("no learning rate from %.3g to %.3g stands out: the loss %s; try other bounds (--min, "+
			"--max), more steps (--steps) or larger batches",
			points[0].LR, points[len(points)-1].LR, what)
	}
	steepest := 0
	for i := range low {
		if c.slope[i] < c.slope[steepest] {
			steepest = i
		}
	}
	f.Suggestion, f.Lowest, f.AtEnd = points[steepest].LR, points[low].LR, low == len(points)-1
	return f, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
