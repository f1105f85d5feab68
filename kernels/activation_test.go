package kernels

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Every entry of the table is complete: name, both passes, and a formula with the same values.
func TestActivationTable(t *testing.T) {
	seen := map[string]bool{}
	for act := range Activation(activationCount) {
		a := activations[act]
		if a.name == "" || seen[a.name] || a.forward == nil || a.backward == nil || act.String() != a.name {
			t.Fatalf("activation %d is not complete: %+v", int(act), a)
		}
		seen[a.name] = true
		if act == Identity {
			continue
		}
		if got, err := ParseActivation(a.name); err != nil || got != act {
			t.Errorf("%s is read as %v, %v", a.name, got, err)
		}
		f, err := act.Formula()
		if err != nil {
			t.Error(err)
			continue
		}
		for x := -6.0; x <= 6; x += 0.25 {
			want, slope := refAct(act, x)
			if got := compute(t, f, x); math.Abs(got-want) > 1e-7 {
				t.Errorf("the formula of %v gives %v for %v, want %v", act, got, x, want)
			}
			z, g := []float32{float32(x)}, []float32{1}
			a.backward(z, g)
			if math.Abs(float64(z[0])-want) > 1e-6 || math.Abs(float64(g[0])-slope) > 1e-6 {
				t.Errorf("%v of %v is %v with slope %v, want %v and %v", act, x, z[0], g[0], want, slope)
			}
		}
	}
}

// compute evaluates a formula.
func compute(t *testing.T, f Formula, x float64) float64 {
	t.Helper()
	values := map[string]float64{"x": x}
	for name, v := range f.Constants {
		values[name] = float64(v)
	}
	for _, s := range f.Steps {
		v := make([]float64, 2)
		for i, name := range s.Operands {
			operand, ok := values[name]
			if !ok {
				t.Fatalf("%s reads %s, which does not exist", s.Name, name)
			}
			v[i] = operand
		}
		switch s.Operator {
		case "Add":
			x = v[0] + v[1]
		case "Mul":
			x = v[0] * v[1]
		case "Div":
			x = v[0] / v[1]
		case "Erf":
			x = math.Erf(v[0])
		case "Relu":
			x = max(v[0], 0)
		default:
			t.Fatalf("this test does not know the operator %s", s.Operator)
		}
		values[s.Name] = x
	}
	return x
}

func TestUnknownActivations(t *testing.T) {
	if !slices.Equal(Activations(), []string{"relu", "gelu"}) {
		t.Errorf("got %v", Activations())
	}
	for _, name := range []string{"", "identity", "GELU", "swish"} {
		if _, err := ParseActivation(name); err == nil || !strings.Contains(err.Error(), "want relu or gelu") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, act := range []Activation{-1, Identity, activationCount, 99} {
		if err := act.Check(); err == nil ||
			!strings.Contains(err.Error(), act.String()+" is not an activation of a layer: want relu or gelu") {
			t.Errorf("%v: %v", act, err)
		}
		if _, err := act.Formula(); err == nil {
			t.Errorf("%v has a formula", act)
		}
	}
}

// A variant without kernels for an activation uses the plain ones.
func TestPlainActivations(t *testing.T) {
	var f functions
	f.addPlainActivations()
	x, y := []float32{-1, 2}, make([]float32, 2)
	k := &Set{functions: f}
	k.Affine(NewMatrix(y, 1, 2), NewMatrix(x, 1, 2), []float32{1, 1}, []float32{0, 0}, ReLU)
	if !slices.Equal(y, []float32{0, 2}) {
		t.Errorf("got %v", y)
	}
}
