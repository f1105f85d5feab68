package quantise

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	_ "fasternet/graph/families"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/ops"
)

func config(t testing.TB) *configs.Config {
	t.Helper()
	c, err := configs.Load("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// small makes a model with random weights and statistics.
func small(t testing.TB, change func(c *configs.Model, a *fasternet.Config)) *fasternet.Model {
	t.Helper()
	m := config(t).Model
	a := m.Arch.(fasternet.Config)
	a.EmbedDim, a.Depths, a.FeatureDim, m.NumClasses = 24, []int{1, 2, 1}, 40, 5
	if change != nil {
		change(&m, &a)
	}
	m.Arch = a
	made, err := fasternet.New(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range made.Store().Entries {
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), golden.Weight(e.Name, 1, e.Shape))
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, golden.Weight(e.Name, 1, e.Shape))
		}
	}
	return made
}

func images(n, side, channels int) Images {
	r := rand.New(rand.NewPCG(3, 4))
	im := Images{Data: make([]float32, n*side*side*channels), Count: n, Height: side, Width: side, Channels: channels}
	for i := range im.Data {
		im.Data[i] = float32(r.NormFloat64())
	}
	return im
}

// logits returns the logits for the first images, on a number of threads with a set of kernels.
func logits(t testing.TB, k *kernels.Set, m graph.Model, im Images, threads int) []float32 {
	t.Helper()
	pool := k.NewPool(threads)
	defer pool.Close()
	p, err := graph.NewRunner(m, pool).Program(graph.Shape{Batch: im.Count, Height: im.Height, Width: im.Width})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Forward(im.Data)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out)
}

// noise returns the error of values relative to their size.
func noise(got, want []float32) float64 {
	var e, s float64
	for i, w := range want {
		d := float64(got[i] - w)
		e += d * d
		s += float64(w) * float64(w)
	}
	return math.Sqrt(e / s)
}

// A model in 8 bits computes the same except for rounding, and the same bits on any number of threads.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *configs.Model, a *fasternet.Config)
		o      Options
		most   float64
	}{
		{"GELU", nil, Options{}, 0.1},
		{"ReLU", func(_ *configs.Model, a *fasternet.Config) { a.ActLayer = "relu" }, Options{}, 0.1},
		{"odd channels", func(_ *configs.Model, a *fasternet.Config) {
			a.EmbedDim, a.MLPRatio = 20, 1.5
		}, Options{}, 0.1},
		{"layer scale, colour", func(c *configs.Model, a *fasternet.Config) {
			c.InChans, a.LayerScaleInitValue = 3, 0.5
		}, Options{}, 0.1},
		{"patches that overlap", func(_ *configs.Model, a *fasternet.Config) { a.PatchSize2 = 3 }, Options{}, 0.1},
		{"percentile", nil, Options{Method: Percentile}, 0.1},
		{"min and max", nil, Options{Method: MinMax, NoCorrection: true, NoEqualisation: true}, 0.2},
		{"some in float32", nil, Options{Float: []string{"stages.2.*", "head"}}, 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := small(t, c.change)
			im := images(40, 32, m.Channels())
			r, err := Run(config(t), m, im, c.o)
			if err != nil {
				t.Fatal(err)
			}
			few := images(3, 32, m.Channels())
			want, got := logits(t, kernels.Default(), m, few, 1), logits(t, kernels.Default(), r.Model, few, 1)
			if e := noise(got, want); !(e < c.most) || e == 0 {
				t.Errorf("the logits are off by %.3g", e)
			} else {
				t.Logf("off by %.3g", e)
			}
			for _, threads := range []int{2, 3, 5} {
				if !slices.Equal(logits(t, kernels.Default(), r.Model, few, threads), got) {
					t.Errorf("other logits on %d threads", threads)
				}
			}
			if len(c.o.Float) > 0 &&
				!slices.Equal(r.Float, []string{"stages.2.blocks.0", "stages.2.blocks.1", "head"}) {
				t.Errorf("in float32 are %v", r.Float)
			}
		})
	}
}

// Errors say what cannot be done.
func TestRunErrors(t *testing.T) {
	plain := small(t, nil)
	sick := small(t, nil)
	sick.Store().Entries[0].Param.Data()[0] = float32(math.NaN())
	bad := images(40, 32, 1)
	bad.Data[5] = float32(math.Inf(1))
	done, err := Run(config(t), plain, images(2, 32, 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(done.Notes, func(n string) bool { return strings.Contains(n, "few images (2)") }) {
		t.Errorf("no note about few images: %v", done.Notes)
	}
	grn := small(t, func(_ *configs.Model, a *fasternet.Config) { a.GRN = true })
	for _, c := range []struct {
		name string
		m    graph.Model
		im   Images
		o    Options
		want string
	}{
		{"no images", plain, Images{Height: 32, Width: 32, Channels: 1}, Options{}, "no images"},
		{"NaN weights", sick, images(2, 32, 1), Options{}, "NaN or infinite"},
		{"infinite pixels", plain, bad, Options{}, "NaN or infinite"},
		{"twice", done.Model, images(2, 32, 1), Options{}, "already in 8 bits"},
		{"an unknown layer", plain, images(2, 32, 1), Options{Float: []string{"stages.9*"}},
			`no layer has the name "stages.9*"`},
		{"all in float32", plain, images(2, 32, 1), Options{Float: []string{"*"}}, "all layers stay"},
		{"GRN", grn, images(2, 32, 1), Options{}, "model.grn"},
	} {
		if _, err := Run(config(t), c.m, c.im, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Scales that are not finite, or come from another model, are refused by name.
func TestCheck(t *testing.T) {
	r, err := Run(config(t), small(t, nil), images(2, 32, 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Model.Int8()
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		change func(s *graph.Int8State)
		want   string
	}{
		{"a grid of NaN", func(s *graph.Int8State) {
			s.Grids["patch_embed"] = ops.Grid{Scale: nan}
		}, "patch_embed: its scale is NaN"},
		{"a grid of 0", func(s *graph.Int8State) { s.Grids["stages.1"] = ops.Grid{} }, "stages.1: its scale is 0"},
		{"a scale of +Inf", func(s *graph.Int8State) {
			s.Factors["head.weight"].Scale[1] = float32(math.Inf(1))
		}, "head.weight: output 1: its scale is +Inf"},
		{"a correction of NaN", func(s *graph.Int8State) {
			s.Factors["head.weight"].Bias[0] = nan
		}, "head.weight: output 0: its bias is NaN"},
		{"a scale below 0", func(s *graph.Int8State) { s.Factors["head.weight"].Scale[0] = -1 }, "want a positive one"},
		{"no grid", func(s *graph.Int8State) {
			delete(s.Grids, "stages.0.blocks.0.mlp.2")
		}, "stages.0.blocks.0.mlp.2 have no scale"},
		{"half of a block", func(s *graph.Int8State) {
			delete(s.Factors, "stages.0.blocks.0.mlp.0.weight")
		}, "2 of its 3 weights"},
		{"another weight", func(s *graph.Int8State) { s.Factors["other"] = graph.Int8Factors{} }, "other"},
		{"another grid", func(s *graph.Int8State) { s.Grids["other"] = ops.Grid{Scale: 1} }, "other"},
	} {
		copied := s.Only(r.Model.Int8Units())
		for k, f := range copied.Factors {
			copied.Factors[k] = graph.Int8Factors{Scale: slices.Clone(f.Scale), Bias: slices.Clone(f.Bias)}
		}
		c.change(copied)
		if err := r.Model.SetInt8(copied); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
