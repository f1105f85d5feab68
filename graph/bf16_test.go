package graph_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

func TestBF16OfFasterNet(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fasternet_small_gelu", "fasternet_small_relu"} {
		t.Run(name, func(t *testing.T) {
			var ref reference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			c := ref.Config
			images := golden.ToNHWC(
				golden.Image("input", c.Seed, c.Batch*3*c.Image[0]*c.Image[1]), c.Batch, 3,
				c.Image[0], c.Image[1],
			)
			targets := smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes)
			bound := graphtest.BF16Gradients
			if name == "fasternet_small_relu" {
				bound = graphtest.BF16ReLUGradients
			}
			graphtest.EveryBF16(t, func(t *testing.T, k *kernels.Set) {
				m := newModel(t, ref, c.Seed)
				checkBF16Model(
					t, k, m, graph.Shape{c.Batch, c.Image[0], c.Image[1], false}, images, targets,
					want["eval_logits"].Data, want["train_logits"].Data, want, bound,
				)
			})
		})
	}
}

func TestBF16OfTransformers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"vit_small_gap", "vit_small_cls", "swin_small_w4", "swin_small_w7"} {
		t.Run(name, func(t *testing.T) {
			var ref transformerReference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			c := ref.Config
			images := golden.ToNHWC(
				golden.Image("input", c.Seed, c.Batch*3*c.Image*c.Image), c.Batch, 3, c.Image, c.Image,
			)
			targets := smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes)
			graphtest.EveryBF16(t, func(t *testing.T, k *kernels.Set) {
				checkBF16Model(
					t, k, ref.model(t), graph.Shape{c.Batch, c.Image, c.Image, false}, images,
					targets, want["logits"].Data, want["logits"].Data, want,
					graphtest.BF16Gradients,
				)
			})
		})
	}
}

func checkBF16Model(
	t *testing.T,
	k *kernels.Set,
	m graph.Model,
	s graph.Shape,
	images, targets, logits, trainLogits []float32,
	want map[string]golden.Tensor,
	bound float64,
) {
	t.Helper()
	r := newRunnerOn(t, k, m)
	r.Precision = kernels.BF16
	got, err := program(t, r, s).Forward(images)
	if err != nil {
		t.Fatal(err)
	}
	graphtest.CheckBF16(t, "logits", got, logits, graphtest.BF16Logits)
	s.Train = true
	p := program(t, r, s)
	if _, err := p.Gradients(images, targets, graph.Position{}); err != nil {
		t.Fatal(err)
	}
	graphtest.CheckBF16(t, "logits in training", p.Logits(), trainLogits, graphtest.BF16Logits)
	gradients := graphtest.GradientsOf(m.Store().Params())
	if bound == graphtest.BF16ReLUGradients {
		gradients = meanGradients(t, p, m, images, targets)
	}
	graphtest.CheckBF16Gradients(t, gradients, graphtest.ReferenceGradients(want), bound)
}

// meanGradients returns means over inputs that differ so little that float32 hardly notices. With
// ReLU the gradients of one input depend on chance: on every path, one in eight of such changes moves
// a unit across zero that counts for a tenth of the gradient.
func meanGradients(t *testing.T, p *graph.Program, m graph.Model, images, targets []float32) map[string][]float32 {
	t.Helper()
	const inputs, change = 8, 1e-6
	mean := map[string][]float32{}
	random := rand.New(rand.NewPCG(1, 2))
	for range inputs {
		x := slices.Clone(images)
		for i := range x {
			x[i] *= 1 + change*float32(random.NormFloat64())
		}
		for _, q := range m.Store().Params() {
			clear(q.GradData())
		}
		if _, err := p.Gradients(x, targets, graph.Position{}); err != nil {
			t.Fatal(err)
		}
		for name, g := range graphtest.GradientsOf(m.Store().Params()) {
			if mean[name] == nil {
				mean[name] = make([]float32, len(g))
			}
			for i, v := range g {
				mean[name][i] += v / inputs
			}
		}
	}
	return mean
}

// A result does not depend on the number of threads in bf16 either.
func TestBF16Threads(t *testing.T) {
	t.Parallel()
	graphtest.EveryBF16(t, func(t *testing.T, k *kernels.Set) {
		if k.BF16() == kernels.BF16Go && testing.Short() {
			t.Skip("slow in the emulation")
		}
		var fasternet reference
		golden.JSON(t, "fasternet_small_gelu.json", &fasternet)
		var swin transformerReference
		golden.JSON(t, "swin_small_w4.json", &swin)
		for _, c := range []struct {
			name string
			make func() (graph.Model, int)
		}{
			{"fasternet", func() (graph.Model, int) { return newModel(t, fasternet, 1), 64 }},
			{"swin", func() (graph.Model, int) { return swin.model(t), swin.Config.Image }},
		} {
			t.Run(c.name, func(t *testing.T) {
				var want []float32
				for _, threads := range []int{1, 2, 3} {
					m, size := c.make()
					pool := k.NewPool(threads)
					r := graph.NewRunner(m, pool)
					r.Precision = kernels.BF16
					const batch = 3
					p := program(t, r, graph.Shape{batch, size, size, true})
					targets := smoothed([]int{0, 1, 2}, m.Classes())
					if _, err := p.Gradients(
						graphtest.Random(batch*size*size*3, 0), targets, graph.Position{},
					); err != nil {
						t.Fatal(err)
					}
					got := slices.Clone(p.Logits())
					for _, q := range m.Store().Params() {
						got = append(got, q.GradData()...)
					}
					pool.Close()
					if want == nil {
						want = got
					}
					for i := range want {
						if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
							t.Fatalf("%s on %d threads: value %d is %v, on one %v", c.name, threads, i, got[i], want[i])
						}
					}
				}
			})
		}
	})
}

// If the processor has no bf16, a program is refused with the reason.
func TestNoBF16(t *testing.T) {
	k, err := kernels.New(kernels.Available()[0], "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunnerOn(t, k, m)
	r.Precision = kernels.BF16
	if _, err := r.Program(graph.Shape{1, 32, 32, false}); err == nil ||
		!strings.Contains(err.Error(), "there is no bf16 here") {
		t.Errorf("got %v", err)
	}
}
