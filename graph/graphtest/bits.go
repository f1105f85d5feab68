package graphtest

import (
	"math"
	"slices"
	"testing"

	"fasternet/layers"
)

// Bits holds the results of a run: values by name, and the size of its memory for activations.
type Bits struct {
	Values map[string][]float32
	Arena  int
}

// Add keeps a copy of values.
func (b *Bits) Add(name string, v ...float32) {
	if b.Values == nil {
		b.Values = map[string][]float32{}
	}
	b.Values[name] = slices.Clone(v)
}

// AddState keeps gradients and running statistics.
func (b *Bits) AddState(s *layers.Store) {
	for _, q := range s.Params() {
		b.Add("the gradient of "+q.Name, q.GradData()...)
	}
	for _, n := range s.Norms {
		b.Add("the running mean of "+n.Weight.Name, n.RunningMean...)
		b.Add("the running variance of "+n.Weight.Name, n.RunningVar...)
		b.Add("the batches that were seen by "+n.Weight.Name, float32(*n.Tracked))
	}
}

// Compare names what differs from the bits of another run.
func (b *Bits) Compare(t *testing.T, what string, want *Bits) {
	t.Helper()
	for name, w := range want.Values {
		got := b.Values[name]
		if len(got) != len(w) {
			t.Errorf("%s: %s has %d values, want %d", what, name, len(got), len(w))
			continue
		}
		for i := range w {
			if math.Float32bits(got[i]) != math.Float32bits(w[i]) {
				t.Errorf("%s: %s: value %d is %v, want %v", what, name, i, got[i], w[i])
				break
			}
		}
	}
}

// Reset undoes what training has changed in a model that takes no step.
func Reset(s *layers.Store) {
	for _, q := range s.Params() {
		clear(q.GradData())
	}
	for _, n := range s.Norms {
		clear(n.RunningMean)
		for i := range n.RunningVar {
			n.RunningVar[i] = 1
		}
		*n.Tracked = 0
	}
}
