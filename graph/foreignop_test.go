package graph_test

import (
	"slices"
	"testing"

	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// scaled is a model of another package: its blocks have one op, which multiplies the channels by
// weights, and then comes a classifier.
type scaled struct {
	store   *layers.Store
	weights []*ops.Param
	head    *ops.Param
}

func newScaled(blocks int) *scaled {
	m := &scaled{store: layers.NewStore(1, 0.5)}
	for i := range blocks {
		m.weights = append(m.weights, m.store.Weight("blocks."+string(rune('0'+i))+".weight", 3))
	}
	m.head = m.store.Weight("head.weight", 4, 3)
	return m
}

func (m *scaled) Store() *layers.Store { return m.store }
func (m *scaled) Channels() int        { return 3 }
func (m *scaled) Classes() int         { return 4 }

func (m *scaled) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	for i, w := range m.weights {
		p.Layer(i)
		var err error
		if x, err = p.Block(w.Name, func() (*gorgonia.Node, error) { return scale(p.Tape, x, w) }); err != nil {
			return nil, err
		}
	}
	p.Layer(len(m.weights))
	x, err := ops.GlobalAvgPool(p.Tape, "pool", x)
	if err != nil {
		return nil, err
	}
	return ops.Linear(p.Tape, "head", x, m.head, nil)
}

// scale is x·w + x², so that the backward pass needs x.
func scale(t *ops.Tape, x *gorgonia.Node, w *ops.Param) (*gorgonia.Node, error) {
	c := w.Size()
	run := func(in [][]float32, out []float32) error {
		for i, v := range in[0] {
			out[i] = v * (w.Data()[i%c] + v)
		}
		return nil
	}
	return t.Record(ops.Spec{
		Kind:   "test.Scale",
		Name:   w.Name,
		Inputs: gorgonia.Nodes{x, t.Param(w)},
		WRT:    []bool{true, true},
		Shape:  x.Shape().Clone(),
		Cost:   ops.Cost{MACs: x.Shape().TotalSize()},
		Run:    run,
		Again:  ops.Repeat(run),
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := t.Record(ops.Spec{
				Kind:   "test.ScaleGrad",
				Name:   w.Name,
				Inputs: gorgonia.Nodes{grad, x},
				Shape:  x.Shape().Clone(),
				Reuse:  1,
				Run: func(in [][]float32, out []float32) error {
					for i, g := range in[0] {
						w.GradData()[i%c] += g * in[1][i]
						out[i] = g * (w.Data()[i%c] + 2*in[1][i])
					}
					return nil
				},
			})
			if err != nil {
				return nil, err
			}
			return t.Gradients(dx, w)
		},
	})
}

// An op of another package works with everything that training does: batches in parts, ranks, freezing,
// recomputation, layers for learning rates, counts and profiles.
func TestForeignOp(t *testing.T) {
	const batch, side = 4, 5
	images, targets := make([]float32, batch*side*side*3), make([]float32, batch*4)
	for i := range images {
		images[i] = float32(i%17)/17 - 0.4
	}
	for i := range batch {
		targets[i*4+i] = 1
	}
	pool := kernels.NewPool(2)
	defer pool.Close()
	// gradients runs the parts of a batch one after the other. It returns the gradients of
	// blocks 0, 1, … and of the head.
	gradients := func(m *scaled, parts int, change func(r *graph.Runner)) [][]float32 {
		t.Helper()
		r := graph.NewRunner(m, pool)
		change(r)
		n := batch / parts
		p, err := r.Program(graph.Shape{Batch: n, Height: side, Width: side, Train: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			at := graph.Position{Batch: batch}
			for k := range n {
				at.Places = append(at.Places, i*n+k)
			}
			if _, err := p.Gradients(images[i*n*side*side*3:][:n*side*side*3], targets[i*n*4:][:n*4], at); err != nil {
				t.Fatal(err)
			}
		}
		var all [][]float32
		for _, w := range append(m.weights, m.head) {
			all = append(all, slices.Clone(w.GradData()))
		}
		return all
	}
	want := gradients(newScaled(3), 1, func(*graph.Runner) {})
	same := func(what string, got [][]float32, from int, tolerance float32) {
		t.Helper()
		for i := range got {
			for j, v := range got[i] {
				w := want[i][j]
				if i < from {
					w = 0
				}
				if d := v - w; !(max(d, -d) <= tolerance) || from == 0 && want[i][j] == 0 {
					t.Errorf("%s: gradient %d of block %d is %v, want %v", what, j, i, v, w)
				}
			}
		}
	}
	same("in two parts", gradients(newScaled(3), 2, func(*graph.Runner) {}), 0, 1e-6)
	same("recomputed", gradients(newScaled(3), 1, func(r *graph.Runner) { r.Recompute = true }), 0, 0)
	frozen := newScaled(3)
	frozen.weights[0].Frozen, frozen.weights[1].Frozen = true, true
	same("frozen", gradients(frozen, 1, func(r *graph.Runner) { r.Frozen = 2 }), 2, 0)
	var final []string
	gradients(newScaled(3), 1, func(r *graph.Runner) {
		r.Parallel.Final = func(p *ops.Param) { final = append(final, p.Name) }
	})
	if !slices.Equal(final, []string{"head.weight", "blocks.2.weight", "blocks.1.weight", "blocks.0.weight"}) {
		t.Errorf("the gradients are complete in the order %v", final)
	}
	l, err := graph.LayersOf(newScaled(3), side, side)
	if err != nil {
		t.Fatal(err)
	}
	if layer, last := l.Of("blocks.1.weight"); layer != 1 || last != 3 {
		t.Errorf("block 1 is layer %d of %d", layer, last)
	}
	counts, err := graph.Count(newScaled(3), side, side)
	if err != nil {
		t.Fatal(err)
	}
	if got := graph.Total(counts); got.Parameters != 3*3+12 || got.MACs != 3*side*side*3+12 {
		t.Errorf("%d parameters and %d MACs are counted", got.Parameters, got.MACs)
	}
}
