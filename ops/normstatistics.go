package ops

import "slices"

// MeanStatistics sets the running statistics of batch norms to the mean of the statistics of
// batches (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021). measure runs batch k through
// the norms. After an error the statistics are unchanged.
func MeanStatistics(norms []*BatchNorm, batches int, measure func(k int) error) (err error) {
	undo := RememberNorms(norms)
	defer func() { undo(err != nil) }()
	for _, n := range norms { // the first batch must leave no trace of the old values
		clear(n.RunningMean)
		clear(n.RunningVar)
	}
	for k := range batches {
		for _, n := range norms {
			n.Momentum = 1 / float64(k+1)
		}
		if err := measure(k); err != nil {
			return err
		}
	}
	return nil
}

// RememberNorms saves the momentum of norms, the number of batches they have seen, and their
// statistics. It returns a function that restores these; it restores the statistics only if
// everything is to be undone.
func RememberNorms(norms []*BatchNorm) func(all bool) {
	type state struct {
		momentum       float64
		tracked        int64
		mean, variance []float32
	}
	var states []state
	for _, n := range norms {
		states = append(states, state{n.Momentum, *n.Tracked, slices.Clone(n.RunningMean), slices.Clone(n.RunningVar)})
	}
	return func(all bool) {
		for i, n := range norms {
			n.Momentum, *n.Tracked = states[i].momentum, states[i].tracked
			if all {
				copy(n.RunningMean, states[i].mean)
				copy(n.RunningVar, states[i].variance)
			}
		}
	}
}
