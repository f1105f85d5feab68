package train

import (
	"fasternet/collective"
	"fasternet/ops"
)

// Averaging sums the gradients of a model over the ranks as a run does: in buckets, during the backward pass.
type Averaging struct{ b *buckets }

// NewAveraging moves the gradients of the parameters into buckets, in the order in which a program learns
// them (graph.Program.Learned). Set ops.Parallel.Final to its Final.
func NewAveraging(g collective.Group, params, learned []*ops.Param) *Averaging {
	return &Averaging{newBuckets(g, inOrder(trained(params), learned), bucketSize)}
}

// Begin announces a backward pass whose gradients are to be summed.
func (a *Averaging) Begin() { a.b.active = true }

// Final notes that a gradient is complete.
func (a *Averaging) Final(p *ops.Param) { a.b.final(p) }

// Wait returns when all gradients are summed. Gradients that nobody has reported count as complete.
func (a *Averaging) Wait() error { return a.b.wait() }
