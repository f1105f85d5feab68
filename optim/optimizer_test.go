package optim

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/ops"
)

// builtIn lists the optimizers before any test adds one.
var builtIn = slices.Clone(configs.Optimizers)

// recipe holds the results of PyTorch: see scripts/golden_recipe.py.
type recipe struct {
	Start      map[string][]float32            `json:"start"`
	Shapes     map[string][]int                `json:"shapes"`
	Grads      []map[string][]float32          `json:"grads"`
	Optimizers map[string]map[string][]float64 `json:"optimizers"`
	Clips      map[string]map[string][]float64 `json:"clips"`
	EMA        map[string][]float64            `json:"ema"`
}

func readRecipe(t *testing.T) (r recipe) {
	golden.JSON(t, "recipe.json", &r)
	return r
}

// params returns the parameters at the start.
func (r recipe) params() []*ops.Param {
	var ps []*ops.Param
	for _, name := range []string{"body.weight", "body.bias", "head.weight"} {
		p := ops.NewParam(name, r.Shapes[name]...)
		copy(p.Data(), r.Start[name])
		ps = append(ps, p)
	}
	return ps
}

// setGrads gives the parameters the gradients of a step, times a factor.
func setGrads(ps []*ops.Param, grads map[string][]float32, factor float32) {
	for _, p := range ps {
		for i, g := range grads[p.Name] {
			p.GradData()[i] = factor * g
		}
	}
}

func compare(t *testing.T, what string, ps []*ops.Param, of func(*ops.Param) []float32, want map[string][]float64) {
	t.Helper()
	for _, p := range ps {
		for i, w := range want[p.Name] {
			if got := float64(of(p)[i]); math.Abs(got-w) > 2e-6*max(math.Abs(w), 1) {
				t.Errorf("%s: %s[%d] is %v, want %v", what, p.Name, i, got, w)
				break
			}
		}
	}
}

// Four steps of every optimizer equal PyTorch's, also if the gradient is the sum of two batches.
func TestOptimizers(t *testing.T) {
	r := readRecipe(t)
	if len(r.Optimizers) != len(builtIn) {
		t.Fatalf("values for %d optimizers, want %d", len(r.Optimizers), len(builtIn))
	}
	for name, want := range r.Optimizers {
		c := configs.Optim{
			Opt:           name,
			WeightDecay:   0.1,
			WeightDecayOn: "all",
			Betas:         []float64{0.9, 0.99},
			Momentum:      0.9,
			Eps:           1e-6,
		}
		if name == "lamb" {
			c.WeightDecayOn = "no-1d"
		}
		ps := r.params()
		o := newOptimizer(t, c, ps...)
		for _, g := range r.Grads {
			setGrads(ps, g, 2)
			o.Step(0.05, o.Clip(1, 2))
		}
		compare(t, name, ps, (*ops.Param).Data, want)
	}
}

func TestClip(t *testing.T) {
	r := readRecipe(t)
	for mode, want := range r.Clips {
		ps := r.params()
		o := newOptimizer(t, configs.Optim{Opt: "momentum", ClipGrad: 0.2, ClipMode: mode}, ps...)
		setGrads(ps, r.Grads[0], 4) // the sum of four batches
		scale := float32(o.Clip(o.GradNorm()/4, 4))
		compare(t, mode, ps, func(p *ops.Param) []float32 {
			out := make([]float32, p.Size())
			for i, g := range p.GradData() {
				out[i] = scale * g
			}
			return out
		}, want)
	}
}

// Clipping leaves small gradients alone, and the norm covers all parts.
func TestClipSmall(t *testing.T) {
	p := ops.NewParam("p", 100000) // more than one part
	for _, mode := range []string{"norm", "value", "agc"} {
		o := newOptimizer(t, configs.Optim{Opt: "adamw", ClipGrad: 10, ClipMode: mode, Betas: []float64{0.9, 0.999}}, p)
		for i := range p.Data() {
			p.Data()[i] = 1
		}
		o.ZeroGrad()
		p.GradData()[3], p.GradData()[99999] = 3, 4
		if norm := o.GradNorm(); norm != 5 {
			t.Errorf("norm %v, want 5", norm)
		}
		if s := o.Clip(5, 1); s != 1 || p.GradData()[3] != 3 || p.GradData()[99999] != 4 {
			t.Errorf("%s: a small gradient is scaled by %v, to %v and %v",
				mode, s, p.GradData()[3], p.GradData()[99999])
		}
		o.config.ClipGrad = 0
		if s := o.Clip(1e9, 4); s != 0.25 {
			t.Errorf("%s: without clipping the scale is %v", mode, s)
		}
	}
	o := newOptimizer(t, configs.Optim{Opt: "adamw"}, p)
	o.ZeroGrad()
	if norm := o.GradNorm(); norm != 0 {
		t.Errorf("norm %v after ZeroGrad", norm)
	}
}

// A restored optimizer continues with the same bits. It refuses the state of another optimizer, and
// stays unchanged.
func TestOptimizerState(t *testing.T) {
	r := readRecipe(t)
	states := map[string]*checkpoints.File{}
	config := func(name string) configs.Optim {
		return configs.Optim{
			Opt:           name,
			WeightDecay:   0.1,
			WeightDecayOn: "all",
			Betas:         []float64{0.9, 0.99},
			Momentum:      0.9,
			Eps:           1e-6,
		}
	}
	for _, name := range builtIn {
		ps, qs := r.params(), r.params()
		a, b := newOptimizer(t, config(name), ps...), newOptimizer(t, config(name), qs...)
		for _, g := range r.Grads {
			setGrads(ps, g, 1)
			a.Step(0.1, 1)
		}
		f := &checkpoints.File{Tensors: a.Tensors()}
		if err := b.Restore(f); err != nil {
			t.Fatal(err)
		}
		for i, p := range ps {
			copy(qs[i].Data(), p.Data())
		}
		for _, o := range []*Optimizer{a, b} {
			setGrads(o.params, r.Grads[1], 1)
			o.Step(0.1, 1)
		}
		for i, p := range ps {
			for k, v := range p.Data() {
				if v != qs[i].Data()[k] {
					t.Fatalf("%s: after the same step %v and %v", name, p.Data(), qs[i].Data())
				}
			}
		}
		if err := b.Restore(&checkpoints.File{Tensors: f.Tensors[1:]}); err == nil {
			t.Error("a state without steps is accepted")
		}
		if err := b.Restore(&checkpoints.File{Tensors: f.Tensors[:2]}); err == nil {
			t.Errorf("%s: half a state is accepted", name)
		}
		states[name] = f
	}
	for _, of := range builtIn {
		f := states[of]
		for _, name := range []string{"adamw", "sgd"} {
			fits := (of == "adamw" || of == "lamb") == (name == "adamw")
			err := newOptimizer(t, config(name), r.params()...).Restore(f)
			if (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "optim.opt "+name) {
				t.Errorf("the state of %s for %s: %v", of, name, err)
			}
		}
	}
}

// LAMB limits the norm of all gradients itself, after any other clipping: gradients above the limit
// give the same step as gradients at the limit.
func TestLambNorm(t *testing.T) {
	r := readRecipe(t)
	step := func(limit float64, factor float32) []float32 {
		c := configs.Optim{
			Opt:           "lamb",
			MaxGradNorm:   limit,
			WeightDecay:   0.1,
			WeightDecayOn: "all",
			Betas:         []float64{0.9, 0.99},
			Eps:           1e-2,
		}
		ps := r.params()
		o := newOptimizer(t, c, ps...)
		setGrads(ps, r.Grads[0], 2)
		norm := o.GradNorm() / 2
		for _, p := range ps {
			kernels.Scale(p.GradData(), factor/float32(norm)) // so that their norm is factor
		}
		o.Step(0.05, o.Clip(float64(factor), 2))
		var out []float32
		for _, p := range ps {
			out = append(out, p.Data()...)
		}
		return out
	}
	at := step(0, 0.5)
	golden.CheckRel(t, "limited", step(0.5, 3), at, 1e-6)
	golden.CheckRel(t, "not limited", step(0.5, 0.25), step(0, 0.25), 0)
	if slices.Equal(step(0, 3), at) {
		t.Error("without a limit the norm does not matter")
	}
}
