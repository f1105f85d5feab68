package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"fasternet/internal/rng"
	"fasternet/ops"

	"gorgonia.org/tensor"
)

// Store holds the state of a model in the order of the official state dict: learned parameters, and
// buffers such as running statistics.
type Store struct {
	Entries []Entry
	// Computed lists tensors of the official state dicts that follow from the sizes of the model.
	Computed []Computed
	// Norms lists the batch norms whose statistics are among the entries.
	Norms []*ops.BatchNorm
	// Folded says that batch norms and layer scale are part of the convolutions before them; the
	// convolutions before batch norms have a bias then. Such a model is only for evaluation.
	Folded bool
	// ShapesOnly says that parameters have no values, and buffers are nil.
	ShapesOnly bool
	// Prefix is put before the names of the tensors that are added.
	Prefix string

	byName map[string]int
	seed   uint64
	std    float64

	later bool     // draw in Draw
	draws []func() // the work left for Draw
}

// Entry is one tensor of the state dict. Exactly one of Param, Buffer and Counter is set.
type Entry struct {
	Name    string
	Shape   tensor.Shape
	Param   *ops.Param
	Buffer  []float32
	Counter *int64
}

// Computed is an integer tensor that checkpoints have, but that need not be read from them.
type Computed struct {
	Name   string
	Shape  []int
	Values []int64
}

// NewStore returns an empty store. Parameters are initialised from the seed and their name,
// whatever the order in which they are made; weights of convolutions and linear layers with the
// given standard deviation.
func NewStore(seed uint64, std float64) *Store {
	return &Store{byName: map[string]int{}, seed: seed, std: std}
}

// NewFoldedStore returns an empty store for a model in folded form. Its parameters are zero until
// they are filled from another model or a file.
func NewFoldedStore() *Store {
	return &Store{Folded: true, byName: map[string]int{}}
}

// NewShapeStore returns an empty store for a model that is only counted: its parameters have shapes
// and no values, and its buffers are nil.
func NewShapeStore(folded bool) *Store {
	return &Store{Folded: folded, ShapesOnly: true, byName: map[string]int{}}
}

// DrawLater leaves the drawing of initial values of large tensors to Draw. Until then they are zeros.
func (s *Store) DrawLater() { s.later = true }

// Draw draws the values that DrawLater has left, on all processors. They are the same as without
// DrawLater.
func (s *Store) Draw() {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(s.draws)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(s.draws)); i = next.Add(1) - 1 {
				s.draws[i]()
			}
		})
	}
	wg.Wait()
	s.draws, s.later = nil, false
}

func (s *Store) draw(name string, init Init, data []float32, shape tensor.Shape) {
	draw := func() { init(rng.New(s.seed, rng.Init, rng.Hash(name)), data, shape) }
	if !s.later || len(data) < 1<<14 {
		draw()
		return
	}
	s.draws = append(s.draws, draw)
}

// Init fills a new parameter of a shape.
type Init func(r *rand.Rand, data []float32, shape tensor.Shape)

// TruncatedNormal draws from a normal distribution with mean 0 and cuts at an absolute ±2, as the
// reference does. With std 0.02 the cut has no effect.
func TruncatedNormal(std float64) Init {
	return func(r *rand.Rand, data []float32, _ tensor.Shape) {
		for i := range data {
			v := r.NormFloat64() * std
			for v < -2 || v > 2 {
				v = r.NormFloat64() * std
			}
			data[i] = float32(v)
		}
	}
}

// Normal draws from a normal distribution with mean 0.
func Normal(std float64) Init {
	return func(r *rand.Rand, data []float32, _ tensor.Shape) {
		for i := range data {
			data[i] = float32(r.NormFloat64() * std)
		}
	}
}

// Constant sets every element to v.
func Constant(v float32) Init {
	return func(_ *rand.Rand, data []float32, _ tensor.Shape) {
		for i := range data {
			data[i] = v
		}
	}
}

// Uniform draws from [-bound, bound].
func Uniform(bound float64) Init {
	return func(r *rand.Rand, data []float32, _ tensor.Shape) {
		for i := range data {
			data[i] = float32(bound * (2*r.Float64() - 1))
		}
	}
}

// FanIn returns PyTorch's default for convolutions: weights and biases are uniform within ±1/√n,
// for outputs with n inputs.
func FanIn(n int) Init { return Uniform(1 / math.Sqrt(float64(n))) }

// Xavier draws uniformly within ±√(6/(in + out)) (Glorot and Bengio, 2010), for a weight [out, in,
// …] whose further axes count as inputs.
func Xavier(r *rand.Rand, data []float32, shape tensor.Shape) {
	out := shape[0]
	Uniform(math.Sqrt(6/float64(out+len(data)/out)))(r, data, shape)
}

// Values copies the given values.
func Values(v []float32) Init {
	return func(_ *rand.Rand, data []float32, _ tensor.Shape) { copy(data, v) }
}

// Made copies the values that a function makes when they are needed.
func Made(values func() []float32) Init {
	return func(_ *rand.Rand, data []float32, _ tensor.Shape) { copy(data, values()) }
}

// Weight adds the weight of a convolution or a linear layer.
func (s *Store) Weight(name string, shape ...int) *ops.Param {
	return s.Param(name, TruncatedNormal(s.std), shape...)
}

// Param adds a parameter. It panics if the name is taken.
func (s *Store) Param(name string, init Init, shape ...int) *ops.Param {
	name = s.Prefix + name
	var p *ops.Param
	switch {
	case s.ShapesOnly:
		p = ops.NewShapeParam(name, shape...)
	case s.Folded:
		p = ops.NewFixedParam(name, shape...)
	default:
		p = ops.NewParam(name, shape...)
		s.draw(name, init, p.Data(), p.Shape())
	}
	p.Changed()
	s.add(Entry{Name: name, Shape: p.Shape(), Param: p})
	return p
}

// Buffer adds a tensor that is not learned.
func (s *Store) Buffer(name string, value float32, shape ...int) []float32 {
	return s.Drawn(name, Constant(value), shape...)
}

// Drawn adds a tensor that is not learned but has random values.
func (s *Store) Drawn(name string, init Init, shape ...int) []float32 {
	name = s.Prefix + name
	if s.ShapesOnly {
		s.add(Entry{Name: name, Shape: shape})
		return nil
	}
	data := make([]float32, tensor.Shape(shape).TotalSize())
	s.draw(name, init, data, shape)
	s.add(Entry{Name: name, Shape: shape, Buffer: data})
	return data
}

// Index adds an integer tensor that follows from the sizes of the model.
func (s *Store) Index(name string, values func() []int64, shape ...int) {
	if s.ShapesOnly {
		return
	}
	s.Computed = append(s.Computed, Computed{s.Prefix + name, shape, values()})
}

// IsComputed says whether a tensor of an official state dict follows from the sizes of the model:
// the tensors of Computed, and the masks of Swin's shifted windows, which depend on the size of the
// images.
func (s *Store) IsComputed(name string) bool {
	return strings.HasSuffix(name, ".attn_mask") || slices.ContainsFunc(s.Computed, func(c Computed) bool {
		return c.Name == name
	})
}

// Counter adds an integer scalar.
func (s *Store) Counter(name string) *int64 {
	c := new(int64)
	s.add(Entry{Name: s.Prefix + name, Counter: c})
	return c
}

func (s *Store) add(e Entry) {
	if _, ok := s.byName[e.Name]; ok {
		panic(fmt.Sprintf("layers: two tensors are called %s", e.Name))
	}
	s.byName[e.Name] = len(s.Entries)
	s.Entries = append(s.Entries, e)
}

// Lookup finds an entry by its name.
func (s *Store) Lookup(name string) (Entry, bool) {
	i, ok := s.byName[name]
	if !ok {
		return Entry{}, false
	}
	return s.Entries[i], true
}

// Params returns the learned parameters in their order.
func (s *Store) Params() []*ops.Param {
	var ps []*ops.Param
	for _, e := range s.Entries {
		if e.Param != nil {
			ps = append(ps, e.Param)
		}
	}
	return ps
}

// Parameters returns the number of learned values.
func (s *Store) Parameters() int {
	n := 0
	for _, p := range s.Params() {
		n += p.Size()
	}
	return n
}

// CopyFrom copies the parameters and buffers with the same names from another store, after a change
// of their values.
func (s *Store) CopyFrom(from *Store, change func(name string, values []float32) []float32) {
	for _, e := range s.Entries {
		src, _ := from.Lookup(e.Name)
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), change(e.Name, src.Param.Data()))
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, change(e.Name, src.Buffer))
		}
	}
}
