package ops

// Parallel connects a graph with the ranks that run the same graph on other samples of a batch. The zero
// value is a graph that runs alone.
type Parallel struct {
	// Batch is the number of samples of all ranks; 0 means the samples of this graph. Losses are
	// means over Batch samples, so the losses and gradients of the ranks add up to the loss and the
	// gradient of the whole batch.
	Batch int
	// Sum replaces x by its sum over the ranks. With it, batch norms in training use the statistics
	// of the whole batch; if it is nil, each rank uses its own.
	Sum func(x []float64) error
	// Final is called with a parameter when the current run has added everything to its gradient, in the
	// same order on every rank. It may be nil.
	Final func(*Param)
}

// batch returns the number of samples of all ranks; own is the number of this rank.
func (p *Parallel) batch(own int) int {
	if p.Batch > 0 {
		return p.Batch
	}
	return own
}

func (p *Parallel) final(q *Param) {
	if p.Final != nil {
		p.Final(q)
	}
}
