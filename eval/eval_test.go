package eval_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/preprocess"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// shades is a data set of grey images: image i has brightness 10·i.
type shades int

func (n shades) Len() int        { return int(n) }
func (shades) Classes() []string { return []string{"a", "b", "c"} }
func (shades) Label(i int) int   { return i % 3 }
func (shades) Name(i int) string { return fmt.Sprint("image ", i) }
func (shades) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(8, 8, 1)
	for p := range m.Pix {
		m.Pix[p] = uint8(10 * i)
	}
	return m, nil
}

// linear is a model whose logits are multiples of the mean brightness.
type linear struct {
	store *layers.Store
	head  *ops.Param
}

func newLinear(weights ...float32) *linear {
	s := layers.NewStore(0, 0.02)
	m := &linear{s, s.Weight("head.weight", 3, 1)}
	copy(m.head.Data(), weights)
	m.head.Changed()
	return m
}

func (m *linear) Store() *layers.Store              { return m.store }
func (m *linear) Channels() int                     { return 1 }
func (m *linear) Classes() int                      { return 3 }
func (m *linear) Count(int, int) []graph.LayerCount { return nil }
func (m *linear) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	x, err := ops.GlobalAvgPool(p.Tape, "pool", x)
	if err != nil {
		return nil, err
	}
	return ops.Linear(p.Tape, "head", x, m.head, nil)
}

func transform() *data.EvalTransform {
	return preprocess.Evaluation(configs.Data{
		ImageSize:     8,
		TestCropRatio: 1,
		Interpolation: "bicubic",
		Mean:          []float64{0},
		Std:           []float64{1},
	}, 1)
}

func ExampleEvaluate() {
	pool := kernels.NewPool(0)
	defer pool.Close()
	runner := graph.NewRunner(newLinear(1, 0, -1), pool) // answers "a" unless the image is black
	r, err := eval.Evaluate(context.Background(), runner, shades(9), transform(), eval.Options{Batch: 4})
	fmt.Printf("%.1f %.1f %d %v\n", r.Top1, r.Top5, r.Count, err)
	// Output: 33.3 100.0 9 <nil>
}

// The measures are averages over samples, for any size of batch.
func TestBatches(t *testing.T) {
	pool := kernels.NewPool(2)
	defer pool.Close()
	weights := []float64{0.5, 2, 1}
	runner := graph.NewRunner(newLinear(0.5, 2, 1), pool)
	var want float64
	for i := range 10 {
		x := float64(10*i) / 255
		var z float64
		for _, w := range weights {
			z += math.Exp(w * x)
		}
		want += (math.Log(z) - weights[i%3]*x) / 10
	}
	for _, batch := range []int{1, 3, 10, 64} {
		seen := 0
		r, err := eval.Evaluate(t.Context(), runner, shades(10), transform(),
			eval.Options{Batch: batch, Workers: 2, Progress: func(done, total int) { seen = done }})
		if err != nil {
			t.Fatal(err)
		}
		// Image 0 is black: all its logits are equal, and the first class counts as the answer.
		if r.Count != 10 || seen != 10 || math.Abs(r.Top1-40) > 1e-9 || r.Top5 != 100 || math.Abs(r.Loss-want) > 1e-6 {
			t.Errorf("batch %d: %+v, want 40 %%, loss %v", batch, r, want)
		}
	}
}

func TestNaNIsNeverRight(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	nan := float32(math.NaN())
	r, err := eval.Evaluate(t.Context(), graph.NewRunner(newLinear(nan, nan, nan), pool), shades(6), transform(),
		eval.Options{Batch: 6})
	if err != nil || r.Top1 != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCancel(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := eval.Evaluate(ctx, graph.NewRunner(newLinear(1, 1, 1), pool), shades(6), transform(),
		eval.Options{Batch: 2})
	if err == nil {
		t.Error("a cancelled evaluation has a result")
	}
}
