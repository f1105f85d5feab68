package graph_test

import (
	"slices"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/kernels"
	"fasternet/ops"
)

// A gradient does not change after the run says that it is final, and the order is the one that the
// program promises.
func TestFinalGradients(t *testing.T) {
	c := configs.Default()
	configs.Change(&c.Model, func(a *fasternet.Config) { a.EmbedDim, a.Depths, a.FeatureDim = 16, []int{1, 2}, 32 })
	c.Model.NumClasses = 5
	m, err := fasternet.New(c.Model, 1)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	defer pool.Close()
	r := graph.NewRunner(m, pool)
	p := program(t, r, graph.Shape{3, 32, 32, true})
	for _, q := range m.Store().Params() {
		q.MoveGrad(make([]float32, q.Size()+3)[:q.Size()])
	}
	var order []*ops.Param
	then := map[*ops.Param][]float32{}
	r.Parallel.Final = func(q *ops.Param) {
		order = append(order, q)
		then[q] = slices.Clone(q.GradData())
	}
	targets := make([]float32, 15)
	targets[2], targets[7], targets[11] = 1, 1, 1
	if _, err := p.Gradients(graphtest.Random(3*32*32*3, 1), targets, graph.Position{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(order, p.Learned()) ||
		len(order) != len(m.Store().Params()) ||
		order[len(order)-1].Name == "head.weight" {
		t.Errorf("%d gradients of %d, promised %d", len(order), len(m.Store().Params()), len(p.Learned()))
	}
	for q, g := range then {
		if !slices.Equal(g, q.GradData()) || slices.Max(g) == 0 && slices.Min(g) == 0 {
			t.Errorf("%s has changed after it was final, or is 0", q.Name)
		}
	}
}

// Every rank draws the same numbers for its samples as a single rank.
func TestPlaces(t *testing.T) {
	at := graph.Position{Places: []int{1, 2, 5}, Batch: 7}
	var got []int
	at.EachPlace(3, func(sample int) { got = append(got, sample) })
	if !slices.Equal(got, []int{-1, 0, 1, -1, -1, 2, -1}) {
		t.Errorf("%v", got)
	}
	got = nil
	(graph.Position{}).EachPlace(2, func(sample int) { got = append(got, sample) })
	if !slices.Equal(got, []int{0, 1}) {
		t.Errorf("%v", got)
	}
}
