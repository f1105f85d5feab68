package train

import (
	"math"
	"time"

	"fasternet/collective"
	"fasternet/kernels"
	"fasternet/ops"
)

// bucketSize is the least number of gradients that are summed over the ranks at a
// time: 4 MiB, far more than latency costs and far less than a backward pass takes.
const bucketSize = 1 << 20

// buckets sum the gradients over the ranks while the backward pass goes on. The
// gradients that it completes one after the other lie side by side, and what lies in a
// bucket is summed when the last of them is complete. One rank has no buckets.
type buckets struct {
	group  collective.Group
	list   []*bucket
	of     map[*ops.Param]*bucket
	active bool // the batch is the last of a step: what it completes is complete
	next   int  // bucket that is to be summed
	waits  []func() error
	broken bool          // a gradient of this rank is not finite
	waited time.Duration // for the sums of the last step, after its backward pass
}

type bucket struct {
	memory []float32
	params int
	left   int // parameters whose gradients are not complete yet
}

// newBuckets moves the gradients of the parameters into buckets; complete first are
// those in front. least is the number of values from which on a bucket is full.
func newBuckets(g collective.Group, params []*ops.Param, least int) *buckets {
	b := &buckets{group: g, of: map[*ops.Param]*bucket{}}
	if g.Size() == 1 {
		return b
	}
	const align = 16 // values in a cache line
	padded := func(p *ops.Param) int { return (p.Size() + align - 1) / align * align }
	for len(params) > 0 {
		n, size := 0, 0
		for n < len(params) && size < least {
			size += padded(params[n])
			n++
		}
		k := &bucket{memory: kernels.Aligned(size), params: n, left: n}
		at := 0
		for _, p := range params[:n] {
			p.MoveGrad(k.memory[at : at+p.Size() : at+p.Size()])
			at += padded(p)
			b.of[p] = k
		}
		b.list, params = append(b.list, k), params[n:]
	}
	return b
}

// final takes note of a gradient that is complete. Buckets are summed in their order,
// which is the same on all ranks.
func (b *buckets) final(p *ops.Param) {
	k := b.of[p]
	if !b.active || k == nil {
		return
	}
	k.left--
	for b.next < len(b.list) && b.list[b.next].left == 0 {
		b.start()
	}
}

func (b *buckets) start() {
	k := b.list[b.next]
	b.next++
	k.left = k.params
	if s := kernels.Default().SumSquares(k.memory); math.IsNaN(s) || math.IsInf(s, 0) {
		b.broken = true // afterwards nobody could tell whose it was
	}
	b.waits = append(b.waits, b.group.Start(k.memory))
}

// wait returns when all gradients are summed.
func (b *buckets) wait() error {
	if len(b.list) == 0 {
		return nil
	}
	began := clock()
	for b.next < len(b.list) {
		b.start()
	}
	var first error
	for _, w := range b.waits {
		if err := w(); first == nil {
			first = err
		}
	}
	b.next, b.waits, b.active = 0, b.waits[:0], false
	b.waited = since(began)
	return first
}

// inOrder are the parameters in the order of another list, those that it has not at
// the end.
func inOrder(params, order []*ops.Param) []*ops.Param {
	left := map[*ops.Param]bool{}
	for _, p := range params {
		left[p] = true
	}
	var out []*ops.Param
	for _, list := range [][]*ops.Param{order, params} {
		for _, p := range list {
			if left[p] {
				out = append(out, p)
				delete(left, p)
			}
		}
	}
	return out
}
