package eval_test

import (
	"testing"

	"fasternet/eval"
	"fasternet/graph"
	"fasternet/internal/flat"
	"fasternet/kernels"
)

// An evaluation keeps a few batches in memory, however many images there are.
func TestMemoryOfEvaluation(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	const batches, batch = 200, 10
	watch := flat.New(t, batches)
	o := eval.Options{Batch: batch, Workers: 1, Mistakes: 24, Progress: func(int, int) { watch.Round() }}
	_, err := eval.Examine(t.Context(), graph.NewRunner(newLinear(1, -1, 0.5), pool), shades(batches*batch),
		transform(), o)
	if err != nil {
		t.Fatal(err)
	}
	watch.Check()
}
