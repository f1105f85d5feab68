package graph_test

import (
	"testing"

	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
)

// An observer sees every op once, the loss and the gradient of every parameter, and its error is
// returned unchanged. It changes no bit.
func TestObserve(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	r.Recompute = true
	p := program(t, r, graph.Shape{3, 32, 32, true})
	targets := make([]float32, 15)
	targets[2], targets[7], targets[11] = 1, 1, 1
	graphtest.CheckObserved(t, p.Observe, m.Store().Params(), p.Ops(), "stages.0.blocks.0", func() (float32, error) {
		return p.Gradients(graphtest.Random(3*32*32*3, 1), targets, graph.Position{})
	})
}
