package kernels

import (
	"fmt"
	"slices"
	"strings"
)

// Activation is the non-linearity of a layer.
type Activation int

// The activations. GELU is the exact form x·Φ(x), not the tanh approximation. To add an
// activation, add a constant here and an entry in the table below. Variants that have no
// kernels for it use the functions in plain Go.
const (
	Identity Activation = iota
	ReLU
	GELU

	activationCount = iota
)

// activation holds the functions and the formula of an activation.
type activation struct {
	name string
	// forward replaces every z by act(z).
	forward func(z []float32)
	// backward replaces z by act(z), and g by g·act'(z).
	backward func(z, g []float32)
	// formula is act(x) for exports.
	formula Formula
}

// Formula describes an activation by elementary operators, in the order of computation.
type Formula struct {
	Constants map[string]float32
	Steps     []Step // the last one is the result
}

// Step is one operator of a formula.
type Step struct {
	Operator string   // ONNX's name, such as "Mul"
	Name     string   // names the result for later steps
	Operands []string // "x", or the name of an earlier step or of a constant
}

var activations = [activationCount]activation{
	Identity: {name: "identity", forward: func([]float32) {}, backward: func(_, _ []float32) {}},
	ReLU: {
		name: "relu",
		forward: func(z []float32) {
			for i, v := range z {
				z[i] = max(v, 0)
			}
		},
		backward: func(z, g []float32) {
			for i, v := range z {
				if v <= 0 {
					g[i] = 0
				}
				z[i] = max(v, 0)
			}
		},
		formula: Formula{Steps: []Step{{"Relu", "relu", []string{"x"}}}},
	},
	GELU: {
		name: "gelu",
		forward: func(z []float32) {
			for i, v := range z {
				cdf, _ := normal(v)
				z[i] = v * cdf
			}
		},
		backward: func(z, g []float32) {
			for i, v := range z {
				cdf, pdf := normal(v)
				g[i] *= cdf + v*pdf
				z[i] = v * cdf
			}
		},
		// x·(1+erf(x/√2))/2. ONNX opset 17 has no GELU. Runtimes know these operators in this
		// order, and fuse them.
		formula: Formula{
			Constants: map[string]float32{"gelu.sqrt2": 1.41421356237309504880, "gelu.one": 1, "gelu.half": 0.5},
			Steps: []Step{
				{"Div", "div", []string{"x", "gelu.sqrt2"}},
				{"Erf", "erf", []string{"div"}},
				{"Add", "add", []string{"erf", "gelu.one"}},
				{"Mul", "mul", []string{"x", "add"}},
				{"Mul", "half", []string{"mul", "gelu.half"}},
			},
		},
	},
}

// addPlainActivations uses the functions in Go for activations that a variant has no kernels for.
func (f *functions) addPlainActivations() {
	for act := range Activation(activationCount) {
		if f.affine[act] == nil {
			f.affine[act] = plainAffine(act)
		}
		if f.affineGrad[act] == nil {
			f.affineGrad[act] = plainAffineGrad(act)
		}
	}
}

// Activations lists the names of the activations that a layer can have.
func Activations() []string {
	var names []string
	for _, a := range activations[Identity+1:] {
		names = append(names, a.name)
	}
	return names
}

func (a Activation) String() string {
	if a < 0 || a >= activationCount {
		return fmt.Sprintf("activation %d", int(a))
	}
	return activations[a].name
}

// ParseActivation reads the name of an activation, one of [Activations].
func ParseActivation(name string) (Activation, error) {
	i := slices.IndexFunc(activations[:], func(a activation) bool { return a.name == name })
	if a := Activation(i); a.Check() == nil {
		return a, nil
	}
	return 0, fmt.Errorf("kernels: activation %q: want %s", name, strings.Join(Activations(), " or "))
}

// Check returns an error unless a is an activation that a layer can have.
func (a Activation) Check() error {
	if a <= Identity || a >= activationCount {
		return fmt.Errorf("%v is not an activation of a layer: want %s", a, strings.Join(Activations(), " or "))
	}
	return nil
}

// Formula returns the activation's formula for an export.
func (a Activation) Formula() (Formula, error) {
	if err := a.Check(); err != nil {
		return Formula{}, err
	}
	f := activations[a].formula
	if len(f.Steps) == 0 {
		return Formula{}, fmt.Errorf("%v has no formula for exports", a)
	}
	return f, nil
}
