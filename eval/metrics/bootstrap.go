package metrics

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"fasternet/internal/rng"
)

// Intervals are confidence intervals of figures: most values that the figure has on
// resamples lie between their two ends.
type Intervals struct {
	Method    string                `json:"method"`
	Level     float64               `json:"level"` // the part of the resamples that lies inside
	Resamples int                   `json:"resamples"`
	Seed      uint64                `json:"seed"`
	Figures   map[string][2]float64 `json:"figures"` // by the names of IntervalNames
}

// Level is the part of the resamples that lies in an interval.
const Level = 0.95

const bootstrapMethod = "bootstrap, percentile"

// MostResamples is the largest number of resamples of a bootstrap.
const MostResamples = 100_000

// IntervalNames lists the figures that have intervals: top1 and top5 in percent, the others as
// in Figures. The last two need all logits, and are left out if they would take long.
var IntervalNames = []string{
	"top1", "top5", "nll", "f1_macro", "f1_weighted", "balanced_accuracy",
	"ece", "brier", "roc_auc_macro", "average_precision_macro",
}

// resample holds the sums over a resample of the images.
type resample struct {
	classes        []tally
	right, right5  int
	images, finite int
	nll, brier     float64
	bins           reliability
}

// draw is an image in a form that is quick to add.
type draw struct {
	nll, brier, confidence float64
	label, answer          int32
	bin                    uint8
	right, right5, finite  bool
}

func (c *Collector) draws() []draw {
	all := make([]draw, len(c.images))
	for i := range c.images {
		x := &c.images[i]
		d := draw{label: x.label, answer: x.answer, right: x.rank == 0, right5: x.rank < 5, finite: x.finite()}
		if d.finite {
			d.nll, d.brier, d.confidence, d.bin = x.nll, x.brier, x.confidence, uint8(binOf(x.confidence))
		}
		all[i] = d
	}
	return all
}

func (r *resample) reset(classes int) {
	t := r.classes
	if t == nil {
		t = make([]tally, classes)
	}
	clear(t)
	*r = resample{classes: t}
}

func (r *resample) add(d *draw) {
	r.images++
	r.classes[d.label].support++
	if d.answer >= 0 {
		r.classes[d.answer].predicted++
	}
	if d.right {
		r.right++
		r.classes[d.label].correct++
	}
	if d.right5 {
		r.right5++
	}
	if d.finite {
		r.finite++
		r.nll += d.nll
		r.brier += d.brier
		r.bins.add(int(d.bin), d.confidence, d.right)
	}
}

// figures returns the figures of IntervalNames. The last two, and figures that are not defined, are NaN.
func (r *resample) figures() [10]float64 {
	n, f := float64(r.images), float64(r.finite)
	a := averageF1(r.classes)
	return [10]float64{
		100 * float64(r.right) / n, 100 * float64(r.right5) / n, r.nll / f,
		a.macro, a.weighted, a.balanced, r.bins.ece(), r.brier / f, nan, nan,
	}
}

// Bootstrap draws as many images as there are, with replacement, for each resample, and returns
// the intervals between the 2.5th and the 97.5th percentile of the figures (Efron 1979). Equal
// seeds give equal intervals.
func (c *Collector) Bootstrap(resamples int, seed uint64) (*Intervals, error) {
	if resamples < 1 || resamples > MostResamples {
		return nil, fmt.Errorf("%d resamples: want 1 to %d", resamples, MostResamples)
	}
	if len(c.images) == 0 {
		return nil, fmt.Errorf("there are no images to resample")
	}
	draws, rankings := c.draws(), c.orderings(resamples)
	values := make([][10]float64, resamples)
	eachResample(resamples, func() func(k int) {
		var r resample
		times := make([]uint16, len(draws)) // how often each image was drawn
		return func(k int) {
			r.reset(c.classes)
			clear(times)
			random := rng.New(seed, rng.Bootstrap, uint64(k))
			for range draws {
				i := random.IntN(len(draws))
				times[i]++
				r.add(&draws[i])
			}
			v := r.figures()
			if rankings != nil {
				v[8], v[9] = rankAverages(rankings, draws, times)
			}
			values[k] = v
		}
	})
	out := &Intervals{
		Method:    bootstrapMethod,
		Level:     Level,
		Resamples: resamples,
		Seed:      seed,
		Figures:   map[string][2]float64{},
	}
	column := make([]float64, resamples)
	for f, name := range IntervalNames {
		for k := range values {
			column[k] = values[k][f]
		}
		if low, high, ok := interval(column); ok {
			out.Figures[name] = [2]float64{low, high}
		}
	}
	return out, nil
}

// eachResample calls worker in each goroutine, and its result for the resamples.
func eachResample(resamples int, worker func() func(k int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), resamples) {
		wait.Go(func() {
			f := worker()
			for k := int(next.Add(1)) - 1; k < resamples; k = int(next.Add(1)) - 1 {
				f(k)
			}
		})
	}
	wait.Wait()
}

// interval sorts values and returns their percentiles; ok is false if one is not finite.
func interval(values []float64) (low, high float64, ok bool) {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, 0, false
		}
	}
	slices.Sort(values)
	return quantile(values, (1-Level)/2), quantile(values, (1+Level)/2), true
}

// quantile interpolates between sorted values, as numpy.percentile does.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	k := int(at)
	if k+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[k] + (at-float64(k))*(sorted[k+1]-sorted[k])
}
