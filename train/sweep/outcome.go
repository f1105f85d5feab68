package sweep

import (
	"cmp"
	"slices"
)

// outcome returns the current state of the sweep.
func (s *state) outcome() *Outcome {
	out := &Outcome{
		Dir:    s.o.Dir,
		Search: s.plan.Search,
		Metric: s.metric,
		Rungs:  s.rungs,
		Trials: make([]Trial, len(s.trials)),
	}
	for _, d := range s.plan.Space {
		out.Keys = append(out.Keys, d.Key)
	}
	_, more := s.next()
	out.Done = !more
	for i := range s.trials {
		out.Trials[i] = s.trialAt(i)
	}
	// Trials that were trained longer come first: a figure after fewer epochs says less.
	slices.SortStableFunc(out.Trials, func(a, b Trial) int {
		x, y := &s.trials[a.Number-1], &s.trials[b.Number-1]
		if c := cmp.Compare(y.good(), x.good()); c != 0 || x.good() == 0 {
			return c
		}
		return s.compare(x.results[x.good()-1], y.results[y.good()-1])
	})
	if len(out.Trials) > 0 && out.Trials[0].Loss != nil {
		best := out.Trials[0]
		out.Best = &best
	}
	return out
}

// good returns the number of rungs that a trial has passed without an error.
func (t *trial) good() int {
	n := len(t.results)
	if n > 0 && t.results[n-1].Error != "" {
		return n - 1
	}
	return n
}

// trialAt returns what is known about a trial.
func (s *state) trialAt(i int) Trial {
	t := &s.trials[i]
	out := Trial{Number: i + 1, Values: s.plan.Values(i), State: Waiting, Results: t.results}
	if t.invalid != nil {
		out.State, out.Error = Invalid, t.invalid.Error()
		return out
	}
	if t.begun > 0 {
		out.Run = s.runDir(i)
	}
	n := t.good()
	if n > 0 {
		r := t.results[n-1]
		out.Epochs, out.Best, out.Loss = r.Epochs, r.BestEpoch, &r.Loss
		if t.config.Task == "classify" {
			out.Top1, out.Top5 = &r.Top1, &r.Top5
		}
	}
	switch last := len(t.results); {
	case last > n:
		out.State, out.Error = Failed, t.results[last-1].Error
		out.Epochs = max(out.Epochs, t.results[last-1].Epochs)
	case t.begun > last:
	case last == len(s.rungs):
		out.State = Finished
	case last > 0:
		out.State = Stopped
	}
	return out
}
