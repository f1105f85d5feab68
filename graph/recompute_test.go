package graph_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"
)

// plan is how a model is trained in a test of what may change no bit.
type plan struct {
	recompute bool
	workers   int
	precision kernels.Precision
	kernels   *kernels.Set
}

// bits are what two batches leave behind, and the size of the memory for it.
type bits struct {
	values map[string][]float32
	arena  int
}

// reset undoes what training has done to a model that takes no step.
func reset(s *layers.Store) {
	for _, q := range s.Params() {
		clear(q.GradData())
	}
	for _, n := range s.Norms {
		clear(n.RunningMean)
		for i := range n.RunningVar {
			n.RunningVar[i] = 1
		}
		*n.Tracked = 0
	}
}

func (b *bits) add(name string, v ...float32) { b.values[name] = slices.Clone(v) }

// state adds gradients and running statistics.
func (b *bits) state(s *layers.Store) {
	for _, q := range s.Params() {
		b.add("the gradient of "+q.Name, q.GradData()...)
	}
	for _, n := range s.Norms {
		b.add("the running mean of "+n.Weight.Name, n.RunningMean...)
		b.add("the running variance of "+n.Weight.Name, n.RunningVar...)
		b.add("the batches that were seen by "+n.Weight.Name, float32(*n.Tracked))
	}
}

// compare names what differs.
func (b *bits) compare(t *testing.T, what string, want *bits) {
	t.Helper()
	for name, w := range want.values {
		got := b.values[name]
		if len(got) != len(w) {
			t.Errorf("%s: %s has %d values, want %d", what, name, len(got), len(w))
			continue
		}
		for i := range w {
			if math.Float32bits(got[i]) != math.Float32bits(w[i]) {
				t.Errorf("%s: %s: value %d is %v, want %v", what, name, i, got[i], w[i])
				break
			}
		}
	}
}

// twoBatches accumulates the gradients of two batches of noise; the second is
// smaller, as at the end of an epoch.
func twoBatches(t *testing.T, m graph.Model, how plan, size int, change func(r *graph.Runner)) *bits {
	t.Helper()
	pool := how.kernels.NewPool(how.workers)
	defer pool.Close()
	r := graph.NewRunner(m, pool)
	r.Recompute, r.Precision = how.recompute, how.precision
	if change != nil {
		change(r)
	}
	reset(m.Store())
	out := &bits{values: map[string][]float32{}}
	for step, batch := range []int{5, 3} {
		p := program(t, r, graph.Shape{batch, size, size, true})
		targets := make([]float32, batch*m.Classes())
		for i := range batch {
			targets[i*m.Classes()+i%m.Classes()] = 1
		}
		if r.Loss.Distill != ops.NoDistill {
			if err := p.Teach(random(len(targets), 9)); err != nil {
				t.Fatal(err)
			}
		}
		loss, err := p.Gradients(random(batch*size*size*m.Channels(), uint64(step)), targets, graph.Position{Seed: 3, Step: uint64(step)})
		if err != nil {
			t.Fatal(err)
		}
		out.add(fmt.Sprintf("the loss of batch %d", step), loss)
		out.add(fmt.Sprintf("the logits of batch %d", step), p.Logits()...)
		out.arena = max(out.arena, p.ArenaBytes())
	}
	out.state(m.Store())
	return out
}

// recomputed are models with everything that a block may have: several blocks a stage,
// drop path, layer scale, ReLU, no bias of the queries.
func recomputed(t *testing.T) map[string]graph.Model {
	t.Helper()
	vitConfig, swinConfig := configs.DefaultModel("vit"), configs.DefaultModel("swin")
	vitConfig.EmbedDim, vitConfig.Depth, vitConfig.NumHeads, vitConfig.PatchSize, vitConfig.NumClasses, vitConfig.DropPathRate = 24, 3, configs.Heads{3}, 8, 5, 0.5
	swinConfig.EmbedDim, swinConfig.Depths, swinConfig.NumHeads, swinConfig.WindowSize, swinConfig.NumClasses, swinConfig.DropPathRate = 12, []int{2, 3}, configs.Heads{2, 4}, 4, 5, 0.5
	fasterNet, relu := smallConfig(), smallConfig()
	fasterNet.Depths, fasterNet.DropPathRate = []int{1, 2, 3}, 0.5
	relu.ActLayer, relu.LayerScaleInitValue = "relu", 0.1
	ms := map[string]graph.Model{}
	for name, c := range map[string]configs.Model{"fasternet": fasterNet, "fasternet with relu and layer scale": relu, "vit": vitConfig, "swin": swinConfig} {
		var m graph.Model
		var err error
		if c.Name == "vit" || c.Name == "swin" {
			m, err = newTransformer(c, 32)
		} else {
			m, err = fasternet.New(c, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		ms[name] = m
	}
	return ms
}

// Blocks that are computed anew take less memory and leave the same bits: for any
// number of threads, every variant of the kernels, and bf16.
func TestRecompute(t *testing.T) {
	for name := range recomputed(t) {
		check := func(t *testing.T, k *kernels.Set, in kernels.Precision) {
			m := recomputed(t)[name]
			want := twoBatches(t, m, plan{false, 2, in, k}, 32, nil)
			for _, workers := range []int{1, 2, 4} {
				got := twoBatches(t, m, plan{true, workers, in, k}, 32, nil)
				got.compare(t, fmt.Sprintf("%s, %v, %d threads", name, in, workers), want)
				if got.arena >= want.arena {
					t.Errorf("%s, %v: %d bytes of activations, %d if all is kept", name, in, got.arena, want.arena)
				}
			}
		}
		t.Run(name, func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) { check(t, k, kernels.FP32) })
			everyBF16(t, func(t *testing.T, k *kernels.Set) { check(t, k, kernels.BF16) })
		})
	}
}

// Frozen layers keep nothing that could be computed anew; a teacher, and parameters
// that are frozen by name, change nothing.
func TestRecomputeFrozen(t *testing.T) {
	for name, m := range recomputed(t) {
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
			got.compare(t, fmt.Sprintf("%s, %d layers frozen", name, frozen), want)
		}
	}
}

// The statistics that are measured for precise batch norms.
func TestRecomputeStatistics(t *testing.T) {
	m := recomputed(t)["fasternet"]
	measured := func(recompute bool) *bits {
		r := newRunner(t, m)
		r.Recompute = recompute
		p, err := r.Statistics(4, 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		reset(m.Store())
		if err := p.Measure(random(4*32*32*3, 3)); err != nil {
			t.Fatal(err)
		}
		out := &bits{values: map[string][]float32{}}
		out.state(m.Store())
		return out
	}
	measured(true).compare(t, "statistics", measured(false))
}

// The models that the reference values are of.
func TestRecomputeGolden(t *testing.T) {
	for _, name := range []string{"vit_small_gap", "vit_small_cls", "swin_small_w4", "swin_small_w7"} {
		var ref transformerReference
		golden.JSON(t, name+".json", &ref)
		m := ref.model(t)
		want := twoBatches(t, m, plan{false, 2, kernels.FP32, kernels.Default()}, ref.Config.Image, nil)
		got := twoBatches(t, m, plan{true, 2, kernels.FP32, kernels.Default()}, ref.Config.Image, nil)
		got.compare(t, name, want)
		t.Logf("%s: %d bytes of activations, %d if all is kept", name, got.arena, want.arena)
	}
	var ref reference
	golden.JSON(t, "fasternet_t0.json", &ref)
	m := newModel(t, ref, ref.Seed)
	want := twoBatches(t, m, plan{false, 2, kernels.FP32, kernels.Default()}, 64, nil)
	twoBatches(t, m, plan{true, 2, kernels.FP32, kernels.Default()}, 64, nil).compare(t, "fasternet_t0", want)
	for _, name := range mimNames {
		var ref mimReference
		golden.JSON(t, name+".json", &ref)
		c := ref.config(t)
		if c.Model.Name == "swin" && testing.Short() {
			continue // images of 224 pixels
		}
		tensors := golden.Tensors(t, name+".safetensors")
		pretrained := func(recompute bool, in kernels.Precision) *bits {
			m, r := newMIM(t, c)
			fillMIM(m, ref.Config.Seed)
			r.Recompute, r.Precision = recompute, in
			p, err := r.Program(ref.Config.Batch, true)
			if err != nil {
				t.Fatal(err)
			}
			out := &bits{values: map[string][]float32{}, arena: p.ArenaBytes()}
			for step := range 2 {
				loss, err := p.Run(ref.batch(m, tensors))
				if err != nil {
					t.Fatal(err)
				}
				out.add(fmt.Sprintf("the loss of batch %d", step), loss)
			}
			out.state(m.Store())
			return out
		}
		check := func(in kernels.Precision) {
			want, got := pretrained(false, in), pretrained(true, in)
			got.compare(t, fmt.Sprintf("%s, %v", name, in), want)
			if got.arena >= want.arena {
				t.Errorf("%s, %v: %d bytes of activations, %d if all is kept", name, in, got.arena, want.arena)
			}
		}
		check(kernels.FP32)
		if kernels.Default().BF16() != "" {
			check(kernels.BF16)
		}
	}
}
