package train

import (
	"math"
	"time"

	"fasternet/collective"
	"fasternet/kernels"
	"fasternet/ops"
)

// bucketSize is the smallest number of gradients that are summed over the ranks at once: 4 MiB. This hides the
// latency, and is far less than a backward pass produces.
const bucketSize = 1 << 20

// buckets sum the gradients over the ranks during the backward pass. Gradients that it completes one after the
// other are adjacent in memory. A bucket is summed when its last gradient is complete. A single rank has no
// buckets.
type buckets struct {
	group  collective.Group
	list   []*bucket
	of     map[*ops.Param]*bucket
	active bool // this batch is the last of a step: its gradients are final
	next   int  // next bucket to sum
	waits  []func() error
	broken bool          // a gradient of this rank is not finite
	waited time.Duration // after the backward pass, for the sums of the last step
}

type bucket struct {
	memory []float32
	params int
	left   int // parameters without complete gradients
}

// newBuckets moves the gradients of the parameters into buckets. The first parameters complete first. A bucket
// is full when it has at least least values.
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

// final notes that a gradient is complete. Buckets are summed in order, the same on all ranks.
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
		b.broken = true // after the sum, nobody could tell which rank it was
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

// inOrder sorts parameters like another list, and puts those missing in it at the end.
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
