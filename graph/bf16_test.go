package graph_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/ops"
)

// everyBF16 runs a test with each path of bf16: where the processor has none, in
// the emulation.
func everyBF16(t *testing.T, f func(t *testing.T, k *kernels.Set)) {
	t.Helper()
	v := kernels.Default().Variant()
	paths := kernels.AvailableBF16(v)
	if refused := kernels.Default().BF16Refusals(); len(refused) > 0 {
		t.Logf("NOT TESTED HERE: %v", refused)
	}
	if len(paths) > 1 && testing.Short() {
		paths = paths[:len(paths)-1]
	}
	for _, p := range paths {
		k, err := kernels.New(v, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(p), func(t *testing.T) { f(t, k) })
	}
}

// The bounds of what bf16 may change: logits relative to the largest of them,
// gradients relative to the norm of the gradient of the tensor, or to a part of
// that of all for tensors that hardly matter.
const (
	bf16Logits    = 1e-2
	bf16Gradients = 1.5e-2
	// Of a network with ReLU: a unit close to zero may come to the other side of it,
	// and its gradient is there or not.
	bf16ReLUGradients = 4e-2
)

func checkBF16(t *testing.T, name string, got, want []float32, bound float64) {
	t.Helper()
	if e := relative(got, want, 0); !(e <= bound) {
		t.Errorf("%s: relative error %.2e, want at most %.1e", name, e, bound)
	} else {
		t.Logf("%s: relative error %.2e", name, e)
	}
}

// relative is the norm of the difference over that of want, or over least if it
// is larger.
func relative(got, want []float32, least float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(diff) / max(math.Sqrt(norm), least)
}

// checkBF16Gradients compares the gradients of all parameters as one vector, and
// one by one.
func checkBF16Gradients(t *testing.T, got, want map[string][]float32, bound float64) {
	t.Helper()
	var allGot, allWant []float32
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		allGot, allWant = append(allGot, got[name]...), append(allWant, want[name]...)
	}
	checkBF16(t, "all gradients", allGot, allWant, bound)
	norm := math.Sqrt(kernels.Default().SumSquares(allWant))
	worst, at := 0.0, ""
	for _, name := range names {
		if e := relative(got[name], want[name], norm/50); e > worst {
			worst, at = e, name
		}
	}
	if worst > 2*bound {
		t.Errorf("gradient of %s: relative error %.2e", at, worst)
	} else {
		t.Logf("worst gradient, of %s: %.2e", at, worst)
	}
}

// gradientsOf are those of the parameters by their names.
func gradientsOf(params []*ops.Param) map[string][]float32 {
	out := map[string][]float32{}
	for _, p := range params {
		out[p.Name] = p.GradData()
	}
	return out
}

func referenceGradients(want map[string]golden.Tensor) map[string][]float32 {
	out := map[string][]float32{}
	for name, v := range want {
		if name, ok := strings.CutPrefix(name, "grad/"); ok {
			out[name] = v.Data
		}
	}
	return out
}

func TestBF16OfFasterNet(t *testing.T) {
	for _, name := range []string{"fasternet_small_gelu", "fasternet_small_relu"} {
		t.Run(name, func(t *testing.T) {
			var ref reference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			c := ref.Config
			images := golden.ToNHWC(golden.Image("input", c.Seed, c.Batch*3*c.Image[0]*c.Image[1]), c.Batch, 3, c.Image[0], c.Image[1])
			targets := smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes)
			bound := bf16Gradients
			if name == "fasternet_small_relu" {
				bound = bf16ReLUGradients
			}
			everyBF16(t, func(t *testing.T, k *kernels.Set) {
				m := newModel(t, ref, c.Seed)
				checkBF16Model(t, k, m, graph.Shape{c.Batch, c.Image[0], c.Image[1], false}, images, targets, want["eval_logits"].Data, want["train_logits"].Data, want, bound)
			})
		})
	}
}

func TestBF16OfTransformers(t *testing.T) {
	for _, name := range []string{"vit_small_gap", "vit_small_cls", "swin_small_w4", "swin_small_w7"} {
		t.Run(name, func(t *testing.T) {
			var ref transformerReference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			c := ref.Config
			images := golden.ToNHWC(golden.Image("input", c.Seed, c.Batch*3*c.Image*c.Image), c.Batch, 3, c.Image, c.Image)
			targets := smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes)
			everyBF16(t, func(t *testing.T, k *kernels.Set) {
				checkBF16Model(t, k, ref.model(t), graph.Shape{c.Batch, c.Image, c.Image, false}, images, targets, want["logits"].Data, want["logits"].Data, want, bf16Gradients)
			})
		})
	}
}

func checkBF16Model(t *testing.T, k *kernels.Set, m graph.Model, s graph.Shape, images, targets, logits, trainLogits []float32, want map[string]golden.Tensor, bound float64) {
	t.Helper()
	r := newRunnerOn(t, k, m)
	r.Precision = kernels.BF16
	got, err := program(t, r, s).Forward(images)
	if err != nil {
		t.Fatal(err)
	}
	checkBF16(t, "logits", got, logits, bf16Logits)
	s.Train = true
	p := program(t, r, s)
	if _, err := p.Gradients(images, targets, graph.Position{}); err != nil {
		t.Fatal(err)
	}
	checkBF16(t, "logits in training", p.Logits(), trainLogits, bf16Logits)
	checkBF16Gradients(t, gradientsOf(m.Store().Params()), referenceGradients(want), bound)
}

func TestBF16OfLocalMIM(t *testing.T) {
	for _, name := range []string{"mim_vit_n9", "mim_vit_n18_bias", "mim_swin_hog"} {
		t.Run(name, func(t *testing.T) {
			var ref mimReference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			everyBF16(t, func(t *testing.T, k *kernels.Set) {
				if k.BF16() == kernels.BF16Go && ref.Config.Embed > 0 && testing.Short() {
					t.Skip("slow in the emulation")
				}
				m, r := newMIMOn(t, k, ref.config(t))
				r.Precision = kernels.BF16
				fillMIM(m, ref.Config.Seed)
				p, err := r.Program(ref.Config.Batch, true)
				if err != nil {
					t.Fatal(err)
				}
				loss, err := p.Run(ref.batch(m, want))
				if err != nil {
					t.Fatal(err)
				}
				if e := math.Abs(float64(loss)-ref.Loss) / ref.Loss; !(e <= bf16Logits) {
					t.Errorf("loss %v, want %v", loss, ref.Loss)
				}
				checkBF16Gradients(t, gradientsOf(m.Store().Params()), referenceGradients(want), bf16Gradients)
			})
		})
	}
}

// In bf16 too a result does not depend on the number of threads.
func TestBF16Threads(t *testing.T) {
	everyBF16(t, func(t *testing.T, k *kernels.Set) {
		if k.BF16() == kernels.BF16Go && testing.Short() {
			t.Skip("slow in the emulation")
		}
		var fasternet reference
		golden.JSON(t, "fasternet_small_gelu.json", &fasternet)
		var swin transformerReference
		golden.JSON(t, "swin_small_w4.json", &swin)
		for name, make := range map[string]func() (graph.Model, int){
			"fasternet": func() (graph.Model, int) { return newModel(t, fasternet, 1), 64 },
			"swin":      func() (graph.Model, int) { return swin.model(t), swin.Config.Image },
		} {
			var want []float32
			for _, threads := range []int{1, 2, 3} {
				m, size := make()
				pool := k.NewPool(threads)
				r := graph.NewRunner(m, pool)
				r.Precision = kernels.BF16
				const batch = 3
				p := program(t, r, graph.Shape{batch, size, size, true})
				targets := smoothed([]int{0, 1, 2}, m.Classes())
				if _, err := p.Gradients(random(batch*size*size*3, 0), targets, graph.Position{}); err != nil {
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
						t.Fatalf("%s on %d threads: value %d is %v, on one %v", name, threads, i, got[i], want[i])
					}
				}
			}
		}
	})
}

// Without bf16 in the processor a program is refused, with the reason.
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
	if _, err := r.Program(graph.Shape{1, 32, 32, false}); err == nil || !strings.Contains(err.Error(), "there is no bf16 here") {
		t.Errorf("got %v", err)
	}
}
