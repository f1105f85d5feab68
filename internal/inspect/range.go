// Package inspect examines the values of a training step: the range of each tensor, and the first
// value that is not finite.
package inspect

import (
	"encoding/json"
	"math"
)

// Range describes values: their number and their range.
type Range struct {
	Count, Zeros, NaN, Inf int
	Min, Max, Mean         float64 // of the finite values; NaN if there are none
}

// RangeOf returns the range of values.
func RangeOf(values []float32) Range {
	r := Range{Count: len(values), Min: math.Inf(1), Max: math.Inf(-1)}
	sum := 0.0
	for _, v := range values {
		x := float64(v)
		switch {
		case math.IsNaN(x):
			r.NaN++
			continue
		case math.IsInf(x, 0):
			r.Inf++
			continue
		case x == 0:
			r.Zeros++
		}
		sum += x
		r.Min, r.Max = min(r.Min, x), max(r.Max, x)
	}
	if r.Finite() == 0 {
		r.Min, r.Max = math.NaN(), math.NaN()
	}
	r.Mean = sum / float64(r.Finite())
	return r
}

// Finite returns the number of finite values.
func (r Range) Finite() int { return r.Count - r.NaN - r.Inf }

// Bad returns the number of values that are NaN or infinite.
func (r Range) Bad() int { return r.NaN + r.Inf }

// Add returns the range of the values of both.
func (r Range) Add(o Range) Range {
	switch {
	case r.Finite() == 0:
		r.Min, r.Max, r.Mean = o.Min, o.Max, o.Mean
	case o.Finite() > 0:
		n, m := float64(r.Finite()), float64(o.Finite())
		r.Min, r.Max, r.Mean = min(r.Min, o.Min), max(r.Max, o.Max), (n*r.Mean+m*o.Mean)/(n+m)
	}
	r.Count, r.Zeros, r.NaN, r.Inf = r.Count+o.Count, r.Zeros+o.Zeros, r.NaN+o.NaN, r.Inf+o.Inf
	return r
}

// ZeroShare returns the share of zeros among the values, from 0 to 1.
func (r Range) ZeroShare() float64 { return float64(r.Zeros) / float64(max(r.Count, 1)) }

// MarshalJSON implements json.Marshaler: min, max and mean are null if no value is finite.
func (r Range) MarshalJSON() ([]byte, error) {
	number := func(v float64) *float64 {
		if math.IsNaN(v) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Count int      `json:"count"`
		Min   *float64 `json:"min"`
		Max   *float64 `json:"max"`
		Mean  *float64 `json:"mean"`
		Zeros float64  `json:"zeros"` // share, from 0 to 1
		NaN   int      `json:"nan"`
		Inf   int      `json:"inf"`
	}{r.Count, number(r.Min), number(r.Max), number(r.Mean), r.ZeroShare(), r.NaN, r.Inf})
}
