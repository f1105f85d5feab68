package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/ops"
)

// plan describes how a model is trained in a test that no bit changes.
type plan struct {
	recompute bool
	workers   int
	precision kernels.Precision
	kernels   *kernels.Set
}

// twoBatches accumulates the gradients of two random batches. The second one is smaller, as at the end
// of an epoch.
func twoBatches(t *testing.T, m graph.Model, how plan, size int, change func(r *graph.Runner)) *graphtest.Bits {
	t.Helper()
	pool := how.kernels.NewPool(how.workers)
	defer pool.Close()
	r := graph.NewRunner(m, pool)
	r.Recompute, r.Precision = how.recompute, how.precision
	if change != nil {
		change(r)
	}
	graphtest.Reset(m.Store())
	out := &graphtest.Bits{}
	for step, batch := range []int{5, 3} {
		p := program(t, r, graph.Shape{batch, size, size, true})
		targets := make([]float32, batch*m.Classes())
		for i := range batch {
			targets[i*m.Classes()+i%m.Classes()] = 1
		}
		if r.Loss.Distill != ops.NoDistill {
			if err := p.Teach(graphtest.Random(len(targets), 9)); err != nil {
				t.Fatal(err)
			}
		}
		loss, err := p.Gradients(graphtest.Random(batch*size*size*m.Channels(), uint64(step)), targets, graph.Position{
			Seed: 3,
			Step: uint64(step),
		})
		if err != nil {
			t.Fatal(err)
		}
		out.Add(fmt.Sprintf("the loss of batch %d", step), loss)
		out.Add(fmt.Sprintf("the logits of batch %d", step), p.Logits()...)
		out.Arena = max(out.Arena, p.ArenaBytes())
	}
	out.AddState(m.Store())
	return out
}

// recomputed are models with everything that a block may have: several blocks in a stage, drop path, layer
// scale, ReLU, no bias of the queries.
func recomputed(t *testing.T) map[string]graph.Model {
	t.Helper()
	vitConfig, swinConfig := configs.DefaultModel("vit"), configs.DefaultModel("swin")
	configs.Change(&vitConfig, func(a *vit.Config) {
		a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize = 24, 3, configs.Heads{3}, 8
	})
	vitConfig.NumClasses, vitConfig.DropPathRate = 5, 0.5
	configs.Change(&swinConfig, func(a *swin.Config) {
		a.EmbedDim, a.Depths, a.NumHeads, a.WindowSize = 12, []int{2, 3}, configs.Heads{2, 4}, 4
	})
	swinConfig.NumClasses, swinConfig.DropPathRate = 5, 0.5
	fasterNet, relu := smallConfig(), smallConfig()
	configs.Change(&fasterNet, func(a *fasternet.Config) { a.Depths = []int{1, 2, 3} })
	fasterNet.DropPathRate = 0.5
	configs.Change(&relu, func(a *fasternet.Config) { a.ActLayer, a.LayerScaleInitValue = "relu", 0.1 })
	ms := map[string]graph.Model{}
	for _, test := range []struct {
		name string
		c    configs.Model
	}{
		{"fasternet", fasterNet},
		{"fasternet with relu and layer scale", relu},
		{"vit", vitConfig},
		{"swin", swinConfig},
	} {
		var m graph.Model
		var err error
		if test.c.Name == "vit" || test.c.Name == "swin" {
			m, err = newTransformer(test.c, 32)
		} else {
			m, err = fasternet.New(test.c, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		ms[test.name] = m
	}
	return ms
}

// Blocks that are computed again take less memory and give the same bits: for any number of threads,
// every variant of the kernels, and bf16.
func TestRecompute(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(recomputed(t))) {
		check := func(t *testing.T, k *kernels.Set, in kernels.Precision) {
			m := recomputed(t)[name]
			want := twoBatches(t, m, plan{false, 2, in, k}, 32, nil)
			for _, workers := range []int{1, 2, 4} {
				got := twoBatches(t, m, plan{true, workers, in, k}, 32, nil)
				got.Compare(t, fmt.Sprintf("%s, %v, %d threads", name, in, workers), want)
				if got.Arena >= want.Arena {
					t.Errorf("%s, %v: %d bytes of activations, %d if all is kept", name, in, got.Arena, want.Arena)
				}
			}
		}
		t.Run(name, func(t *testing.T) {
			graphtest.EveryVariant(t, func(t *testing.T, k *kernels.Set) { check(t, k, kernels.FP32) })
			graphtest.EveryBF16(t, func(t *testing.T, k *kernels.Set) { check(t, k, kernels.BF16) })
		})
	}
}

// Frozen layers keep nothing that could be computed again. A teacher, and parameters that are frozen by
// name, change nothing.
func TestRecomputeFrozen(t *testing.T) {
	t.Parallel()
	ms := recomputed(t)
	for _, name := range slices.Sorted(maps.Keys(ms)) {
		m := ms[name]
		layers, err := graph.LayersOf(m, 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		_, last := layers.Of("head.weight")
		for _, frozen := range []int{1, 2, 3, last} {
			for _, q := range m.Store().Params() {
				layer, _ := layers.Of(q.Name)
				q.Frozen = layer < frozen || strings.HasSuffix(q.Name, ".bias")
			}
			change := func(r *graph.Runner) {
				r.Frozen = frozen
				r.Loss = ops.Loss{Distill: ops.SoftDistill, Alpha: 0.5, Tau: 2}
			}
			want := twoBatches(t, m, plan{false, 2, kernels.FP32, kernels.Default()}, 32, change)
			got := twoBatches(t, m, plan{true, 2, kernels.FP32, kernels.Default()}, 32, change)
			got.Compare(t, fmt.Sprintf("%s, %d layers frozen", name, frozen), want)
		}
	}
}

// The statistics for precise batch norms are the same.
func TestRecomputeStatistics(t *testing.T) {
	m := recomputed(t)["fasternet"]
	measured := func(recompute bool) *graphtest.Bits {
		r := newRunner(t, m)
		r.Recompute = recompute
		p, err := r.Statistics(4, 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		graphtest.Reset(m.Store())
		if err := p.Measure(graphtest.Random(4*32*32*3, 3)); err != nil {
			t.Fatal(err)
		}
		out := &graphtest.Bits{}
		out.AddState(m.Store())
		return out
	}
	measured(true).Compare(t, "statistics", measured(false))
}

// The models of the reference values.
func TestRecomputeGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"vit_small_gap", "vit_small_cls", "swin_small_w4", "swin_small_w7"} {
		var ref transformerReference
		golden.JSON(t, name+".json", &ref)
		m := ref.model(t)
		want := twoBatches(t, m, plan{false, 2, kernels.FP32, kernels.Default()}, ref.Config.Image, nil)
		got := twoBatches(t, m, plan{true, 2, kernels.FP32, kernels.Default()}, ref.Config.Image, nil)
		got.Compare(t, name, want)
		t.Logf("%s: %d bytes of activations, %d if all is kept", name, got.Arena, want.Arena)
	}
	var ref reference
	golden.JSON(t, "fasternet_t0.json", &ref)
	m := newModel(t, ref, ref.Seed)
	want := twoBatches(t, m, plan{false, 2, kernels.FP32, kernels.Default()}, 64, nil)
	twoBatches(t, m, plan{true, 2, kernels.FP32, kernels.Default()}, 64, nil).Compare(t, "fasternet_t0", want)
}
