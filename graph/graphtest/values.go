package graphtest

import (
	"fasternet/internal/golden"
	"fasternet/internal/rng"
	"fasternet/layers"
)

// Random returns n values of a normal distribution, the same for the same position.
func Random(n int, at uint64) []float32 {
	r := rng.New(1, rng.Bench, at)
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Fill sets parameters and buffers to the weights of the reference values.
func Fill(s *layers.Store, seed int) {
	FillParameters(s, seed)
	for _, e := range s.Entries {
		if e.Buffer != nil {
			copy(e.Buffer, golden.Weight(e.Name, seed, e.Shape))
		}
	}
}

// FillParameters sets only parameters to the weights of the reference values.
func FillParameters(s *layers.Store, seed int) {
	for _, p := range s.Params() {
		copy(p.Data(), golden.Weight(p.Name, seed, p.Shape()))
		p.Changed()
	}
}
