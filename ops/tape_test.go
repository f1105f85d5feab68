package ops

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Results must not depend on the number of workers, not even in the last bit.
func TestThreadIndependence(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		var want map[string][]float32
		for _, workers := range []int{1, 2, 3, 7} {
			r := rand.New(rand.NewPCG(1, 2))
			h := newHarnessOn(t, k, workers, true)
			h.block(r, 5, 12, 9, 24, 6, 48, kernels.GELU, true, true)
			h.run()
			got := map[string][]float32{"y": h.tape.Value(h.result), "dx": h.tape.Value(h.grads["x"])}
			for _, p := range h.params {
				got[p.Name] = p.GradData()
			}
			if want == nil {
				want = map[string][]float32{}
				for k, v := range got {
					want[k] = append([]float32(nil), v...)
				}
				continue
			}
			for k, v := range got {
				for i := range v {
					if v[i] != want[k][i] {
						t.Fatalf("%d workers: %s[%d] = %v, with one worker %v", workers, k, i, v[i], want[k][i])
					}
				}
			}
		}
	})
}

// Drop path: a dropped sample passes unchanged.
func TestDroppedSampleIsUnchanged(t *testing.T) {
	for _, train := range []bool{true, false} {
		h := newHarness(t, 2, train)
		h.block(rand.New(rand.NewPCG(1, 2)), 5, 3, 3, 8, 2, 16, kernels.GELU, false, true)
		h.run()
		x, y := h.inputs["x"].Float32s(), h.tape.Value(h.result)
		for i := range x {
			if dropped := i/72%4 == 1; dropped != (x[i] == y[i]) {
				t.Fatalf("train=%v sample %d: x %v, y %v", train, i/72, x[i], y[i])
			}
		}
	}
}

// A failing op must name its node. The machine runs ops on another goroutine, where a panic would
// end the process.
func TestFailingOpNamesItsNode(t *testing.T) {
	fail := func(run func(in [][]float32, out []float32) error) error {
		h := newHarness(t, 2, false)
		x := h.input("x", rand.New(rand.NewPCG(1, 2)), 2, 3)
		n, err := h.tape.Record(Spec{
			Kind:   "Broken",
			Name:   "stages.0",
			Inputs: gorgonia.Nodes{x},
			Shape:  tensor.Shape{2, 3},
			Run:    run,
		})
		h.compile(n, err)
		return h.tape.Run(h.machine)
	}
	err := fail(func([][]float32, []float32) error { return errors.New("no luck") })
	if err == nil || !strings.Contains(err.Error(), `Broken "stages.0": no luck`) {
		t.Errorf("an error in an op: %v", err)
	}
	err = fail(func(in [][]float32, _ []float32) error { in[0][100] = 1; return nil })
	var p *PanicError
	if !errors.As(err, &p) || p.Op != `Broken "stages.0"` || len(p.Stack) == 0 {
		t.Errorf("a panic in an op: %v", err)
	}
	h := newHarness(t, 3, false)
	err = fail(func([][]float32, []float32) error {
		h.tape.Pool().Run(3, func(_, i int) {
			if i == 2 {
				panic("in a worker")
			}
		})
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), `Broken "stages.0": in a worker`) {
		t.Errorf("a panic in a worker: %v", err)
	}
}

func TestWrongInputShape(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 1, true)
	x := h.input("x", r, 2, 4, 4, 8)
	b := Block{
		Name:  "b",
		PConv: NewParam("pconv", 2, 2, 3, 3),
		Conv1: NewParam("conv1", 16, 9, 1, 1),
		Norm:  h.norm("n", r, 16),
		Act:   kernels.GELU,
		Conv2: NewParam("conv2", 8, 16, 1, 1),
	}
	if _, err := FasterNetBlock(h.tape, x, b); err == nil ||
		!strings.Contains(err.Error(), "conv1 has shape (16, 9, 1, 1)") {
		t.Errorf("a wrong weight: %v", err)
	}
	if _, err := PatchConvNorm(h.tape, x, PatchConv{
		Name:   "p",
		Weight: NewParam("w", 4, 8, 5, 5),
		Stride: 5,
		Norm:   h.norm("m", r, 4),
	}); err == nil || !strings.Contains(err.Error(), "smaller than a patch") {
		t.Errorf("a map that is too small: %v", err)
	}
	for _, act := range []kernels.Activation{kernels.Identity, 99} {
		b.Act = act
		if _, err := FasterNetBlock(h.tape, x, b); err == nil ||
			!strings.Contains(err.Error(), "is not an activation of a layer: want relu or gelu") {
			t.Errorf("a block with %v: %v", act, err)
		}
		if _, err := Activate(h.tape, "act", h.input("rows", r, 2, 4), act); err == nil ||
			!strings.Contains(err.Error(), "is not an activation of a layer") {
			t.Errorf("%v: %v", act, err)
		}
	}
	if _, err := Linear(h.tape, "l", x, NewParam("w2", 4, 8), nil); err == nil {
		t.Error("a linear layer on a map is accepted")
	}
}

// Batch statistics over one value have no variance.
func TestBatchNormOverOneValue(t *testing.T) {
	h := newHarness(t, 1, true)
	h.block(rand.New(rand.NewPCG(1, 2)), 1, 1, 1, 8, 2, 16, kernels.GELU, false, false)
	if err := h.tape.Run(h.machine); err == nil || !strings.Contains(err.Error(), "batch norm over 1 value") {
		t.Errorf("got %v", err)
	}
}

func TestStockOpIsRefused(t *testing.T) {
	h := newHarness(t, 1, false)
	r := rand.New(rand.NewPCG(1, 2))
	x, y := h.input("x", r, 2, 3), h.input("y", r, 2, 3)
	if _, err := gorgonia.Add(x, y); err != nil {
		t.Fatal(err)
	}
	if err := h.tape.Plan(); err == nil || !strings.Contains(err.Error(), "memory plan does not cover it") {
		t.Errorf("got %v", err)
	}
}

// Buffers that are alive at the same time must not share memory.
func TestPlanKeepsLiveBuffersApart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pool := kernels.NewPool(1)
	defer pool.Close()
	for range 200 {
		tape := NewTape(NewWorkspace(pool), true)
		n := 1 + r.IntN(40)
		var total int
		for i := range n {
			b := tape.NewBuffer(1 + r.IntN(1000))
			at := r.IntN(60)
			if i > 0 && r.IntN(3) == 0 {
				b.reuse = tape.buffers[r.IntN(i)]
				if r.IntN(2) == 0 { // make it possible to take memory over
					b.size, at = b.reuse.size, b.reuse.lives[len(b.reuse.lives)-1].last
				}
			}
			b.touch(at)
			b.touch(at + r.IntN(20))
			if r.IntN(3) == 0 {
				b.forget()
				at = b.lives[0].last + 1 + r.IntN(20)
				b.touch(at)
				b.touch(at + r.IntN(20))
			}
			total += b.size
		}
		before := make([]Buffer, n)
		for i, b := range tape.buffers {
			before[i] = *b
			before[i].lives = slices.Clone(b.lives)
		}
		if err := tape.Plan(); err != nil {
			t.Fatal(err)
		}
		for i, b := range before {
			for j, c := range before[:i] {
				if !b.meets(&c) {
					continue
				}
				p, q := tape.buffers[i].root().offset, tape.buffers[j].root().offset
				shared := p < q+c.size && q < p+b.size
				last := func(b Buffer) int { return b.lives[len(b.lives)-1].last }
				handedOver := tape.buffers[i].root() == tape.buffers[j].root() &&
					(b.lives[0].first == last(c) || c.lives[0].first == last(b))
				if shared && !handedOver {
					t.Fatalf("buffers %d %v at %d+%d and %d %v at %d+%d overlap",
						i, b.lives, p, b.size, j, c.lives, q, c.size)
				}
			}
		}
		if tape.arena > total+16*n {
			t.Fatalf("arena of %d for %d values", tape.arena, total)
		}
	}
}

// Two graphs share a workspace, and the larger one moves the memory of the smaller one.
func TestSharedWorkspace(t *testing.T) {
	small := newHarness(t, 2, false)
	small.block(rand.New(rand.NewPCG(1, 2)), 1, 4, 4, 8, 2, 16, kernels.GELU, false, false)
	want := small.run()
	large := newHarness(t, 1, false)
	large.tape = NewTape(small.tape.space, false)
	large.block(rand.New(rand.NewPCG(3, 4)), 4, 16, 16, 8, 2, 16, kernels.GELU, false, false)
	wantLarge := large.run()
	for range 2 {
		if got := small.run(); got != want {
			t.Fatalf("the small graph gives %v, before the large one %v", got, want)
		}
		if got := large.run(); got != wantLarge {
			t.Fatalf("the large graph gives %v, then %v", wantLarge, got)
		}
	}
}

func TestProfile(t *testing.T) {
	h := newHarness(t, 1, false)
	h.block(rand.New(rand.NewPCG(1, 2)), 1, 4, 4, 8, 2, 16, kernels.GELU, false, false)
	p := NewProfile(h.tape.Pool())
	h.tape.Measure(p)
	h.run()
	h.run()
	found := false
	for _, o := range p.Times() {
		if o.Kind == "FasterNetBlock" && o.Name == "block" && o.Calls == 2 && o.Total > 0 {
			found = true
		}
	}
	if !found {
		t.Errorf("got %+v", p.Times())
	}
}

// While the ops run, only a few small objects are allocated; their number does not grow with the maps.
func TestRunsWithoutAllocation(t *testing.T) {
	count := func(batch int) float64 {
		h := newHarness(t, 2, true)
		h.block(rand.New(rand.NewPCG(1, 2)), batch, 8, 8, 8, 2, 16, kernels.GELU, false, true)
		return testing.AllocsPerRun(20, func() {
			if err := h.tape.Run(h.machine); err != nil {
				t.Fatal(err)
			}
		})
	}
	small, large := count(1), count(64)
	t.Logf("%v and %v allocations a run", small, large)
	if large > small+8 {
		t.Errorf("%v allocations a run with a batch of 1, %v with 64", small, large)
	}
}

// A layer has a norm or the bias of a folded norm, and the latter only in evaluation.
func TestFoldedNormErrors(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	norm := &BatchNorm{
		Weight:      NewParam("norm.weight", 8),
		Bias:        NewParam("norm.bias", 8),
		RunningMean: make([]float32, 8),
		RunningVar:  make([]float32, 8),
		Tracked:     new(int64),
	}
	for _, c := range []struct {
		train bool
		norm  *BatchNorm
		bias  *Param
		want  string
	}{
		{false, nil, NewParam("bias", 8), ""},
		{false, norm, nil, ""},
		{true, norm, nil, ""},
		{false, nil, nil, "want a batch norm"},
		{false, norm, NewParam("bias", 8), "want a batch norm"},
		{true, nil, NewParam("bias", 8), "it can be evaluated, not trained"},
		{false, nil, NewParam("bias", 7), "bias has"},
	} {
		tape := NewTape(NewWorkspace(pool), c.train)
		x := tape.Input("x", 1, 4, 4, 4)
		_, patch := PatchConvNorm(tape, x, PatchConv{
			Name:   "patch",
			Weight: NewParam("w", 8, 4, 2, 2),
			Stride: 2,
			Norm:   c.norm,
			Bias:   c.bias,
		})
		_, block := FasterNetBlock(tape, x, Block{
			Name:  "block",
			PConv: NewParam("p", 1, 1, 3, 3),
			Conv1: NewParam("w1", 8, 4, 1, 1),
			Norm:  c.norm,
			Bias:  c.bias,
			Act:   kernels.ReLU,
			Conv2: NewParam("w2", 4, 8, 1, 1),
		})
		for _, test := range []struct {
			what string
			err  error
		}{{"patch convolution", patch}, {"block", block}} {
			t.Run(test.what, func(t *testing.T) {
				if (test.err == nil) != (c.want == "") ||
					test.err != nil && !strings.Contains(test.err.Error(), c.want) {
					t.Errorf("%s, %+v: %v", test.what, c, test.err)
				}
			})
		}
	}
}
