package quantise

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

// transformer makes a small model with random weights. The first norm of each block has a channel that is
// much larger than the others, and its weights are smaller.
func transformer(t testing.TB, yaml string, settings ...string) (*configs.Config, graph.Model) {
	t.Helper()
	c, err := configs.Parse("test", yaml, settings...)
	if err != nil {
		t.Fatal(err)
	}
	c.Model.NumClasses = 5
	m, err := graph.New(c.Model, c.Data.ImageSize, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Store().Entries {
		v := e.Buffer
		if e.Param != nil {
			v = e.Param.Data()
		}
		copy(v, golden.Weight(e.Name, 1, e.Shape))
		switch in := e.Shape[len(e.Shape)-1]; {
		case strings.Contains(e.Name, "norm1."):
			v[1] *= 40
		case strings.HasSuffix(e.Name, "qkv.weight"):
			for i := 1; i < len(v); i += in {
				v[i] /= 40
			}
		}
		if e.Param != nil {
			e.Param.Changed()
		}
	}
	return c, m
}

const (
	smallViT = "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, in_chans: 3}\n" +
		"data: {image_size: 32, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4]}"
	smallSwin = "model: {name: swin, embed_dim: 16, depths: [1, 2], num_heads: [2, 4], window_size: 4, in_chans: 1}\n" +
		"data: {image_size: 32, mean: [0.5], std: [0.2]}"
)

// Transformers in 8 bits compute the same except for rounding, and the same bits on any number of
// threads.
func TestTransformers(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		settings   []string
		o          Options
		float      []string
	}{
		{name: "ViT", yaml: smallViT},
		{
			name:     "class token, no bias",
			yaml:     smallViT,
			settings: []string{"model.global_pool=false", "model.qkv_bias=false"},
		},
		{
			name: "norm before the pool", yaml: smallViT,
			settings: []string{"model.norm_before_pool=true", "model.pos_embed=fixed"},
		},
		{
			name: "odd sizes", yaml: smallViT,
			settings: []string{"model.embed_dim=15", "model.mlp_ratio=1.5", "model.patch_size=5", "data.image_size=30"},
		},
		{name: "percentile", yaml: smallViT, o: Options{Method: Percentile}},
		{
			name: "layers in float32", yaml: smallViT,
			o: Options{
				Float: []string{"patch_*", "blocks.0.mlp.fc2", "blocks.1.mlp.fc1", "blocks.1.attn.qkv", "head"},
			},
			float: []string{"patch_embed.proj", "blocks.0.mlp.fc2", "blocks.1.attn.qkv", "blocks.1.mlp.fc1", "head"},
		},
		{name: "Swin", yaml: smallSwin},
		{
			name: "Swin, LocalMIM's", yaml: smallSwin,
			settings: []string{"model.norm_before_pool=false", "model.patch_norm=false"},
		},
		{
			name: "Swin, layers in float32",
			yaml: smallSwin,
			o:    Options{Float: []string{"*downsample*", "*.attn.proj"}},
			float: []string{
				"layers.0.blocks.0.attn.proj", "layers.0.downsample.reduction",
				"layers.1.blocks.0.attn.proj", "layers.1.blocks.1.attn.proj",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, m := transformer(t, c.yaml, c.settings...)
			size := config.Data.ImageSize
			r, err := Run(config, m, images(40, size, m.Channels()), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Float, c.float) {
				t.Errorf("in float32 are %v, want %v", r.Float, c.float)
			}
			few := images(3, size, m.Channels())
			want, got := logits(t, kernels.Default(), m, few, 1), logits(t, kernels.Default(), r.Model, few, 1)
			if e := noise(got, want); !(e < 0.1) || e == 0 {
				t.Errorf("the logits are off by %.3g", e)
			} else {
				t.Logf("off by %.3g", e)
			}
			for _, threads := range []int{2, 3, 5} {
				if !slices.Equal(logits(t, kernels.Default(), r.Model, few, threads), got) {
					t.Errorf("other logits on %d threads", threads)
				}
			}
			for _, v := range kernels.Available() {
				k, err := kernels.New(v, "")
				if err != nil {
					t.Fatal(err)
				}
				// Values in float32 round differently, and a byte becomes its neighbour.
				golden.CheckRel(t, string(v), logits(t, k, r.Model, few, 2), got, 0.03)
			}
		})
	}
}

// Each layer alone changes the logits a little when it is rounded, and much when its scales are wrong.
func TestEachLayer(t *testing.T) {
	for _, yaml := range []string{smallViT, smallSwin} {
		config, exact := transformer(t, yaml)
		r, err := Run(config, exact, images(40, 32, exact.Channels()), Options{NoCorrection: true})
		if err != nil {
			t.Fatal(err)
		}
		few := images(3, 32, exact.Channels())
		want := logits(t, kernels.Default(), exact, few, 1)
		all := r.Model.Int8()
		off := func(s *graph.Int8State) float64 {
			if err := r.Model.SetInt8(s); err != nil {
				t.Fatal(err)
			}
			return noise(logits(t, kernels.Default(), r.Model, few, 1), want)
		}
		// In float32, only the rounded weights make the difference.
		weights := off(nil)
		for _, u := range r.Model.Int8Units() {
			alone := all.Only([]graph.Int8Unit{u})
			good := off(alone)
			if good == weights || good > 0.1 {
				t.Errorf("%s: off by %.3g in 8 bits, by %.3g in float32 with the same weights", u.Name, good, weights)
			}
			for _, name := range u.Grids {
				g := alone.Grids[name]
				wrong := alone.Clone()
				changed := g
				changed.Scale /= 4
				wrong.Grids[name] = changed
				if e := off(wrong); e < 1.2*good {
					t.Errorf("%s: off by %.3g with a wrong grid of %s, and by %.3g with the right one",
						u.Name, e, name, good)
				}
			}
			wrong, w := alone.Clone(), u.Weights[0].Name
			f := wrong.Factors[w]
			f.Bias = slices.Clone(f.Bias)
			for i := range f.Bias {
				f.Bias[i] += float32(i%2) / 2 // a layer norm does not see the same step in all channels
			}
			wrong.Factors[w] = f
			if e := off(wrong); e < 1.2*good {
				t.Errorf("%s: with wrong biases off by %.3g, and by %.3g with the right ones", u.Name, e, good)
			}
		}
	}
}

// Factors of channels change nothing in float32, and reduce the error of rounding if a few channels are
// large.
func TestBalance(t *testing.T) {
	for _, yaml := range []string{smallViT, smallSwin} {
		config, m := transformer(t, yaml)
		few := images(3, 32, m.Channels())
		want := logits(t, kernels.Default(), m, few, 1)
		made, err := graph.Copy(m, 32)
		if err != nil {
			t.Fatal(err)
		}
		q := made.(graph.Int8Model)
		if err := balance(config, q, q.Int8Units(), images(8, 32, m.Channels())); err != nil {
			t.Fatal(err)
		}
		golden.CheckRel(t, "balanced", logits(t, kernels.Default(), q, few, 1), want, 1e-4)
		name := q.Int8Units()[1].Weights[0].Name
		before, _ := m.Store().Lookup(name)
		after, _ := q.Store().Lookup(name)
		if slices.Equal(before.Param.Data(), after.Param.Data()) {
			t.Errorf("%s has not changed", name)
		}
		errors := map[bool]float64{}
		for _, without := range []bool{false, true} {
			r, err := Run(config, m, images(40, 32, m.Channels()), Options{NoEqualisation: without, NoCorrection: true})
			if err != nil {
				t.Fatal(err)
			}
			errors[without] = noise(logits(t, kernels.Default(), r.Model, few, 1), want)
		}
		if !(errors[false] < 0.8*errors[true]) || math.IsNaN(errors[true]) {
			t.Errorf("off by %.3g with the factors, and by %.3g without", errors[false], errors[true])
		}
	}
}
