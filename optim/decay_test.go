package optim

import (
	"math"
	"strconv"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

func newOptimizer(t *testing.T, c configs.Optim, params ...*ops.Param) *Optimizer {
	t.Helper()
	pool := kernels.NewPool(2)
	t.Cleanup(pool.Close)
	if c.Opt == "" {
		c.Opt = "adamw"
	}
	o, err := New(c, params, pool)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// WeightDecayOn decays all parameters, or leaves out one-dimensional ones.
func TestWeightDecayGroups(t *testing.T) {
	for _, c := range []struct {
		on   string
		want float32
	}{{"all", 0.5}, {"no-1d", 1}} {
		t.Run(c.on, func(t *testing.T) {
			w, b := ops.NewParam("w", 2, 3), ops.NewParam("b", 3)
			for _, p := range []*ops.Param{w, b} {
				for i := range p.Data() {
					p.Data()[i] = 1
				}
			}
			o := newOptimizer(t, configs.Optim{
				WeightDecay:   5,
				WeightDecayOn: c.on,
				Betas:         []float64{0.9, 0.999},
				Eps:           1e-8,
			}, w, b)
			o.Step(0.1, 1)
			if w.Data()[4] != 0.5 || b.Data()[2] != c.want {
				t.Errorf("%s: weights %v, bias %v, want 0.5 and %v", c.on, w.Data()[4], b.Data()[2], c.want)
			}
		})
	}
}

// The groups of the pre-training presets equal the official runs'.
func TestPretrainingDecayGroups(t *testing.T) {
	for _, test := range []struct{ preset, file string }{
		{"mim_vit_base", "decay_groups_mim_vit_base.json"},
		{"mim_swin_base", "decay_groups_mim_swin_base.json"},
	} {
		t.Run(test.preset, func(t *testing.T) {
			c, err := configs.Load(test.preset)
			if err != nil {
				t.Fatal(err)
			}
			var ref struct {
				Groups    map[string][2]float64 `json:"groups"`
				StateDict [][2]any              `json:"state_dict"`
			}
			golden.JSON(t, test.file, &ref)
			if len(ref.Groups) < 100 {
				t.Fatalf("%s: %d groups", test.file, len(ref.Groups))
			}
			for _, e := range ref.StateDict {
				name, dims := e[0].(string), len(e[1].([]any))
				want, learned := ref.Groups[name]
				got := 0.0
				if on, err := decays(name, dims, c.Optim.WeightDecayOn); err != nil {
					t.Fatal(err)
				} else if on {
					got = c.Optim.WeightDecay
				}
				if learned && got != want[1] {
					t.Errorf("%s: weight decay of %s is %v, want %v", test.preset, name, got, want[1])
				}
			}
		})
	}
}

// Learning rate and weight decay of every parameter when an encoder is fine-tuned.
func TestLayerDecay(t *testing.T) {
	for _, test := range []struct{ name, on string }{{"vit_base", "no-1d-positions"}, {"swin_base", "no-1d"}} {
		t.Run(test.name, func(t *testing.T) {
			c, err := configs.Load(test.name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Optim.WeightDecayOn != test.on {
				t.Errorf("%s: weight decay on %s", test.name, c.Optim.WeightDecayOn)
			}
			switch c.Model.Name { // small: the names and dimensions are the same
			case vit.Name:
				configs.Change(&c.Model, func(a *vit.Config) { a.EmbedDim, a.NumHeads = 4, configs.Heads{1} })
			case swin.Name:
				configs.Change(&c.Model, func(a *swin.Config) { a.EmbedDim, a.NumHeads = 4, configs.Heads{1, 1, 1, 1} })
			}
			m, err := model.New(c, 10)
			if err != nil {
				t.Fatal(err)
			}
			var ref struct {
				LayerDecay map[string]map[string][2]float64 `json:"layer_decay"`
			}
			golden.JSON(t, "layer_decay_"+c.Model.Name+".json", &ref)
			found := false
			for value, want := range ref.LayerDecay {
				decay, err := strconv.ParseFloat(value, 64)
				if err != nil {
					t.Fatal(err)
				}
				found = found || decay == c.Optim.LayerDecay
				o := newOptimizer(t, c.Optim, m.Store().Params()...)
				layers, err := graph.LayersOf(m, c.Data.ImageSize, c.Data.ImageSize)
				if err != nil {
					t.Fatal(err)
				}
				o.DecayLayers(decay, layers.Of)
				got := map[string][2]float64{}
				for i, g := range o.groups {
					got[o.params[i].Name] = [2]float64{g.scale, g.decay}
				}
				if len(got) != len(want) {
					t.Errorf("%s: %d parameters, want %d", test.name, len(got), len(want))
				}
				for n, w := range want {
					if g, ok := got[n]; !ok || math.Abs(g[0]-w[0]) > 1e-14*w[0] || g[1] != w[1] {
						t.Errorf("%s, %s: %s has %v, want %v", test.name, value, n, g, w)
					}
				}
			}
			if !found {
				t.Errorf("%s: layer decay %v differs from the reference", test.name, c.Optim.LayerDecay)
			}
		})
	}
}

// The scale of a layer applies to its update and to its weight decay.
func TestLayerDecayStep(t *testing.T) {
	deep, last := ops.NewParam("deep", 1), ops.NewParam("last", 1)
	for _, p := range []*ops.Param{deep, last} {
		p.Data()[0], p.GradData()[0] = 1, 3
	}
	o := newOptimizer(t, configs.Optim{
		WeightDecay:   1,
		WeightDecayOn: "all",
		Betas:         []float64{0.9, 0.999},
		Eps:           1e-8,
	}, deep, last)
	o.DecayLayers(0.5, func(name string) (int, int) { return map[string]int{"deep": 1, "last": 3}[name], 3 })
	o.Step(0.1, 1)
	for _, c := range []struct {
		p  *ops.Param
		lr float64
	}{{deep, 0.025}, {last, 0.1}} {
		t.Run(c.p.Name, func(t *testing.T) {
			if got, want := float64(c.p.Data()[0]), 1-2*c.lr; math.Abs(got-want) > 1e-6 {
				t.Errorf("%s is %v, want %v", c.p.Name, got, want)
			}
		})
	}
}
