package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
)

// Pullback adds the backward ops from a value back to another one on which it depends, and returns
// the gradient of that one, in its shape. grad is the gradient of out. (gorgonia.Grad
// differentiates only by inputs of the graph.) As in training, it adds to the gradients of
// parameters between the two values, so these need memory: see [Param.NeedGrad]. The ops between
// must have been recorded with Train.
func (t *Tape) Pullback(out, grad, wrt *gorgonia.Node) (*gorgonia.Node, error) {
	last, ok := opOf(out)
	first, from := opOf(wrt)
	switch {
	case !ok || !from:
		return nil, errors.New("ops: Pullback between values that are inputs of the graph: want results of ops")
	case last.tape != t || first.tape != t:
		return nil, errors.New("ops: Pullback between values of another tape")
	case first.index >= last.index:
		return nil, fmt.Errorf("ops: Pullback from %v to %v, which comes after it", last, first)
	}
	between := t.ops[first.index+1 : last.index+1]
	depends := map[*op]bool{first: true}
	for _, o := range between {
		for i, n := range o.Inputs {
			if p, ok := opOf(n); ok && depends[p] && o.WRT != nil && o.WRT[i] {
				depends[o] = true
			}
		}
	}
	if !depends[last] {
		return nil, fmt.Errorf("ops: %v does not depend on %v by ops that have gradients", last, first)
	}
	grads := map[*op]*gorgonia.Node{last: grad}
	for k := len(between) - 1; k >= 0; k-- {
		o := between[k]
		if !depends[o] || grads[o] == nil {
			continue
		}
		of, err := o.SymDiff(nil, o.node, grads[o])
		if err != nil {
			return nil, err
		}
		for i, n := range o.Inputs {
			p, ok := opOf(n)
			if !ok || !depends[p] || !o.WRT[i] {
				continue
			}
			if grads[p] != nil {
				return nil, fmt.Errorf("ops: two ops read %v, the second is %v: want Branch between them", p, o)
			}
			grads[p] = of[i]
		}
	}
	return grads[first], nil
}
