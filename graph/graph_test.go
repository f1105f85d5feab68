package graph_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/kernels"
)

// A model of any size, run on two images.
func ExampleRunner() {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) { a.EmbedDim, a.Depths = 16, []int{1, 2} })
	c.NumClasses = 10
	net, err := fasternet.New(c, 42)
	if err != nil {
		fmt.Println(err)
		return
	}
	pool := kernels.NewPool(0)
	defer pool.Close()
	program, err := graph.NewRunner(net, pool).Program(graph.Shape{Batch: 2, Height: 64, Width: 64})
	if err != nil {
		fmt.Println(err)
		return
	}
	logits, err := program.Forward(make([]float32, 2*64*64*3))
	fmt.Println(len(logits), err)
	// Output: 20 <nil>
}

func smallConfig() configs.Model {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) { a.EmbedDim, a.Depths, a.FeatureDim = 8, []int{1, 2}, 24 })
	c.NumClasses, c.InitStd = 5, 0.2
	return c
}

// Other sizes: every hyperparameter changed, non-square images, sides with a remainder, patches that
// overlap.
func TestOwnSizes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(c *configs.Model)
	}{
		{"grey", func(c *configs.Model) { c.InChans = 1 }},
		{"n_div 2", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.NDiv = 2 }) }},
		{"n_div 1", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.NDiv = 1 }) }},
		{"mlp_ratio", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.MLPRatio = 1.6 }) }},
		{"patch 2", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) { a.PatchSize, a.PatchStride = 2, 2 })
		}},
		{"overlap", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) {
				a.PatchSize, a.PatchStride, a.PatchSize2, a.PatchStride2 = 7, 4, 3, 2
			})
		}},
		{"gaps", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.PatchStride2 = 3 }) }},
		{"layer scale", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) { a.LayerScaleInitValue = 0.1 })
		}},
		{"drop path", func(c *configs.Model) { c.DropPathRate = 0.5 }},
		{"relu", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.ActLayer = "relu" }) }},
		{"one stage", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.Depths = []int{2} }) }},
		{"five stages", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) {
				a.Depths, a.PatchSize, a.PatchStride = []int{1, 1, 1, 1, 1}, 2, 2
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := smallConfig()
			test.change(&c)
			m, err := fasternet.New(c, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := graph.Total(counted(t, m, 40, 52)).Parameters, m.Store().Parameters(); got != want {
				t.Errorf("%d parameters are counted, there are %d", got, want)
			}
			r := newRunner(t, m)
			const batch, h, w = 6, 40, 52
			x := graphtest.Random(batch*h*w*c.InChans, 0)
			targets := make([]float32, batch*5)
			for i := range batch {
				targets[i*5+i%5] = 1
			}
			train := program(t, r, graph.Shape{batch, h, w, true})
			var first, last float32
			for step := range 30 {
				for _, q := range m.Store().Params() {
					clear(q.GradData())
				}
				loss, err := train.Gradients(x, targets, graph.Position{Step: uint64(step)})
				if err != nil {
					t.Fatal(err)
				}
				if last = loss; step == 0 {
					first = loss
				}
				for _, q := range m.Store().Params() {
					for i, g := range q.GradData() {
						q.Data()[i] -= 0.05 * g
					}
					q.Changed()
				}
			}
			if !(last < first) {
				t.Errorf("gradient descent takes the loss from %v to %v", first, last)
			}
			if _, err := program(t, r, graph.Shape{batch, h, w, false}).Forward(x); err != nil {
				t.Error(err)
			}
		})
	}
}

// In evaluation the logits of an image do not depend on its batch. In training they do, through the
// batch norm.
func TestBatchComposition(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	const size = 32 * 32 * 3
	x := graphtest.Random(5*size, 1)
	all, err := program(t, r, graph.Shape{5, 32, 32, false}).Forward(x)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]float32(nil), all...)
	for i := range 5 {
		one, err := program(t, r, graph.Shape{1, 32, 32, false}).Forward(x[i*size : (i+1)*size])
		if err != nil {
			t.Fatal(err)
		}
		for c := range one {
			if d := math.Abs(float64(one[c] - want[i*5+c])); d > 1e-5 {
				t.Errorf("image %d class %d: %v alone, %v in a batch", i, c, one[c], want[i*5+c])
			}
		}
	}
	train := program(t, r, graph.Shape{2, 32, 32, true})
	first := func(other int) float32 {
		images := append(append([]float32(nil), x[:size]...), x[other*size:(other+1)*size]...)
		if _, err := train.Gradients(images, make([]float32, 10), graph.Position{}); err != nil {
			t.Fatal(err)
		}
		return train.Logits()[0]
	}
	if a, b := first(1), first(2); a == b {
		t.Errorf("in training the logit is %v with either partner", a)
	}
}

// Programs of several sizes share parameters and memory.
func TestProgramsShareParameters(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	small, large := graphtest.Random(32*32*3, 2), graphtest.Random(3*64*48*3, 3)
	run := func(s graph.Shape, x []float32) []float32 {
		logits, err := program(t, r, s).Forward(x)
		if err != nil {
			t.Fatal(err)
		}
		return append([]float32(nil), logits...)
	}
	a, b := run(graph.Shape{1, 32, 32, false}, small), run(graph.Shape{3, 64, 48, false}, large)
	if _, err := program(t, r, graph.Shape{3, 64, 48, true}).Gradients(
		large, make([]float32, 15), graph.Position{},
	); err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Store().Entries { // the running statistics have moved: restore them
		if e.Buffer != nil {
			v := float32(0)
			if strings.HasSuffix(e.Name, "running_var") {
				v = 1
			}
			for i := range e.Buffer {
				e.Buffer[i] = v
			}
		}
	}
	if fmt.Sprint(run(graph.Shape{1, 32, 32, false}, small)) != fmt.Sprint(a) ||
		fmt.Sprint(run(graph.Shape{3, 64, 48, false}, large)) != fmt.Sprint(b) {
		t.Error("a program has changed the result of another")
	}
	for _, q := range m.Store().Params() {
		for i := range q.Data() {
			q.Data()[i] *= 1.5
		}
		q.Changed()
	}
	if fmt.Sprint(run(graph.Shape{1, 32, 32, false}, small)) == fmt.Sprint(a) {
		t.Error("a change of the parameters is not seen")
	}
}

// Gradients of several batches add up.
func TestGradientsAccumulate(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	p := program(t, newRunner(t, m), graph.Shape{2, 32, 32, true})
	targets := []float32{1, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	grads := func(at ...uint64) map[string][]float32 {
		for _, q := range m.Store().Params() {
			clear(q.GradData())
		}
		for _, a := range at {
			if _, err := p.Gradients(graphtest.Random(2*32*32*3, a), targets, graph.Position{}); err != nil {
				t.Fatal(err)
			}
		}
		out := map[string][]float32{}
		for _, q := range m.Store().Params() {
			out[q.Name] = append([]float32(nil), q.GradData()...)
		}
		return out
	}
	a, b, both := grads(1), grads(2), grads(1, 2)
	for name, g := range both {
		for i := range g {
			if want := a[name][i] + b[name][i]; math.Abs(float64(g[i]-want)) > 1e-5*(1+math.Abs(float64(want))) {
				t.Fatalf("%s[%d]: %v, want %v", name, i, g[i], want)
			}
		}
	}
}

func TestProgramErrors(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	if _, err := r.Program(graph.Shape{1, 3, 32, false}); err == nil ||
		!strings.Contains(err.Error(), "smaller than a patch") {
		t.Errorf("an image that is too small: %v", err)
	}
	p := program(t, r, graph.Shape{1, 32, 32, false})
	if _, err := p.Forward(make([]float32, 5)); err == nil ||
		!strings.Contains(err.Error(), "images: want 3072 values") {
		t.Errorf("too few values: %v", err)
	}
	if _, err := p.Gradients(nil, nil, graph.Position{}); err == nil {
		t.Error("gradients of a program for evaluation")
	}
	if _, err := program(t, r, graph.Shape{1, 32, 32, true}).Forward(make([]float32, 3072)); err == nil {
		t.Error("Forward on a program for training")
	}
	c := smallConfig()
	c.NumClasses = 0
	if _, err := fasternet.New(c, 0); err == nil {
		t.Error("a model without classes")
	}
	configs.Change(&c, func(a *fasternet.Config) { a.ActLayer = "swish" })
	c.NumClasses = 5
	if _, err := fasternet.New(c, 0); err == nil {
		t.Error("an activation that does not exist")
	}
}
