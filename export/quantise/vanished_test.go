package quantise

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/graph"
	"fasternet/kernels"
)

// scaled multiplies every third row of a parameter by f.
func scaled(t *testing.T, m graph.Model, name string, f float32) {
	t.Helper()
	e, ok := m.Store().Lookup(name)
	if !ok {
		t.Fatalf("there is no parameter %s", name)
	}
	rows := e.Shape[0]
	n := e.Param.Size() / rows
	for r := 0; r < rows; r += 3 {
		for i := range n {
			e.Param.Data()[r*n+i] *= f
		}
	}
	e.Param.Changed()
}

// Weights that have vanished, as training and pruning leave them, or are huge give the results of float32: the
// scale of an output fits its bias.
func TestVanishedWeights(t *testing.T) {
	for _, c := range []struct {
		name, parameter string
		factors         []float32
	}{
		{"a norm in a block", "stages.0.blocks.0.mlp.1.weight", []float32{0, 1e-8, 1e-25, 1e-42}},
		{"a product in a block", "stages.2.blocks.0.mlp.3.weight", []float32{0, 1e-9}},
		{"a partial convolution", "stages.2.blocks.1.spatial_mixing.partial_conv3.weight", []float32{1e-9}},
		{"a merging", "stages.1.norm.weight", []float32{0, 1e-9, 1e-30}},
		{"features", "avgpool_pre_head.1.weight", []float32{0, 1e-12, 1e-22}},
		{"the classifier", "head.weight", []float32{0, 1e-12, 1e-30, 1e12, 1e30}},
		{"a bias of the classifier", "head.bias", []float32{1e9, 1e20}},
	} {
		for _, f := range c.factors {
			m := small(t, nil)
			scaled(t, m, c.parameter, f)
			im := images(12, 32, m.Channels())
			r, err := Run(config(t), m, im, Options{})
			if err != nil {
				t.Errorf("%s times %g: %v", c.name, f, err)
				continue
			}
			few := images(3, 32, m.Channels())
			want, got := logits(t, kernels.Default(), m, few, 1), logits(t, kernels.Default(), r.Model, few, 1)
			if e := noise(got, want); !(e < 0.1) {
				t.Errorf("%s times %g: the logits are off by %.3g", c.name, f, e)
			}
			if err := r.Model.Int8().Clone().Check(r.Model.Int8Units()); err != nil {
				t.Errorf("%s times %g: %v", c.name, f, err)
			}
		}
	}
}

// The bias of an output without weights is as exact as in float32.
func TestBiasWithoutWeights(t *testing.T) {
	m := small(t, nil)
	scaled(t, m, "head.weight", 0)
	e, _ := m.Store().Lookup("head.bias")
	want := []float32{0.0123456, 3, 0, -7e-9, 5} // outputs 0 and 3 have no weights
	copy(e.Param.Data(), want)
	r, err := Run(config(t), m, images(32, 32, 1), Options{NoCorrection: true})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Model.Int8().Factors["head.weight"]
	for _, o := range []int{0, 3} {
		if d := math.Abs(float64(f.Bias[o]-want[o]) / float64(want[o])); d > 1e-6 {
			t.Errorf("the bias of output %d is %g, want %g", o, f.Bias[o], want[o])
		}
	}
}

// The error about broken values and the note about constant channels name the first layer, in the order of
// the computation.
func TestFirstLayer(t *testing.T) {
	sick := small(t, nil)
	e, _ := sick.Store().Lookup("stages.1.norm.weight")
	e.Param.Data()[0] = float32(math.NaN())
	for range 5 { // maps have another order each time
		if _, err := Run(config(t), sick, images(2, 32, 1), Options{}); err == nil ||
			!strings.Contains(err.Error(), "the values of stages.1 are NaN") {
			t.Fatalf("got %v, want the first layer", err)
		}
	}
	dead := small(t, nil)
	scaled(t, dead, "stages.1.norm.weight", 0)
	r, err := Run(config(t), dead, images(32, 32, 1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "the first are in stages.1)") }) {
		t.Errorf("notes %q", r.Notes)
	}
}

// Equal images give the logits of float32: each bias takes up the errors of the layers before it, with the rounding
// of their biases.
func TestCorrectionIsLast(t *testing.T) {
	m := small(t, nil)
	scaled(t, m, "stages.0.blocks.0.mlp.1.weight", 0)
	im := images(8, 32, m.Channels())
	clear(im.Data)
	r, err := Run(config(t), m, im, Options{})
	if err != nil {
		t.Fatal(err)
	}
	im.Count, im.Data = 1, im.batch(0, 1)
	want, got := logits(t, kernels.Default(), m, im, 1), logits(t, kernels.Default(), r.Model, im, 1)
	if e := noise(got, want); !(e < 1e-3) {
		t.Errorf("the logits are off by %.3g", e)
	}
}
