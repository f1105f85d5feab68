package graph

import (
	"fasternet/configs"
	"fasternet/layers"
)

// Foldable is a model that has a folded form: batch norms and layer scale are
// part of the convolutions before them. It gives the same logits but for
// rounding, in less time, and cannot be trained.
type Foldable interface {
	Model
	// Fold returns the folded form with parameters of its own; a model that is
	// folded returns itself.
	Fold() (Model, error)
	// Folded says whether the model is in folded form.
	Folded() bool
}

// NewFoldedFasterNet makes a FasterNet in folded form, with parameters of zeros
// under the names of the official folded state dict, e.g.
// "patch_embed.proj.bias".
func NewFoldedFasterNet(c configs.Model) (*FasterNet, error) {
	return newFasterNet(c, layers.NewFoldedStore())
}

// Folded is part of Foldable.
func (m *FasterNet) Folded() bool { return m.store.Folded }

// Fold is part of Foldable.
func (m *FasterNet) Fold() (Model, error) {
	if m.Folded() {
		return m, nil
	}
	f, err := NewFoldedFasterNet(m.config)
	if err != nil {
		return nil, err
	}
	m.embed.Fold(f.embed)
	for i, l := range m.merges {
		l.Fold(f.merges[i])
	}
	for i, stage := range m.stages {
		for j, b := range stage {
			b.Fold(f.stages[i][j])
		}
	}
	m.head.Fold(f.head)
	return f, nil
}

// ForInference is the folded form of a model, with the weights as they are now,
// or the model itself if it has none.
func ForInference(m Model) (Model, error) {
	if f, ok := m.(Foldable); ok {
		return f.Fold()
	}
	return m, nil
}

// ForInference is a runner of the model for inference in the same memory: only
// one of the two runs at a time.
func (r *Runner) ForInference() (*Runner, error) {
	m, err := ForInference(r.Model)
	if err != nil || m == r.Model {
		return r, err
	}
	return r.Beside(m), nil
}

// Beside is a runner of another model in the same memory: only one of the two runs
// at a time.
func (r *Runner) Beside(m Model) *Runner {
	return &Runner{Model: m, space: r.space, programs: map[Shape]*Program{}}
}
