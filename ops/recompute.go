package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// segment is a part of the forward pass that the backward pass computes again.
type segment struct {
	name string
	ops  []*op
	done bool // the op that computes it again is on the tape
}

// Recompute adds to the graph what build adds, a chain of ops that ends at the node that build
// returns. For the backward pass it keeps only the input and the result of the chain. Right before
// the gradients of the chain, one more op computes again what they need, with the same kernels,
// parameters and random factors, and so the same bits. Running statistics do not move a second
// time. (Chen et al., "Training deep nets with sublinear memory cost", 2016.)
//
// The memory is the same as the first time, and free for others in between. A chain within a chain
// is a part of it. Ops that are added while Train is not set keep nothing, and are computed once.
func (t *Tape) Recompute(name string, build func() (*gorgonia.Node, error)) (*gorgonia.Node, error) {
	if t.segment != nil {
		return build()
	}
	s := &segment{name: name}
	t.segment = s
	y, err := build()
	t.segment = nil
	if err != nil {
		return nil, err
	}
	if len(s.ops) > 0 {
		t.chains++
	}
	if err := s.check(y); err != nil {
		return nil, fmt.Errorf("ops: %q cannot be computed again: %w", name, err)
	}
	for _, b := range s.buffers() {
		b.forget()
	}
	return y, nil
}

// Chains returns the number of chains of ops that the backward pass computes again: see
// [Tape.Recompute].
func (t *Tape) Chains() int { return t.chains }

// check returns what keeps the ops from being computed again.
func (s *segment) check(y *gorgonia.Node) error {
	if len(s.ops) == 0 {
		return nil
	}
	last := s.ops[len(s.ops)-1]
	if y.Op() != gorgonia.Op(last) {
		return fmt.Errorf("it must return the result of its last op")
	}
	for _, o := range s.ops {
		if o.Again == nil || o.out == nil {
			return fmt.Errorf("%v cannot be recomputed: its Again is missing", o)
		}
	}
	if last.Alias > 0 {
		return fmt.Errorf("its last op, %v, has no memory of its own", last)
	}
	return nil
}

// buffers returns the memory that is not kept.
func (s *segment) buffers() []*Buffer {
	var all []*Buffer
	for i, o := range s.ops {
		all = append(all, o.Uses...)
		// an alias is memory of an earlier op, which may not belong to the segment
		if i+1 < len(s.ops) && o.Alias == 0 {
			all = append(all, o.out)
		}
	}
	return all
}

// restored returns the gradient grad of the segment's result for the first backward op that asks:
// the same memory, after the op that computes the segment again. For all others, and for ops of no
// segment, it returns grad itself.
func (s *segment) restored(t *Tape, grad *gorgonia.Node) (*gorgonia.Node, error) {
	if s == nil || s.done {
		return grad, nil
	}
	s.done = true
	inputs := gorgonia.Nodes{grad}
	for _, o := range s.ops {
		for _, n := range o.Inputs { // the plan must keep these alive until then
			if p, ok := n.Op().(*op); ok && p.part != s {
				inputs = append(inputs, n)
			}
		}
	}
	return t.record(Spec{
		Kind: KindRecompute, Name: s.name, Inputs: inputs, Shape: grad.Shape().Clone(), Alias: 1, Uses: s.buffers(),
		Run: func([][]float32, []float32) error {
			for i, o := range s.ops {
				var out []float32
				if i+1 < len(s.ops) {
					out = o.out.data
				}
				if err := o.Again(o.in, out); err != nil {
					return fmt.Errorf("%v: %w", o, err)
				}
			}
			return nil
		},
	})
}

// within computes an op again that is not the last of its segment.
func within(run func(in [][]float32, out []float32) error) func(in [][]float32, out []float32) error {
	return func(in [][]float32, out []float32) error {
		if out == nil {
			return fmt.Errorf("it is the last op of a segment, and has no memory for its result")
		}
		return run(in, out)
	}
}
