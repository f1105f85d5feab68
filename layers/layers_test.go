package layers_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"
)

// A patch embedding and a FasterNet block, added to a graph.
func ExampleBlock() {
	store := layers.NewStore(0, 0.02)
	embed := layers.NewPatchEmbed(store, 3, 16, 4, 4)
	block := layers.NewBlock(store, "stages.0.blocks.0", layers.BlockOptions{
		Channels: 16, Hidden: 32, NDiv: 4, Act: kernels.GELU,
	})

	pool := kernels.NewPool(0)
	defer pool.Close()
	pass := &layers.Pass{Tape: ops.NewTape(ops.NewWorkspace(pool), false)}
	x, err := embed.Forward(pass, pass.Input("images", 8, 64, 64, 3))
	if err != nil {
		fmt.Println(err)
		return
	}
	if x, err = block.Forward(pass, x); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(x.Shape(), store.Parameters())
	// Output: (8, 16, 16, 16) 2032
}

// The parameters have the order of the official state dict, and their values depend only on seed
// and name.
func TestStore(t *testing.T) {
	options := layers.BlockOptions{Channels: 8, Hidden: 16, NDiv: 4, Act: kernels.ReLU, LayerScale: 0.5}
	a := layers.NewStore(1, 0.02)
	layers.NewBlock(a, "x", options)
	layers.NewBlock(a, "y", options)
	b := layers.NewStore(1, 0.02)
	layers.NewBlock(b, "y", options)
	c := layers.NewStore(2, 0.02)
	layers.NewBlock(c, "y", options)

	var names []string
	for _, e := range b.Entries {
		names = append(names, strings.TrimPrefix(e.Name, "y."))
	}
	if !slices.Equal(names, []string{
		"layer_scale",
		"mlp.0.weight",
		"mlp.1.weight", "mlp.1.bias", "mlp.1.running_mean", "mlp.1.running_var", "mlp.1.num_batches_tracked",
		"mlp.3.weight",
		"spatial_mixing.partial_conv3.weight",
	}) {
		t.Errorf("order: %v", names)
	}
	value := func(s *layers.Store, name string) []float32 {
		e, ok := s.Lookup(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		return e.Param.Data()
	}
	w := value(a, "y.mlp.0.weight")
	if fmt.Sprint(w) != fmt.Sprint(value(b, "y.mlp.0.weight")) {
		t.Error("a parameter depends on what was made before it")
	}
	if fmt.Sprint(w) == fmt.Sprint(value(a, "x.mlp.0.weight")) ||
		fmt.Sprint(w) == fmt.Sprint(value(c, "y.mlp.0.weight")) {
		t.Error("two parameters are equal")
	}
	if s := value(b, "y.layer_scale"); s[3] != 0.5 {
		t.Errorf("layer scale %v", s)
	}
	if _, ok := a.Lookup("z"); ok {
		t.Error("an entry that is not there is found")
	}
	defer func() {
		if recover() == nil {
			t.Error("two tensors of one name are accepted")
		}
	}()
	layers.NewBlock(a, "x", options)
}

// Values that are drawn later, in parallel, equal values that are drawn at once.
func TestDrawLater(t *testing.T) {
	at, later := layers.NewStore(1, 0.02), layers.NewStore(1, 0.02)
	later.DrawLater()
	var want, got [][]float32
	for i := range 9 {
		name := fmt.Sprint("weight", i)
		want = append(want, at.Weight(name, 1<<i, 300).Data())
		got = append(got, later.Weight(name, 1<<i, 300).Data())
	}
	if last := got[8]; slices.Max(last) != 0 {
		t.Error("a large tensor is drawn at once")
	}
	later.Draw()
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("tensor %d has different values", i)
		}
	}
}

func TestTruncatedNormal(t *testing.T) {
	s := layers.NewStore(3, 0.02)
	w := s.Weight("w", 200, 100).Data()
	var mean, square float64
	for _, v := range w {
		mean += float64(v) / float64(len(w))
		square += float64(v) * float64(v) / float64(len(w))
	}
	if math.Abs(mean) > 1e-3 || math.Abs(math.Sqrt(square)-0.02) > 5e-4 {
		t.Errorf("mean %v, deviation %v", mean, math.Sqrt(square))
	}
	wide := layers.NewStore(3, 5).Weight("w", 100, 100).Data()
	for _, v := range wide {
		if v < -2 || v > 2 {
			t.Fatalf("%v lies beyond the cut", v)
		}
	}
}

func TestDropPath(t *testing.T) {
	if got := fmt.Sprint(layers.DropPathRates(0.3, 4)); got != "[0 0.09999999999999999 0.19999999999999998 0.3]" {
		t.Errorf("rates %v", got)
	}
	if got := fmt.Sprint(layers.DropPathRates(0.3, 1)); got != "[0]" {
		t.Errorf("one block: %v", got)
	}
	pool := kernels.NewPool(1)
	defer pool.Close()
	for _, c := range []struct {
		train bool
		rate  float64
		want  int
	}{{true, 0.1, 1}, {true, 0, 0}, {false, 0.1, 0}} {
		p := &layers.Pass{Tape: ops.NewTape(ops.NewWorkspace(pool), c.train)}
		n := layers.DropPath{Block: 7, Rate: c.rate}.Forward(p, 5)
		if (n != nil) != (c.want == 1) || len(p.Drops) != c.want {
			t.Errorf("%+v: input %v, %d drops", c, n, len(p.Drops))
		}
	}
}
