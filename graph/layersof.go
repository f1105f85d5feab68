package graph

import (
	"fmt"
	"strings"

	"fasternet/layers"

	"gorgonia.org/gorgonia"
)

// Layers gives the depth of the parameters of a model, for learning rates that fall from the
// classifier to the input, and for freezing. Layer 0 is the embedding of the input, then each block
// is a layer, and the last layer is everything after the blocks. A layer that merges patches
// between two stages belongs to the block before it.
type Layers struct {
	of     map[string]int
	last   int
	stages []int // the last layer of each stage; empty for a model without stages
}

// LayersOf finds the layers of a model from the ops of its graph for an image of that size. It runs
// nothing.
func LayersOf(m Model, height, width int) (*Layers, error) {
	l := &Layers{of: map[string]int{}}
	tape, err := sketch(m, height, width, func(p *layers.Pass) {
		p.Tap = func(name string, _ *gorgonia.Node) {
			if name == layers.StageName(len(l.stages)) {
				l.stages = append(l.stages, p.AtLayer())
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, r := range tape.Recorded() {
		l.last = max(l.last, r.Layer)
		for _, p := range r.Params {
			for _, name := range []string{p.Name, part(p.Name)} {
				if _, ok := l.of[name]; !ok {
					l.of[name] = r.Layer
				}
			}
		}
	}
	return l, nil
}

// part returns what a tensor is a part of: "norm" for "norm.running_mean".
func part(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// Of returns the layer of a parameter or a running statistic, and the last layer of the model.
// Tensors that no op uses belong to the last one.
func (l *Layers) Of(name string) (layer, last int) {
	for _, n := range []string{name, part(name)} {
		if layer, ok := l.of[n]; ok {
			return layer, l.last
		}
	}
	return l.last, l.last
}

// Frozen returns the number of layers, from the input on, that are frozen with the embedding and
// the given number of stages, or of blocks in a model without stages; -1 freezes nothing.
func (l *Layers) Frozen(stages int) (int, error) {
	most := len(l.stages)
	if most == 0 {
		most = l.last - 1
	}
	switch {
	case stages < 0:
		return 0, nil
	case stages > most:
		return 0, fmt.Errorf("train.frozen_stages: want at most %d, got %d", most, stages)
	case stages == 0 || len(l.stages) == 0:
		return stages + 1, nil
	}
	return l.stages[stages-1] + 1, nil
}
