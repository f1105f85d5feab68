package graph

// Foldable is a model that has a folded form: batch norms and layer scale are
// part of the convolutions before them. It gives the same logits but for
// rounding, in less time, and cannot be trained.
type Foldable interface {
	Model
	// Fold returns the folded form with parameters of its own; a model that is
	// folded returns itself.
	Fold() (Model, error)
	// Refold brings a folded form that Fold has returned up to date with the weights
	// as they are now.
	Refold(folded Model) error
	// Folded says whether the model is in folded form.
	Folded() bool
}

// ForInference is the folded form of a model, with the weights as they are now,
// or the model itself if it has none.
func ForInference(m Model) (Model, error) {
	if f, ok := m.(Foldable); ok {
		return f.Fold()
	}
	return m, nil
}

// ForInference is a runner of the model for inference, with the weights as they are
// now, in the same memory: only one of the two runs at a time. It is made once, with its
// programs; each call brings its weights up to date, also in a runner that was returned
// before.
func (r *Runner) ForInference() (*Runner, error) {
	if r.inference != nil {
		return r.inference, r.Model.(Foldable).Refold(r.inference.Model)
	}
	m, err := ForInference(r.Model)
	if err != nil || m == r.Model {
		return r, err
	}
	r.inference = r.Beside(m)
	return r.inference, nil
}

// Beside is a runner of another model in the same memory: only one of the two runs
// at a time.
func (r *Runner) Beside(m Model) *Runner {
	return &Runner{Model: m, space: r.space}
}
