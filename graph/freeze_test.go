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
	"fasternet/ops"
)

// frozenModels are models with a merging layer or a block after the frozen layers.
func frozenModels(t *testing.T) map[string]graph.Model {
	t.Helper()
	vitConfig, swinConfig := configs.DefaultModel("vit"), configs.DefaultModel("swin")
	configs.Change(&vitConfig, func(a *vit.Config) {
		a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize = 24, 3, configs.Heads{3}, 8
	})
	vitConfig.NumClasses = 5
	configs.Change(&swinConfig, func(a *swin.Config) {
		a.EmbedDim, a.Depths, a.NumHeads, a.WindowSize = 12, []int{2, 2}, configs.Heads{2, 4}, 4
	})
	swinConfig.NumClasses = 5
	fasterNet := smallConfig()
	configs.Change(&fasterNet, func(a *fasternet.Config) { a.Depths = []int{2, 1} })
	ms := map[string]graph.Model{}
	for _, c := range []struct {
		name string
		make func() (graph.Model, error)
	}{
		{"vit", func() (graph.Model, error) { return vit.New(vitConfig, 32, 1) }},
		{"swin", func() (graph.Model, error) { return swin.New(swinConfig, 32, 1) }},
		{"fasternet", func() (graph.Model, error) { return fasternet.New(fasterNet, 1) }},
	} {
		m, err := c.make()
		if err != nil {
			t.Fatal(err)
		}
		ms[c.name] = m
	}
	return ms
}

// Frozen layers have no gradients and fixed statistics, and their backward pass is not built. The other
// layers keep their gradients if there are no batch norms.
func TestFrozen(t *testing.T) {
	const batch, size = 4, 32
	ms := frozenModels(t)
	for _, name := range slices.Sorted(maps.Keys(ms)) {
		m := ms[name]
		layers, err := graph.LayersOf(m, 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		x, targets := graphtest.Random(batch*size*size*3, 7), make([]float32, batch*5)
		for i := range batch {
			targets[i*5+i] = 1
		}
		gradients := func(frozen int) (loss float32, grads map[string][]float32, opCount int) {
			r := newRunner(t, m)
			r.Frozen = frozen
			for _, p := range m.Store().Params() {
				layer, _ := layers.Of(p.Name)
				p.Frozen = layer < frozen
				clear(p.GradData())
			}
			p := program(t, r, graph.Shape{batch, size, size, true})
			loss, err := p.Gradients(x, targets, graph.Position{})
			if err != nil {
				t.Fatal(err)
			}
			grads = map[string][]float32{}
			for _, q := range m.Store().Params() {
				grads[q.Name] = slices.Clone(q.GradData())
			}
			return loss, grads, p.Ops()
		}
		loss, want, all := gradients(0)
		for _, n := range m.Store().Norms {
			*n.Tracked = 0
		}
		_, last := layers.Of("head.weight")
		for _, frozen := range []int{1, 3, last} {
			got, grads, fewer := gradients(frozen)
			if name != "fasternet" && got != loss {
				t.Errorf("%s, %d layers frozen: the loss is %v, want %v", name, frozen, got, loss)
			}
			if fewer >= all {
				t.Errorf("%s, %d layers frozen: %d ops, %d without", name, frozen, fewer, all)
			}
			for _, q := range m.Store().Params() {
				layer, _ := layers.Of(q.Name)
				zero := !slices.ContainsFunc(grads[q.Name], func(g float32) bool { return g != 0 })
				switch {
				case layer < frozen && !zero:
					t.Errorf("%s, %d layers frozen: %s has a gradient", name, frozen, q.Name)
				case layer >= frozen && zero:
					t.Errorf("%s, %d layers frozen: %s has none", name, frozen, q.Name)
				case layer >= frozen && name != "fasternet" && !slices.Equal(grads[q.Name], want[q.Name]):
					t.Errorf("%s, %d layers frozen: the gradient of %s has changed", name, frozen, q.Name)
				}
			}
			for _, n := range m.Store().Norms {
				layer, _ := layers.Of(n.Weight.Name)
				if moved := *n.Tracked > 0; moved != (layer >= frozen) {
					t.Errorf("%s, %d layers frozen: statistics of %s: moved is %v", name, frozen, n.Weight.Name, moved)
				}
				*n.Tracked = 0
			}
			all = fewer
		}
	}
}

// The statistics come from the images, and a program for statistics has no gradients.
func TestStatistics(t *testing.T) {
	c := smallConfig()
	c.DropPathRate = 0.5
	m, err := fasternet.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	p, err := r.Statistics(4, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	x := graphtest.Random(4*32*32*3, 3)
	run := func() string {
		for _, n := range m.Store().Norms {
			n.Momentum = 1
			clear(n.RunningMean)
			clear(n.RunningVar)
		}
		if err := p.Measure(x); err != nil {
			t.Fatal(err)
		}
		var s []any
		for _, n := range m.Store().Norms {
			s = append(s, n.RunningMean, n.RunningVar)
		}
		return fmt.Sprint(s)
	}
	if a, b := run(), run(); a != b {
		t.Error("the same images have different statistics")
	}
	if _, err := p.Gradients(x, make([]float32, 20), graph.Position{}); err == nil {
		t.Error("a program for statistics has gradients")
	}
	if err := program(t, r, graph.Shape{4, 32, 32, true}).Measure(x); err == nil {
		t.Error("a program for training measures")
	}
}

// A distillation needs new logits of the teacher for every batch.
func TestTeach(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	x, targets := graphtest.Random(4*32*32*3, 3), make([]float32, 20)
	if err := program(t, r, graph.Shape{4, 32, 32, true}).Teach(targets); err == nil {
		t.Error("a program without distillation takes a teacher")
	}
	r = newRunner(t, m)
	r.Loss = ops.Loss{Distill: ops.SoftDistill, Alpha: 1, Tau: 2}
	p := program(t, r, graph.Shape{4, 32, 32, true})
	if err := p.Teach(graphtest.Random(20, 5)); err != nil {
		t.Fatal(err)
	}
	if loss, err := p.Gradients(x, targets, graph.Position{}); err != nil || loss <= 0 {
		t.Errorf("loss %v, %v", loss, err)
	}
	if _, err := p.Gradients(x, targets, graph.Position{}); err == nil || !strings.Contains(err.Error(), "teacher") {
		t.Errorf("a second batch with the same logits of the teacher: %v", err)
	}
	if err := p.Teach(make([]float32, 3)); err == nil {
		t.Error("too few logits are accepted")
	}
}
