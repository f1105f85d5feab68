package ops

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// classifier is a linear layer with a loss, in a scope of its own.
func (h *harness) classifier() (w *Param) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y := h.input("x", r, 2, 4), h.input("targets", r, 2, 3)
	w = h.param("head.weight", r, 1, 3, 4)
	h.tape.SetLayer(5)
	leave := h.tape.Within("head")
	n, err := Linear(h.tape, "head", x, w, nil)
	leave()
	if err == nil {
		h.tape.SetLayer(6)
		n, err = SoftmaxCrossEntropy(h.tape, n, y)
	}
	h.compile(n, err, "x")
	return w
}

func TestObserve(t *testing.T) {
	h := newHarness(t, 2, true)
	w := h.classifier()
	var got []string
	var grad []float32
	h.tape.Observe(func(o Observed) error {
		got = append(
			got,
			fmt.Sprintf("%d %s %q %v %v backward=%v", o.Index, o.Kind, o.Name, o.Scope, o.Shape, o.Backward),
		)
		if n := max(1, o.Shape.TotalSize()); len(o.Values) != n {
			t.Errorf("%s: %d values, want %d", o.Kind, len(o.Values), n)
		}
		if o.Param != nil {
			if o.Param != w {
				t.Errorf("the gradient is of %s", o.Param.Name)
			}
			grad = slices.Clone(o.Values)
		}
		return nil
	})
	h.run()
	want := `0 Linear "head" {head 5} (2, 3) backward=false
1 SoftmaxCrossEntropy "loss" { 6} () backward=false
2 SoftmaxCrossEntropyGrad "loss" { 6} (2, 3) backward=true
3 LinearGrad "head" {head 5} (2, 4) backward=true
4 gradient "head.weight" {head 5} (3, 4) backward=true`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	same(t, "the observed gradient", grad, w.GradData())
	h.tape.Observe(nil)
	h.run()
	if len(got) != 5 {
		t.Errorf("%d calls after nil", len(got)-5)
	}
}

// The first op with a bad value is found, and the error is returned unchanged. The next run is
// complete again.
func TestObserverEndsRun(t *testing.T) {
	h := newHarness(t, 1, true)
	h.classifier()
	want := errors.New("not finite")
	h.tape.Observe(func(o Observed) error {
		for _, v := range o.Values {
			if math.IsNaN(float64(v)) {
				return fmt.Errorf("%s %s: %w", o.Kind, o.Name, want)
			}
		}
		return nil
	})
	before := h.run()
	x := h.inputs["x"].Float32s()
	old := x[0]
	x[0] = float32(math.NaN())
	if err := h.tape.Run(h.machine); !errors.Is(err, want) || err.Error() != "Linear head: not finite" {
		t.Errorf("got %v", err)
	}
	x[0] = old
	if got := h.run(); got != before {
		t.Errorf("loss %v after a run that was ended, before it %v", got, before)
	}
}

// Backward ops and gradients belong to the layer of their forward op, also with recompute.
func TestObserveRecompute(t *testing.T) {
	h := newHarness(t, 1, true)
	build, _ := h.chain()
	h.tape.SetLayer(3)
	out, err := h.tape.Recompute("stage", build)
	h.tape.SetLayer(9)
	h.compile(out, err, "x")
	seen := map[string]bool{}
	h.tape.Observe(func(o Observed) error {
		seen[o.Kind] = true
		if o.Kind != "WeightedSum" && o.Kind != "Weights" && o.Layer != 3 {
			t.Errorf("%s %q is of layer %d", o.Kind, o.Name, o.Layer)
		}
		return nil
	})
	h.run()
	for _, kind := range []string{"FasterNetBlock", "FasterNetBlockGrad", "Recompute", KindGradient} {
		if !seen[kind] {
			t.Errorf("no call for %s", kind)
		}
	}
}
