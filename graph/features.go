package graph

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
)

// tap is a value within a model that stays valid after the run.
type tap struct {
	name string
	node *gorgonia.Node
}

func (p *Program) tap(name string, n *gorgonia.Node) {
	p.tape.Keep(n)
	p.taps = append(p.taps, tap{name, n})
}

// Features returns a program for evaluation that keeps the intermediate values that the model names; see
// [Program.Feature]. It needs more memory than a program of [Runner.Program].
func (r *Runner) Features(s Shape) (*Program, error) {
	s.Train = false
	return r.program(s, tapped)
}

// FeatureNames returns the names of the intermediate values that the program keeps, in the order of
// the network. For FasterNet these are stage1, stage2, …, pooled and prelogits.
func (p *Program) FeatureNames() []string {
	var names []string
	for _, t := range p.taps {
		names = append(names, t.name)
	}
	return names
}

// Feature returns an intermediate value of the last run by its name, and its shape: [batch,
// channels], or [batch, height, width, channels] for a map. It is valid until the next run of any
// program of the runner.
func (p *Program) Feature(name string) ([]float32, []int, error) {
	i := slices.IndexFunc(p.taps, func(t tap) bool { return t.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("graph: the model has no feature %q: it has %s",
			name, strings.Join(p.FeatureNames(), ", "))
	}
	n := p.taps[i].node
	return p.tape.Value(n), slices.Clone([]int(n.Shape())), nil
}

// FeatureOp returns the kind and the quoted name of the op that computes an intermediate value; ""
// if there is no such value.
func (p *Program) FeatureOp(name string) string {
	for _, t := range p.taps {
		if t.name == name && t.node.Op() != nil {
			return t.node.Op().String()
		}
	}
	return ""
}

// FeatureValues returns the values of [Program.Feature], without their shape.
func (p *Program) FeatureValues(name string) ([]float32, error) {
	for i := range p.taps {
		if p.taps[i].name == name {
			return p.tape.Value(p.taps[i].node), nil
		}
	}
	_, _, err := p.Feature(name)
	return nil, err
}
