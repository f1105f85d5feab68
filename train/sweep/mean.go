package sweep

import "math"

// Mean is the mean of a figure over trials, with its standard deviation.
type Mean struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // sample standard deviation
	N    int     `json:"n"`   // trials with the figure
}

// MeanOf returns the mean of a figure over the trials that have it; n is 0 if none has.
func MeanOf(trials []Trial, figure func(Trial) *float64) (m Mean) {
	var values []float64
	for _, t := range trials {
		if v := figure(t); v != nil && t.State == Finished {
			values = append(values, *v)
			m.Mean += *v
		}
	}
	if m.N = len(values); m.N == 0 {
		return m
	}
	m.Mean /= float64(m.N)
	if m.N > 1 {
		for _, v := range values {
			m.Std += (v - m.Mean) * (v - m.Mean)
		}
		m.Std = math.Sqrt(m.Std / float64(m.N-1))
	}
	return m
}
