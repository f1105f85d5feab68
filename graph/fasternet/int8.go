package fasternet

import (
	"errors"
	"fmt"
	"slices"

	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// stream describes the map that goes through the blocks: bytes on a grid, or float32, and the name of
// the layer that it comes from.
type stream struct {
	name string
	grid *ops.Grid
}

// to converts a map to a grid, or to float32 if the grid is nil.
func (s *stream) to(p *layers.Pass, x *gorgonia.Node, grid *ops.Grid) (*gorgonia.Node, error) {
	if s.grid != nil && grid != nil && *s.grid == *grid {
		return x, nil
	}
	var err error
	if s.grid != nil {
		if x, err = ops.Dequantise(p.Tape, s.name+".values", x, *s.grid); err != nil {
			return nil, err
		}
	}
	if grid != nil {
		if x, err = ops.Quantise(p.Tape, s.name+graph.BytesSuffix, x, *grid); err != nil {
			return nil, err
		}
	}
	s.grid = grid
	return x, nil
}

func int8In(b *layers.Block) *ops.Grid {
	if b.Int8 == nil {
		return nil
	}
	return &b.Int8.In
}

func int8InConv(l *layers.PatchConv) *ops.Grid {
	if l.Int8 == nil {
		return nil
	}
	return &l.Int8.In
}

// The names of the grids of maps that are not between blocks.
const (
	beforeActivation = ".mlp.0" // of the hidden map of a block
	afterActivation  = ".mlp.2"
	branch           = ".mlp.3" // what a block adds to its input
	pooledGrid       = "avgpool_pre_head.0"
	featureGrid      = "avgpool_pre_head.2"
)

// Int8Units implements [graph.Int8Model].
func (m *Model) Int8Units() []graph.Int8Unit {
	var units []graph.Int8Unit
	before := m.embed.Name
	for i, stage := range m.stages {
		if i > 0 {
			l := m.merges[i-1]
			units = append(units, graph.Int8Unit{
				Name:    l.Name,
				Weights: []*ops.Param{l.Weight},
				Biases:  []*ops.Param{l.Bias},
				Inputs:  []string{before},
				Results: []string{l.Name},
				Out:     l.Name,
				Grids:   []string{before, l.Name},
				Op:      l.Name,
			})
			before = l.Name
		}
		for _, b := range stage {
			units = append(units, graph.Int8Unit{
				Name:    b.Name,
				Weights: []*ops.Param{b.PConv.Weight, b.MLP.Conv1, b.MLP.Conv2},
				Biases:  []*ops.Param{nil, b.MLP.Bias, nil},
				Inputs:  []string{before, before, b.Name + afterActivation},
				Results: []string{before, b.Name + beforeActivation, b.Name},
				Added:   before,
				Out:     b.Name,
				Grids: []string{
					before, b.Name + beforeActivation, b.Name + afterActivation, b.Name + branch, b.Name,
				},
				Op:    b.Name,
				Block: b,
			})
			before = b.Name
		}
	}
	linear := func(weight, bias *ops.Param, in string, at **ops.Int8Linear) graph.Int8Unit {
		u := graph.LinearUnit(weight, bias, in, at)
		u.Op = u.Name
		return u
	}
	return append(units,
		linear(m.head.PreHead, nil, pooledGrid, &m.head.PreHeadInt8),
		linear(m.head.Weight, m.head.Bias, featureGrid, &m.head.WeightInt8),
	)
}

// NoInt8 implements [graph.Int8Model].
func (m *Model) NoInt8() error {
	for _, b := range slices.Concat(m.stages...) {
		if b.MLP.GRN != nil {
			return fmt.Errorf("%s has a global response normalisation (model.grn), which has no form of 8 bits", b.Name)
		}
	}
	return nil
}

// Int8 implements [graph.Int8Model].
func (m *Model) Int8() *graph.Int8State { return m.int8 }

// SetInt8 implements [graph.Int8Model].
func (m *Model) SetInt8(s *graph.Int8State) error {
	if s != nil {
		if !m.Folded() {
			return errors.New("only a folded model computes in 8 bits")
		}
		if err := m.NoInt8(); err != nil {
			return err
		}
		if err := s.Check(m.Int8Units()); err != nil {
			return err
		}
	}
	weight := func(p *ops.Param) *ops.Int8Weight { return s.Weight(p) }
	grid := func(name string) ops.Grid { return s.Grids[name] }
	for _, u := range m.Int8Units() {
		has := s.Has(u)
		switch {
		case u.Block != nil && !has:
			u.Block.Int8 = nil
		case u.Block != nil:
			b := u.Block
			b.Int8 = &ops.Int8Block{
				In:     grid(u.In()),
				Before: grid(b.Name + beforeActivation),
				After:  grid(b.Name + afterActivation),
				Branch: grid(b.Name + branch),
				Out:    grid(b.Name),
				PConv:  weight(b.PConv.Weight),
				Conv1:  weight(b.MLP.Conv1),
				Conv2:  weight(b.MLP.Conv2),
			}
		}
		for _, l := range m.merges {
			switch {
			case l.Weight != u.Weights[0]:
			case !has:
				l.Int8 = nil
			default:
				l.Int8 = &ops.Int8Conv{In: grid(u.In()), Out: grid(u.Out), Weight: weight(l.Weight)}
			}
		}
	}
	s.SetLinear(m.Int8Units())
	m.int8 = s
	return nil
}
