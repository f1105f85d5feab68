package graph

import (
	"fmt"
	"maps"
	"slices"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"
)

// Int8Model is a folded model that can compute in 8 bits.
type Int8Model interface {
	Foldable
	Config() configs.Model
	// Int8Units are the parts of the model that compute in 8 bits as a whole, in their order.
	Int8Units() []Int8Unit
	// NoInt8 says why the model has no form of 8 bits; nil if it has one.
	NoInt8() error
	// Int8 is what the model computes with in 8 bits; nil for a model in float32.
	Int8() *Int8State
	// SetInt8 has the model compute in 8 bits, or in float32 with nil. The error names what is
	// missing, wrong or of another model; the model is then as it was.
	SetInt8(*Int8State) error
}

// Int8Unit is a part of a model: a block, a convolution or a linear layer.
type Int8Unit struct {
	Name    string
	Weights []*ops.Param
	Biases  []*ops.Param  // of the weights in float32; nil for none
	Inputs  []string      // the grids of what the weights are multiplied with
	Out     string        // that of its result; "" for float32
	Grids   []string      // all that it needs
	Block   *layers.Block // if it is a block of a FasterNet
}

// In is the grid of its input.
func (u Int8Unit) In() string { return u.Inputs[0] }

// BytesSuffix ends the name of an op that rounds the result of a layer to the grid of its name.
const BytesSuffix = ".bytes"

// BiasStep is the step of the biases of output o, where they are integers too.
func BiasStep(in ops.Grid, scale float32) float32 {
	return float32(float64(in.Scale) * float64(scale))
}

// Int8Factors are those of a weight: Scale and Bias of each output, see [ops.Int8Weight].
type Int8Factors struct{ Scale, Bias []float32 }

// Int8State is what a model needs to compute in 8 bits. Units that have none of their weights
// in it stay in float32.
type Int8State struct {
	Factors map[string]Int8Factors // by the name of the weight
	Grids   map[string]ops.Grid    // by the name of what puts the values out

	weights map[*ops.Param]*ops.Int8Weight
}

// Has says whether a unit computes in 8 bits.
func (s *Int8State) Has(u Int8Unit) bool {
	if s == nil {
		return false
	}
	_, ok := s.Factors[u.Weights[0].Name]
	return ok
}

// Weight is a weight in 8 bits. All units and programs share it.
func (s *Int8State) Weight(p *ops.Param) *ops.Int8Weight {
	if s.weights == nil {
		s.weights = map[*ops.Param]*ops.Int8Weight{}
	}
	w := s.weights[p]
	if w == nil {
		f := s.Factors[p.Name]
		w = &ops.Int8Weight{Param: p, Scale: f.Scale, Bias: f.Bias}
		s.weights[p] = w
	}
	return w
}

// Only is the state of a model in which some units alone compute in 8 bits.
func (s *Int8State) Only(units []Int8Unit) *Int8State {
	out := &Int8State{Factors: map[string]Int8Factors{}, Grids: map[string]ops.Grid{}}
	for _, u := range units {
		for _, p := range u.Weights {
			out.Factors[p.Name] = s.Factors[p.Name]
		}
		for _, g := range u.Grids {
			out.Grids[g] = s.Grids[g]
		}
	}
	return out
}

// Check says whether the state is that of a model with these units.
func (s *Int8State) Check(units []Int8Unit) error {
	factors, grids := maps.Clone(s.Factors), maps.Clone(s.Grids)
	for _, u := range units {
		n := 0
		for _, p := range u.Weights {
			f, ok := s.Factors[p.Name]
			if !ok {
				continue
			}
			n++
			if err := (&ops.Int8Weight{Param: p, Scale: f.Scale, Bias: f.Bias}).Check(); err != nil {
				return err
			}
			delete(factors, p.Name)
		}
		switch {
		case n == 0:
			continue
		case n < len(u.Weights):
			return fmt.Errorf("%s: %d of its %d weights are of 8 bits: want all or none", u.Name, n, len(u.Weights))
		}
		for _, name := range u.Grids {
			g, ok := s.Grids[name]
			if !ok {
				return fmt.Errorf("%s: the 8-bit values of %s have no scale", u.Name, name)
			}
			if err := g.Check(); err != nil {
				return fmt.Errorf("the 8-bit values of %s: %w", name, err)
			}
			delete(grids, name)
		}
	}
	if len(factors) > 0 {
		return fmt.Errorf("scales of %s, which is no weight of the model that can be of 8 bits", slices.Sorted(maps.Keys(factors))[0])
	}
	if len(grids) > 0 {
		return fmt.Errorf("a scale of the values of %s, which no layer of 8 bits needs", slices.Sorted(maps.Keys(grids))[0])
	}
	if len(s.Factors) == 0 {
		return fmt.Errorf("no layer is of 8 bits")
	}
	return nil
}

// IsInt8 says whether a model computes in 8 bits.
func IsInt8(m Model) bool {
	q, ok := m.(Int8Model)
	return ok && q.Int8() != nil
}

// Format is the format that most products of the model have their factors in: INT8 of a model in 8
// bits, or else the precision.
func (r *Runner) Format() kernels.Precision {
	if IsInt8(r.Model) {
		return kernels.INT8
	}
	return r.Precision
}

// Watched is a program whose blocks tell of the values within them: see [ops.Block.Watch].
func (r *Runner) Watched(s Shape, watch func(block string, part ops.BlockPart, rows kernels.Matrix)) (*Program, error) {
	p, err := r.compile(s, plain, watch)
	if err != nil {
		return nil, s.wrap(err)
	}
	return p, nil
}
