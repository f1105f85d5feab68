package train

import (
	"fmt"
	"math"
	"slices"
)

// The loss of a step is noisy: each batch has other images. A curve that is smoothed tells
// where the loss falls; whether it falls at all, its noise does.

const (
	// smoothPart is the deviation of the Gaussian window that smooths, as a part of the
	// steps. About 3.5 times as many steps count.
	smoothPart  = 0.04
	smoothLeast = 1.5 // steps, of few

	// fallSigmas is how many standard deviations of the smoothed curve the loss must fall
	// by: of curves that are noise alone less than one in 500 does.
	fallSigmas = 5

	// fallPart is the part of the loss that it must fall by too. Labels that say nothing of
	// the images let a classifier learn how frequent each class is, and with the learning
	// rate the noise grows: of such labels, falls of 0.1 to 0.8 % are usual.
	fallPart = 0.01
)

// curve is a smoothed loss by step, from a local linear fit: unlike an average of what was
// before, it does not lag, and at its ends it follows a slope.
type curve struct {
	value, slope []float64 // by step
	spread       []float64 // standard deviation of value, in those of a step's loss
}

func smooth(loss []float64) curve {
	n := len(loss)
	width := max(smoothPart*float64(n), smoothLeast)
	reach := int(math.Ceil(3 * width))
	c := curve{make([]float64, n), make([]float64, n), make([]float64, n)}
	for i := range n {
		from, to := max(i-reach, 0), min(i+reach+1, n)
		var s0, s1, s2 float64 // sums of the weights, times distance, times its square
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

// noiseOf is the standard deviation of the losses around their curve, from the differences of
// neighbours: half of these are smaller than 0.954 times it.
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

// suggestLR finds where the loss falls most steeply, by the number of steps, of what comes
// before its lowest value.
func suggestLR(points []LRPoint) (LRFinding, error) {
	f := LRFinding{Steps: len(points)}
	if len(points) < findSkip+4 {
		return f, fmt.Errorf("the loss explodes after %d steps, at a learning rate of %.3g: look from a smaller one on (--min)", len(points), points[len(points)-1].LR)
	}
	f.Points = points
	loss := make([]float64, len(points))
	for i, p := range points {
		loss[i] = p.Loss
	}
	begin := loss[:max(findSkip, len(loss)/10)]
	start := median(begin)
	f.top = start + max(start-slices.Min(loss), 4*noiseOf(begin))
	for i, v := range loss { // what explodes must not move the curve before it
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
	// The median of the begin spreads by 1.25 times what its mean does.
	spread := f.Noise * math.Hypot(c.spread[low], 1.2533/math.Sqrt(float64(len(begin))))
	if f.Fall <= fallSigmas*spread || f.Fall < fallPart*math.Abs(start) || low < 2 {
		what := "does not fall"
		if f.Fall > 0 {
			what = fmt.Sprintf("falls by %.3g, which may be noise (%.3g from step to step)", f.Fall, f.Noise)
		}
		return f, fmt.Errorf("there is no learning rate to find from %.3g to %.3g: the loss %s; take other bounds (--min, --max), more steps (--steps) or larger batches",
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
