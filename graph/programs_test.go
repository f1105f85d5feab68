package graph_test

import (
	"runtime"
	"slices"
	"testing"

	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
)

// One folded model follows the weights of the model in training, including statistics of batch norms, as
// a freshly folded model does.
func TestForInferenceFollowsTheWeights(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	shape := graph.Shape{Batch: 3, Height: 40, Width: 52}
	x := graphtest.Random(3*40*52*3, 0)
	var first *graph.Runner
	var last []float32
	for seed := range 3 {
		graphtest.Fill(m.Store(), seed+1)
		kept, err := r.ForInference()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = kept
		}
		if kept != first || kept.Kept() > 1 {
			t.Fatal("another runner, or more than one program")
		}
		got, err := program(t, kept, shape).Forward(x)
		if err != nil {
			t.Fatal(err)
		}
		want, err := program(t, newRunner(t, fold(t, m)), shape).Forward(x)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) || slices.Equal(got, last) {
			t.Fatalf("weights %d: logits %v, want %v, before %v", seed, got[:3], want[:3], last)
		}
		last = slices.Clone(got)
	}
	other, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Refold(other); err == nil {
		t.Error("a model that is not folded was taken")
	}
}

// The number of programs stays small, whatever sizes are used, and programs in use stay.
func TestProgramsStayFew(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	often := program(t, r, graph.Shape{1, 32, 32, true})
	for batch := 3 * graph.MaxPrograms; batch > 0; batch-- {
		program(t, r, graph.Shape{batch, 32, 32, false})
		if program(t, r, graph.Shape{1, 32, 32, true}) != often {
			t.Fatal("the program that is always in use was compiled again")
		}
	}
	if n := r.Kept(); n != graph.MaxPrograms {
		t.Errorf("%d programs, want %d", n, graph.MaxPrograms)
	}
	first := program(t, r, graph.Shape{3 * graph.MaxPrograms, 32, 32, false})
	if first.Batch != 3*graph.MaxPrograms || first.Train {
		t.Errorf("the program compiled again has shape %+v", first.Shape)
	}
}

// Ever larger images need ever more memory, and the smaller memory is released.
func TestMemoryThatGrowsIsGivenBack(t *testing.T) {
	m, err := fasternet.New(smallConfig(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, m)
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before, x := heap(), graphtest.Random(16*256*256*3, 0)
	for batch := 8; batch <= 16; batch++ {
		if _, err := program(t, r, graph.Shape{batch, 256, 256, false}).Forward(x[:batch*256*256*3]); err != nil {
			t.Fatal(err)
		}
	}
	held := heap() - before - 4*len(x)
	if most := r.Bytes() * 3 / 2; held > most {
		t.Errorf("%d bytes are held, of which the last program needs %d", held, r.Bytes())
	}
	runtime.KeepAlive(x)
	runtime.KeepAlive(r)
}
