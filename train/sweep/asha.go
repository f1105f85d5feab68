package sweep

import (
	"cmp"
	"math"
	"slices"
)

// rungs returns the numbers of epochs after which trials are compared, up to all epochs.
func (p *Plan) rungs(epochs int) (all []int) {
	if p.Search != ASHA {
		return []int{epochs}
	}
	for at := p.MinEpochs; at < epochs; at *= p.Reduction {
		all = append(all, at)
	}
	return append(all, epochs)
}

// job is a trial to train up to a rung.
type job struct{ trial, rung int }

// next returns the next job: an unfinished trial, else the best trial that is due for the next rung, from the
// top rung down, else a new one. ok is false if there is nothing to do now.
func (s *state) next() (job, bool) {
	for i := range s.trials {
		t := &s.trials[i]
		if t.begun > t.done() && !t.running && !t.failed() {
			return job{i, t.begun - 1}, true
		}
	}
	for r := len(s.rungs) - 2; r >= 0; r-- {
		if i, ok := s.promotable(r); ok {
			return job{i, r + 1}, true
		}
	}
	for i := range s.trials {
		if t := &s.trials[i]; t.begun == 0 && !t.failed() {
			return job{i, 0}, true
		}
	}
	return job{}, false
}

// promotable returns the best trial of a rung that belongs to the best 1/reduction of the finished ones there,
// and has not continued yet.
func (s *state) promotable(rung int) (trial int, ok bool) {
	var at []int
	for i := range s.trials {
		if s.trials[i].done() > rung {
			at = append(at, i)
		}
	}
	slices.SortStableFunc(at, func(a, b int) int {
		return cmp.Or(s.compare(s.trials[a].results[rung], s.trials[b].results[rung]), cmp.Compare(a, b))
	})
	for _, i := range at[:len(at)/s.plan.Reduction] {
		if t := &s.trials[i]; t.begun == rung+1 && !t.failed() {
			return i, true
		}
	}
	return 0, false
}

// compare orders results, the better first and NaN last. The loss decides between equal accuracies.
func (s *state) compare(a, b Result) int {
	last := func(v float64) float64 {
		if math.IsNaN(v) {
			return math.Inf(1)
		}
		return v
	}
	loss := cmp.Compare(last(a.Loss), last(b.Loss))
	if s.metric == "top1" {
		return cmp.Or(cmp.Compare(last(-a.Top1), last(-b.Top1)), loss)
	}
	return loss
}
