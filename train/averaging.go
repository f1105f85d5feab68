package train

import (
	"fasternet/collective"
	"fasternet/ops"
)

// Averaging sums the gradients of a model over the ranks as a run does: in buckets,
// while the backward pass goes on.
type Averaging struct{ b *buckets }

// NewAveraging moves the gradients of the parameters into buckets, in the order in which
// a program learns them (graph.Program.Learned). Its Final belongs into
// ops.Parallel.Final.
func NewAveraging(g collective.Group, params, learned []*ops.Param) *Averaging {
	return &Averaging{newBuckets(g, inOrder(trained(params), learned), bucketSize)}
}

// Begin says that the next backward pass is one whose gradients are to be summed.
func (a *Averaging) Begin() { a.b.active = true }

// Final takes note of a gradient that is complete.
func (a *Averaging) Final(p *ops.Param) { a.b.final(p) }

// Wait returns when all gradients are summed; the ones of which nobody has said that they
// are complete are.
func (a *Averaging) Wait() error { return a.b.wait() }
