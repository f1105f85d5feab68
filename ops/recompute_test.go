package ops

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// chain is a stage of a network: a patch convolution and two blocks. It returns the function that
// builds it, and its norms.
func (h *harness) chain() (build func() (*gorgonia.Node, error), norms []*BatchNorm) {
	r := rand.New(rand.NewPCG(1, 2))
	x := h.input("x", r, 3, 12, 10, 6)
	p := PatchConv{Name: "merge", Weight: h.param("w", r, 0.3, 8, 6, 2, 2), Stride: 2, Norm: h.norm("merge.norm", r, 8)}
	norms = append(norms, p.Norm)
	blocks := make([]Block, 2)
	for i := range blocks {
		name := fmt.Sprintf("blocks.%d", i)
		blocks[i] = Block{
			Name:  name,
			PConv: h.param(name+".pconv", r, 0.3, 2, 2, 3, 3),
			Conv1: h.param(name+".conv1", r, 0.3, 16, 8, 1, 1),
			Norm:  h.norm(name+".norm", r, 16),
			Act:   kernels.GELU,
			Conv2: h.param(name+".conv2", r, 0.3, 8, 16, 1, 1),
		}
		norms = append(norms, blocks[i].Norm)
	}
	return func() (*gorgonia.Node, error) {
		n, err := PatchConvNorm(h.tape, x, p)
		for _, b := range blocks {
			if err != nil {
				return nil, err
			}
			n, err = FasterNetBlock(h.tape, n, b)
		}
		return n, err
	}, norms
}

// In a chain of several blocks, all but the last one compute their result again too. The gradients
// have the same bits, and the batch norms move once.
func TestRecomputeChain(t *testing.T) {
	run := func(recompute bool) (*harness, []*BatchNorm) {
		h := newHarness(t, 2, true)
		build, norms := h.chain()
		if recompute {
			inner := build
			build = func() (*gorgonia.Node, error) {
				return h.tape.Recompute("stage", func() (*gorgonia.Node, error) {
					return h.tape.Recompute("a part of it", inner)
				})
			}
		}
		out, err := build()
		h.compile(out, err, "x")
		h.run()
		h.run()
		return h, norms
	}
	want, wantNorms := run(false)
	got, gotNorms := run(true)
	for i, p := range got.params {
		same(t, "the gradient of "+p.Name, p.GradData(), want.params[i].GradData())
	}
	same(t, "the gradient of x", got.tape.Value(got.grads["x"]), want.tape.Value(want.grads["x"]))
	same(t, "the result", got.tape.Value(got.result), want.tape.Value(want.result))
	for i, n := range gotNorms {
		if *n.Tracked != 2 {
			t.Errorf("%s has seen %d batches, want 2", n.Weight.Name, *n.Tracked)
		}
		same(t, "the running mean of "+n.Weight.Name, n.RunningMean, wantNorms[i].RunningMean)
		same(t, "the running variance of "+n.Weight.Name, n.RunningVar, wantNorms[i].RunningVar)
	}
	if n := strings.Count(fmt.Sprint(got.tape.ops), "Recompute"); n != 1 {
		t.Errorf("%d ops compute something again, want one", n)
	}
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
		t.Errorf("%s has different bits", what)
	}
}

// A value within a chain stays in memory if another op reads it.
func TestRecomputeKeepsWhatIsRead(t *testing.T) {
	read := func(recompute bool) []float32 {
		h := newHarness(t, 1, true)
		build, _ := h.chain()
		var out *gorgonia.Node
		var err error
		if recompute {
			out, err = h.tape.Recompute("stage", build)
		} else {
			out, err = build()
		}
		if err != nil {
			t.Fatal(err)
		}
		var inner *gorgonia.Node
		for _, n := range h.tape.Graph.AllNodes() {
			if o, ok := n.Op().(*op); ok && o.Kind == "PatchConvNorm" {
				inner = n
			}
		}
		h.tape.Keep(inner)
		h.compile(out, nil, "x")
		h.run()
		return slices.Clone(h.tape.Value(inner))
	}
	same(t, "the value", read(true), read(false))
}

// The memory of a forgotten buffer is free in between, and the buffer is at the same place later.
func TestForgottenBuffersShareMemory(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	tape := NewTape(NewWorkspace(pool), true)
	for i := range 4 { // in the order of a forward pass, and back
		b := tape.NewBuffer(100)
		b.touch(i)
		b.forget()
		b.touch(10 - i)
	}
	long := tape.NewBuffer(50)
	long.touch(0)
	long.touch(10)
	if err := tape.Plan(); err != nil {
		t.Fatal(err)
	}
	if tape.arena > 170 {
		t.Errorf("an arena of %d for buffers of 100, one at a time, next to one of 50", tape.arena)
	}
}

// Ops that cannot be computed again are named.
func TestRecomputeErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		build func(h *harness) (*gorgonia.Node, error)
		want  string
	}{
		{"an op that cannot", func(h *harness) (*gorgonia.Node, error) {
			return Linear(h.tape, "head", h.input("x", r, 2, 4), h.param("w", r, 1, 3, 4), nil)
		}, `ops: "part" cannot be computed again: Linear "head" cannot be`},
		{"not the last op", func(h *harness) (*gorgonia.Node, error) {
			x := h.input("x", r, 2, 4, 4)
			_, err := Normalise(h.tape, "norm", x, h.layerNorm("norm", r, 4))
			return x, err
		}, "it must return the result of its last op"},
		{"an error of its own", func(*harness) (*gorgonia.Node, error) {
			return nil, errors.New("no luck")
		}, "no luck"},
	} {
		h := newHarness(t, 1, true)
		_, err := h.tape.Recompute("part", func() (*gorgonia.Node, error) { return c.build(h) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		h = newHarness(t, 1, false) // in evaluation nothing is kept
		_, err = h.tape.Recompute("part", func() (*gorgonia.Node, error) { return c.build(h) })
		if c.want != "no luck" && err != nil {
			t.Errorf("%s, in evaluation: %v", c.name, err)
		}
	}
	h := newHarness(t, 1, true)
	x := h.input("x", r, 1, 4, 4, 3)
	m := Merging{
		Name:      "merge",
		Norm:      h.layerNorm("norm", r, 12),
		Reduction: h.param("w", r, 1, 6, 12),
		Order:     SwinOrder,
	}
	out, err := h.tape.Recompute("part", func() (*gorgonia.Node, error) { return PatchMerge(h.tape, x, m) })
	h.compile(out, err, "x")
	if err := h.tape.Run(h.machine); err == nil ||
		!strings.Contains(err.Error(), `Recompute "part": PatchMerge "merge": it is the last`) {
		t.Errorf("a merging alone: %v", err)
	}
	h = newHarness(t, 1, true)
	broken := func([][]float32, []float32) error { return errors.New("no luck") }
	x = h.input("x", r, 2, 3)
	out, err = h.tape.Recompute("part", func() (*gorgonia.Node, error) {
		return h.tape.Record(Spec{
			Kind:   "Broken",
			Name:   "layer",
			Inputs: gorgonia.Nodes{x},
			WRT:    []bool{true},
			Shape:  tensor.Shape{2, 3},
			Again:  broken,
			Run:    func([][]float32, []float32) error { return nil },
			Grad:   func(_, g *gorgonia.Node) (gorgonia.Nodes, error) { return gorgonia.Nodes{g}, nil },
		})
	})
	h.compile(out, err, "x")
	if err := h.tape.Run(h.machine); err == nil ||
		!strings.Contains(err.Error(), `Recompute "part": Broken "layer": no luck`) {
		t.Errorf("a failure in the second computation: %v", err)
	}
}

// If the memory is too small, the message says which settings take less, except for those in use.
func TestRecomputeIsSuggested(t *testing.T) {
	for _, recompute := range []bool{false, true} {
		h := newHarness(t, 1, true)
		build, _ := h.chain()
		var err error
		if recompute {
			_, err = h.tape.Recompute("stage", build)
		} else {
			_, err = build()
		}
		if err != nil {
			t.Fatal(err)
		}
		h.tape.NewBuffer(1 << 42).touch(0)
		if err = h.tape.Plan(); err == nil ||
			strings.Contains(err.Error(), "train.grad_checkpointing=true") == recompute {
			t.Errorf("recompute %v: %v", recompute, err)
		}
	}
}
