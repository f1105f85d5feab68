package ops

// Parallel is what a graph has to do with the ranks that run the same graph on other
// samples of a batch. The zero value is a graph that is alone.
type Parallel struct {
	// Batch is the number of samples of all ranks; 0 is that of the graph. Losses are
	// means over so many: those of the ranks, and their gradients, add up to that of
	// the whole batch.
	Batch int
	// Sum replaces x by its sum over the ranks. With it batch norms in training have
	// the statistics of the whole batch; nil leaves each rank its own.
	Sum func(x []float64) error
	// Final is told of a parameter when the run in progress has added all that it adds
	// to its gradient: on every rank in the same order. It may be nil.
	Final func(*Param)
}

// batch is the number of samples of all ranks, of which own are here.
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
