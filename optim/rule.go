package optim

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"fasternet/configs"
	"fasternet/kernels"
)

// MaxStates is the number of tensors that a rule may keep for a parameter.
const MaxStates = 4

// Rule says how the values of a parameter move. A rule implements [ElementWise] or [WholeTensor].
// It must not change from step to step: everything that it remembers is in the tensors that States
// names.
type Rule interface {
	// States lists the tensors that are kept for a parameter of a shape, at most MaxStates. They
	// are 0 at first, and part of every checkpoint.
	States(shape []int) []State
}

// State is a tensor that a rule keeps for a parameter.
type State struct {
	Name  string // as PyTorch or timm call it, such as exp_avg
	Shape []int
}

// ElementWise is a rule that moves each value by itself. A parameter is then cut into parts that run in
// parallel, so its states have the shape of the parameter.
type ElementWise interface {
	Rule
	// Move makes a step for a part of a parameter. It may overwrite the gradient.
	Move(v Values, u Update)
}

// Trusting is an element-wise rule whose steps are in proportion to the norm of a tensor.
type Trusting interface {
	ElementWise
	// Direct turns the gradient into the direction of the step. It returns whether the step is scaled.
	Direct(v Values, u Update) bool
	// Ratio returns the factor, Update.Trust, for the norms of a tensor's weights and direction, both
	// above 0.
	Ratio(weights, direction float64) float64
}

// WholeTensor is a rule that needs all values of a parameter at once, for example to make a matrix
// of them orthogonal, or to keep sums of its rows and columns.
type WholeTensor interface {
	Rule
	// MoveTensor makes a step for a parameter. It may overwrite the gradient, and run parts of its
	// work on the pool. Results must not depend on the size of the pool.
	MoveTensor(v Values, u Update, pool *kernels.Pool)
}

// Limited is a rule that limits the norm of all gradients itself, regardless of optim.clip_grad.
type Limited interface {
	Rule
	// GradLimit returns the largest norm; 0 for none.
	GradLimit() float64
}

// Values holds the values of a parameter, or of a part of one.
type Values struct {
	Weights, Grad []float32
	States        [MaxStates][]float32 // in the order of Rule.States
	Shape         []int                // of the parameter
}

// Update is a step for a parameter.
type Update struct {
	LR, WeightDecay float64      // of this parameter
	Scale           float64      // factor on the gradient: clipping, accumulation
	Step            int          // 1 for the first
	Trust           float64      // for Trusting rules
	Kernels         *kernels.Set // to compute with: the kernels of the optimizer's pool
}

var registry = struct {
	sync.Mutex
	rules map[string]func(configs.Optim) Rule
}{rules: map[string]func(configs.Optim) Rule{
	"adamw":    func(c configs.Optim) Rule { return adamW{c} },
	"sgd":      func(c configs.Optim) Rule { return sgd{momentum: c.Momentum, nesterov: true} },
	"momentum": func(c configs.Optim) Rule { return sgd{momentum: c.Momentum} },
	"lars":     func(c configs.Optim) Rule { return lars{momentum: c.Momentum} },
	"lamb":     func(c configs.Optim) Rule { return lamb{c} },
}}

// Register makes a rule available as a value of optim.opt. Call it from an init function. It panics
// if the name is taken.
func Register(name string, rule func(configs.Optim) Rule) {
	registry.Lock()
	defer registry.Unlock()
	if _, taken := registry.rules[name]; taken {
		panic(fmt.Sprintf("optim: there is an optimizer called %q already", name))
	}
	registry.rules[name] = rule
	configs.Optimizers = append(configs.Optimizers, name)
}

// newRule returns the rule that a configuration names.
func newRule(c configs.Optim) (Rule, error) {
	registry.Lock()
	defer registry.Unlock()
	make, ok := registry.rules[c.Opt]
	if !ok {
		return nil, fmt.Errorf("optim.opt: want %s, got %q", strings.Join(configs.Optimizers, " or "), c.Opt)
	}
	r := make(c)
	switch r.(type) {
	case ElementWise, WholeTensor:
		return r, nil
	}
	return nil, fmt.Errorf("optim.opt: %s is a %T, which is neither an optim.ElementWise nor an optim.WholeTensor",
		c.Opt, r)
}

// statesOf makes the tensors that a rule keeps for a parameter.
func statesOf(name string, r Rule, shape []int) (states []State, values [MaxStates][]float32, err error) {
	states = r.States(shape)
	if len(states) > MaxStates {
		return nil, values, fmt.Errorf("optim: %T keeps %d tensors of %s: want at most %d",
			r, len(states), name, MaxStates)
	}
	_, parts := r.(ElementWise)
	for k, s := range states {
		if parts && !slices.Equal(s.Shape, shape) {
			return nil, values, fmt.Errorf("optim: %T keeps %s of shape %v of %s, whose shape is %v: "+
				"a rule that moves each value by itself needs the same shape", r, s.Name, s.Shape, name, shape)
		}
		size := 1
		for _, d := range s.Shape {
			size *= d
		}
		values[k] = kernels.Aligned(size)
	}
	return states, values, nil
}

// like returns states with the shape of the parameter.
func like(shape []int, names ...string) (states []State) {
	for _, n := range names {
		states = append(states, State{Name: n, Shape: shape})
	}
	return states
}
