package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"
)

// Int8Model is a model that can compute in 8 bits, in its folded form if it is [Foldable].
type Int8Model interface {
	Model
	Config() configs.Model
	// Int8Units returns the parts of the model that compute in 8 bits as a whole, in their order.
	Int8Units() []Int8Unit
	// NoInt8 returns why the model cannot compute in 8 bits; nil if it can.
	NoInt8() error
	// Int8 returns the state with which the model computes in 8 bits; nil for a model in float32.
	Int8() *Int8State
	// SetInt8 makes the model compute in 8 bits, or in float32 if s is nil. The error names what is
	// missing, wrong or made for another model; the model is then unchanged.
	SetInt8(*Int8State) error
}

// Int8Unit is a part of a model: a block, a convolution or a linear layer.
type Int8Unit struct {
	Name    string
	Weights []*ops.Param
	Biases  []*ops.Param // of the weights in float32; nil for none
	Inputs  []string     // the grids of the inputs of the weights
	Results []string     // the grids of the results of the weights; "" for float32
	Added   string       // the grid of what is added to the last result; "" for nothing
	Out     string       // the grid of its result; "" for float32
	Grids   []string     // all grids that it needs
	// Op is the op with the unit's result; "" if the unit is a part of an op.
	Op    string
	Block *layers.Block // if it is a block of a FasterNet

	// For a unit that is a linear layer or a convolution of patches:

	// Linear is where the model keeps its 8-bit form, which is nil in float32.
	Linear **ops.Int8Linear
	// Activated is the name of its result after GELU; "" if something else follows.
	Activated string
	// Scales are the parameters that make only the channels of the input, if these may have different units:
	// they can take the factor of a channel, and the weight its inverse.
	Scales []Int8Scale
}

// Int8Scale is a parameter whose rows, from From on, make one channel each.
type Int8Scale struct {
	Param *ops.Param
	From  int
}

// In returns the grid of its input.
func (u Int8Unit) In() string { return u.Inputs[0] }

// BytesSuffix ends the name of an op that rounds the result of a layer to the grid of its name.
const BytesSuffix = ".bytes"

// BiasStep returns the step of the biases of output o, if they are integers too.
func BiasStep(in ops.Grid, scale float32) float32 {
	return float32(float64(in.Scale) * float64(scale))
}

// Int8Factors holds Scale and Bias for each output of a weight, see [ops.Int8Weight].
type Int8Factors struct{ Scale, Bias []float32 }

// Int8State is what a model needs to compute in 8 bits. Units that have none of their weights
// in it stay in float32.
type Int8State struct {
	Factors map[string]Int8Factors // by the name of the weight
	Grids   map[string]ops.Grid    // by the name of the source of the values

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

// Weight returns a weight in 8 bits. All units and programs share it.
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

// Clone returns a state for a copy of the model.
func (s *Int8State) Clone() *Int8State {
	return &Int8State{Factors: maps.Clone(s.Factors), Grids: maps.Clone(s.Grids)}
}

// Only returns the state of a model in which only some units compute in 8 bits.
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

// Check returns an error unless the state belongs to a model with these units.
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
			return fmt.Errorf("%s: %d of its %d weights have 8 bits: want all or none", u.Name, n, len(u.Weights))
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
		if err := s.checkProducts(u); err != nil {
			return err
		}
	}
	if len(factors) > 0 {
		return fmt.Errorf("scales of %s, which is not a weight of the model that can have 8 bits",
			slices.Sorted(maps.Keys(factors))[0])
	}
	if len(grids) > 0 {
		return fmt.Errorf("a scale of the values of %s, which no layer of 8 bits needs",
			slices.Sorted(maps.Keys(grids))[0])
	}
	if len(s.Factors) == 0 {
		return fmt.Errorf("no layer has 8 bits")
	}
	return nil
}

// checkProducts returns an error if the scales of a unit cannot be used together.
func (s *Int8State) checkProducts(u Int8Unit) error {
	grid := func(name string) *ops.Grid {
		if g, ok := s.Grids[name]; ok {
			return &g
		}
		return nil
	}
	for i, p := range u.Weights {
		var added *ops.Grid
		if i == len(u.Weights)-1 {
			added = grid(u.Added)
		}
		if err := s.Weight(p).CheckProduct(s.Grids[u.Inputs[i]], grid(u.Results[i]), added); err != nil {
			return err
		}
	}
	return nil
}

// SetLinear sets the units that are linear layers to 8 bits, or to float32. The state has passed Check,
// or is nil.
func (s *Int8State) SetLinear(units []Int8Unit) {
	for _, u := range units {
		switch {
		case u.Linear == nil:
		case !s.Has(u):
			*u.Linear = nil
		default:
			l := &ops.Int8Linear{Name: u.In(), In: s.Grids[u.In()], Weight: s.Weight(u.Weights[0])}
			if u.Out != "" {
				out := s.Grids[u.Out]
				l.Out = &out
			}
			*u.Linear = l
		}
	}
}

// Int8Layers serves models whose units are linear layers: embed it in the type of the model.
type Int8Layers struct{ state *Int8State }

// NoInt8 implements [Int8Model].
func (*Int8Layers) NoInt8() error { return nil }

// Int8 implements [Int8Model].
func (l *Int8Layers) Int8() *Int8State { return l.state }

// SetUnits is SetInt8 of [Int8Model] for a model with these units.
func (l *Int8Layers) SetUnits(units []Int8Unit, s *Int8State) error {
	if s != nil {
		if err := s.Check(units); err != nil {
			return err
		}
	}
	s.SetLinear(units)
	l.state = s
	return nil
}

// KeepInt8 makes a copy of a model compute in 8 bits if the model does.
func KeepInt8(from, to Model) error {
	a, ok := from.(Int8Model)
	if !ok || a.Int8() == nil {
		return nil
	}
	b, ok := to.(Int8Model)
	if !ok {
		return fmt.Errorf("graph: a %T is not a copy of a model in 8 bits", to)
	}
	return b.SetInt8(a.Int8().Clone())
}

// LinearUnit returns a linear layer as a unit; in is the name of the grid of its input.
func LinearUnit(weight, bias *ops.Param, in string, at **ops.Int8Linear) Int8Unit {
	return Int8Unit{
		Name:    strings.TrimSuffix(weight.Name, ".weight"),
		Weights: []*ops.Param{weight},
		Biases:  []*ops.Param{bias},
		Inputs:  []string{in},
		Results: []string{""},
		Grids:   []string{in},
		Linear:  at,
	}
}

// EmbedUnit returns the embedding of patches as a unit.
func EmbedUnit(e *layers.TokenEmbed) Int8Unit {
	u := LinearUnit(e.Weight, e.Bias, Images, &e.Int8)
	if e.Norm == nil {
		u.Op = e.Name
	}
	return u
}

// TransformerUnits returns the linear layers of a block as units.
func TransformerUnits(b *layers.Transformer) []Int8Unit {
	a, m := &b.Attention, &b.MLP
	name := func(p ops.BlockPart) string { return b.Name + "." + string(p) }
	qkv := LinearUnit(a.QKV, a.QKVBias, name(layers.Norm1), &a.QKVInt8)
	qkv.Scales = normScales(a.Norm)
	proj := LinearUnit(a.Proj, a.ProjBias, name(layers.Heads), &a.ProjInt8)
	values := 2 * a.Proj.Shape()[1] // after queries and keys
	proj.Op, proj.Scales = b.Name+".attn", []Int8Scale{{a.QKV, values}}
	if a.QKVBias != nil {
		proj.Scales = append(proj.Scales, Int8Scale{a.QKVBias, values})
	}
	fc1 := LinearUnit(m.Fc1, m.Fc1Bias, name(layers.Norm2), &m.Fc1Int8)
	fc1.Scales, fc1.Out, fc1.Activated = normScales(m.Norm), name(layers.Hidden), name(layers.Activated)
	fc1.Grids, fc1.Results = append(fc1.Grids, fc1.Out), []string{fc1.Out}
	fc2 := LinearUnit(m.Fc2, m.Fc2Bias, name(layers.Activated), &m.Fc2Int8)
	fc2.Op = b.Name + ".mlp"
	return []Int8Unit{qkv, proj, fc1, fc2}
}

// MergingUnit returns the reduction of a merging of tokens as a unit.
func MergingUnit(m *layers.TokenMerging) Int8Unit {
	u := LinearUnit(m.Reduction, nil, m.Name+"."+string(layers.Normed), &m.Int8)
	u.Op, u.Scales = m.Name, normScales(m.Norm)
	return u
}

func normScales(n *ops.LayerNorm) []Int8Scale { return []Int8Scale{{n.Weight, 0}, {n.Bias, 0}} }

// IsInt8 says whether a model computes in 8 bits.
func IsInt8(m Model) bool {
	q, ok := m.(Int8Model)
	return ok && q.Int8() != nil
}

// Format returns the format of the factors of most products of the model: INT8 for a model in 8 bits,
// and otherwise the precision.
func (r *Runner) Format() kernels.Precision {
	if IsInt8(r.Model) {
		return kernels.INT8
	}
	return r.Precision
}

// Watched is a program whose blocks report the values within them: see [ops.Block.Watch].
func (r *Runner) Watched(s Shape, watch func(block string, part ops.BlockPart, rows kernels.Matrix)) (*Program, error) {
	p, err := r.compile(s, plain, watch)
	if err != nil {
		return nil, s.wrap(err)
	}
	return p, nil
}
