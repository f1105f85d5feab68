package opstest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// gradient is a gradient after one run.
type gradient struct {
	name    string
	at      []float32 // the input or parameter of the gradient
	values  []float32
	changed func() // after a change of at
}

// gradients runs the graph once.
func (g *graph) gradients(t testing.TB) []gradient {
	t.Helper()
	for _, p := range g.params {
		clear(p.GradData())
	}
	g.run(t)
	return g.read()
}

// read copies the current gradients.
func (g *graph) read() []gradient {
	var all []gradient
	for _, p := range g.params {
		all = append(all, gradient{p.Name, p.Data(), slices.Clone(p.GradData()), p.Changed})
	}
	for _, in := range g.inputs {
		if in.wrt {
			all = append(all, gradient{in.name, in.data, slices.Clone(g.Value(in.grad)), func() {}})
		}
	}
	return all
}

// differences compares the gradients with central differences, at some places of each tensor.
func (g *graph) differences(t testing.TB, c Check) {
	t.Helper()
	const places = 25
	r := rand.New(rand.NewPCG(5, 5))
	for _, d := range g.gradients(t) {
		var top float64
		for _, v := range d.values {
			top = max(top, math.Abs(float64(v)))
		}
		if top == 0 || math.IsNaN(top) || math.IsInf(top, 0) {
			t.Errorf("%s: the largest value of the gradient is %v", d.name, top)
			continue
		}
		for _, i := range some(r, len(d.at), places) {
			old := d.at[i]
			try := func(v float32) float64 {
				d.at[i] = v
				d.changed()
				g.run(t)
				return g.loss
			}
			low, high := old-float32(c.Step), old+float32(c.Step)
			want := (try(high) - try(low)) / (float64(high) - float64(low))
			d.at[i] = old
			d.changed()
			if got := float64(d.values[i]); !(math.Abs(got-want) <= c.Tolerance*top) { // true for NaN
				t.Errorf("%s[%d]: gradient %v, central difference %v (largest of the tensor %v)",
					d.name, i, got, want, top)
			}
		}
	}
}

// some returns n places of size, or all of them.
func some(r *rand.Rand, size, n int) []int {
	all := r.Perm(size)
	return all[:min(n, size)]
}

// accumulates runs the graph twice: gradients of parameters add up, gradients of inputs do not.
func (g *graph) accumulates(t testing.TB) {
	t.Helper()
	once := g.gradients(t)
	g.run(t)
	for i, twice := range g.read() {
		factor := 2.0
		if i >= len(g.params) {
			factor = 1
		}
		var top float64
		for _, v := range once[i].values {
			top = max(top, math.Abs(float64(v)))
		}
		for j, v := range twice.values {
			want := factor * float64(once[i].values[j])
			if !(math.Abs(float64(v)-want) <= 1e-4*top) { // 1e-4 because the sums may be rounded in another order
				t.Errorf("%s[%d]: gradient %v after a second run, want %v: "+
					"a backward op adds to the gradient of a parameter", twice.name, j, v, want)
				break
			}
		}
	}
}
