package graph

// Foldable is a model with a folded form, in which batch norms and layer scale are part of the
// convolutions before them. It gives the same logits except for rounding, in less time, and cannot
// be trained.
type Foldable interface {
	Model
	// Fold returns the folded form with its own parameters. A folded model returns itself.
	Fold() (Model, error)
	// Refold updates a folded form that Fold has returned with the current weights.
	Refold(folded Model) error
	// Folded says whether the model is in folded form.
	Folded() bool
}

// ForInference returns the folded form of a model with its current weights, or the model itself if
// it has none.
func ForInference(m Model) (Model, error) {
	if f, ok := m.(Foldable); ok {
		return f.Fold()
	}
	return m, nil
}

// ForInference returns a runner of the model for inference with its current weights, in the same
// memory: only one of the two runs at a time. It is made once, with its programs. Each call updates
// its weights, also in a runner that was returned before.
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

// Beside returns a runner of another model in the same memory: only one of the two runs at a time.
func (r *Runner) Beside(m Model) *Runner {
	return &Runner{Model: m, space: r.space}
}
