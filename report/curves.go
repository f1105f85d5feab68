package report

import (
	"fmt"
	"math"

	"fasternet/train"
)

// charts draws the curves of one run.
func (r *Run) charts() []*Chart {
	loss := r.points(func(_ int, s train.Record) float64 { return s.Loss })
	evalLoss := r.scored(func(s train.Score) float64 { return s.Loss })
	top1 := r.scored(func(s train.Score) float64 { return s.Top1 })
	top5 := r.scored(func(s train.Score) float64 { return s.Top5 })
	if n := len(top5); n > 0 && top5[n-1].y > 99 { // with few classes, it would flatten the other curve
		top5 = nil
	}
	unit := "nats; training has augmentation and smoothed labels"
	accuracy := newChart("Accuracy", "% of the validation images", math.NaN(),
		series{name: "top-1", colour: 1, points: top1},
		series{name: "top-5", colour: 2, points: top5})
	switch {
	case r.Pretraining():
		unit, accuracy = "mean squared difference, summed over the scales", nil
	case r.MultiLabel():
		precision := r.scored(func(s train.Score) float64 { return s.MAP })
		accuracy = newChart("Mean average precision", "% on the validation images, mean over the labels",
			math.NaN(), series{name: "mAP", colour: 1, points: precision})
	}
	all := []*Chart{
		accuracy,
		newChart("Loss", unit, math.NaN(),
			series{name: "training", colour: 1, points: loss},
			series{name: "validation", colour: 2, points: evalLoss}),
		newChart("Loss of each scale", "training", math.NaN(), r.scales()...),
		newChart("Similarity of channels", "mean cosine of pairs of hidden channels; near 1 all are the same", 0,
			r.similarities()...),
		r.steps("Learning rate", "", 0, func(_ int, s train.Record) float64 { return s.LR }),
	}
	return compact(append(all, r.costs()...))
}

// costs draws what the training costs.
func (r *Run) costs() []*Chart {
	return []*Chart{
		r.steps("Gradient norm", "before clipping", math.NaN(), func(_ int, s train.Record) float64 {
			return s.GradNorm
		}),
		r.steps("Throughput", "images per second", 0, func(_ int, s train.Record) float64 { return s.Speed }),
		r.steps("Waiting for data", "% of the time", 0, func(i int, _ train.Record) float64 {
			return 100 * r.waited(i)
		}),
		r.steps("Memory", "MB resident", 0, func(_ int, s train.Record) float64 { return s.Memory }),
	}
}

// steps draws a value of the step records.
func (r *Run) steps(title, unit string, from float64, value func(i int, s train.Record) float64) *Chart {
	return newChart(title, unit, from, series{colour: 1, points: r.points(value)})
}

func (r *Run) points(value func(i int, s train.Record) float64) (all []point) {
	some := false
	for i, s := range r.Steps {
		v := value(i, s)
		some = some || v != 0
		all = append(all, r.place(s, v))
	}
	if !some {
		return nil // not recorded
	}
	return all
}

// scored returns a value of the evaluated epochs.
func (r *Run) scored(value func(s train.Score) float64) (all []point) {
	for _, s := range r.Scores {
		all = append(all, r.afterEpoch(s.Epoch, value(s)))
	}
	return all
}

// place returns the point of a value at a step record.
func (r *Run) place(s train.Record, v float64) point {
	return point{r.at(s), v, s.Batches, r.elapsed()[s.Batches]}
}

// afterEpoch returns the point of a value at the end of an epoch, counted from 0.
func (r *Run) afterEpoch(epoch int, v float64) point {
	times := r.elapsed()
	batches, ok := r.ends[epoch]
	if !ok { // the log does not have it
		batches = (epoch + 1) * r.perEpoch
	}
	return point{float64(epoch + 1), v, batches, times[batches]}
}

// elapsed returns the time in seconds that all processes of the run have taken, by the number
// of batches at the records of the log.
func (r *Run) elapsed() map[int]float64 {
	if r.times == nil {
		r.times, r.ends = map[int]float64{}, map[int]int{}
		var total, since float64
		for _, rec := range r.merged() {
			if rec.Seconds < since { // another process
				total += since
			}
			since = rec.Seconds
			r.times[rec.Batches] = total + since
			if rec.Kind == train.EpochRecord {
				r.ends[rec.Epoch] = rec.Batches
			}
		}
	}
	return r.times
}

func (r *Run) scales() (all []series) {
	for _, s := range r.Steps {
		for k, l := range s.Scales {
			if k == len(all) {
				all = append(all, series{name: fmt.Sprintf("scale %d", k+1), colour: k + 1})
			}
			all[k].points = append(all[k].points, r.place(s, l))
		}
	}
	return all
}

// similarities returns how similar the hidden channels of each stage are, for the pre-training of a FasterNet.
func (r *Run) similarities() (all []series) {
	for _, e := range r.Epochs {
		for k, v := range e.Similar {
			if k == len(all) {
				all = append(all, series{
					name:   fmt.Sprintf("stage %d", k+1),
					colour: k%colours + 1,
					dashed: k >= colours,
				})
			}
			all[k].points = append(all[k].points, r.afterEpoch(e.Epoch, v))
		}
	}
	return all
}

// overlaid draws the curves of several runs in the same charts.
func overlaid(runs []*Run) []*Chart {
	of := func(title, unit string, from float64, points func(r *Run) []point) *Chart {
		var all []series
		for i, r := range runs {
			all = append(all, series{
				name:   r.Name,
				colour: 1 + i%colours,
				dashed: i/colours%2 == 1,
				run:    i + 1,
				points: points(r),
			})
		}
		return newChart(title, unit, from, all...)
	}
	steps := func(value func(r *Run, i int, s train.Record) float64) func(r *Run) []point {
		return func(r *Run) []point {
			return r.points(func(i int, s train.Record) float64 { return value(r, i, s) })
		}
	}
	scores := func(value func(s train.Score) float64) func(r *Run) []point {
		return func(r *Run) []point { return r.scored(value) }
	}
	return compact([]*Chart{
		of("Top-1 accuracy", "% of the validation images", math.NaN(), func(r *Run) []point {
			if r.Pretraining() || r.MultiLabel() {
				return nil
			}
			return scores(func(s train.Score) float64 { return s.Top1 })(r)
		}),
		of("Mean average precision", "% on the validation images, mean over the labels", math.NaN(),
			func(r *Run) []point {
				if !r.MultiLabel() {
					return nil
				}
				return scores(func(s train.Score) float64 { return s.MAP })(r)
			}),
		of("Validation loss", "", math.NaN(), scores(func(s train.Score) float64 { return s.Loss })),
		of("Training loss", "", math.NaN(), steps(func(_ *Run, _ int, s train.Record) float64 { return s.Loss })),
		of("Learning rate", "", 0, steps(func(_ *Run, _ int, s train.Record) float64 { return s.LR })),
		of("Gradient norm", "before clipping", math.NaN(), steps(func(_ *Run, _ int, s train.Record) float64 {
			return s.GradNorm
		})),
		of("Throughput", "images per second", 0, steps(func(_ *Run, _ int, s train.Record) float64 { return s.Speed })),
		of("Waiting for data", "% of the time", 0, steps(func(r *Run, i int, _ train.Record) float64 {
			return 100 * r.waited(i)
		})),
	})
}

// colours is the number of colours; further curves are dashed.
const colours = 6

func compact(all []*Chart) (kept []*Chart) {
	for _, c := range all {
		if c != nil {
			kept = append(kept, c)
		}
	}
	return kept
}
