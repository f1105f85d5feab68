package graph_test

import (
	"errors"
	"slices"
	"testing"

	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/ops"
)

// An observer sees every op once, the loss and the gradient of every parameter, and its error
// comes back as it is. It changes no bit.
func TestObserve(t *testing.T) {
	t.Run("classifier", func(t *testing.T) {
		m, err := fasternet.New(smallConfig(), 1)
		if err != nil {
			t.Fatal(err)
		}
		r := newRunner(t, m)
		r.Recompute = true
		p := program(t, r, graph.Shape{3, 32, 32, true})
		targets := make([]float32, 15)
		targets[2], targets[7], targets[11] = 1, 1, 1
		checkObserved(t, p.Observe, m.Store().Params(), p.Ops(), "stages.0.blocks.0", func() (float32, error) {
			return p.Gradients(random(3*32*32*3, 1), targets, graph.Position{})
		})
	})
	t.Run("LocalMIM", func(t *testing.T) {
		var ref mimReference
		golden.JSON(t, "mim_swin_pixel.json", &ref)
		m, r := newMIM(t, ref.config(t))
		fillMIM(m, ref.Config.Seed)
		b := ref.batch(m, golden.Tensors(t, "mim_swin_pixel.safetensors"))
		p, err := r.Program(ref.Config.Batch, true)
		if err != nil {
			t.Fatal(err)
		}
		checkObserved(t, p.Observe, m.Store().Params(), p.Ops(), "layers.0.blocks.0.attn", func() (float32, error) { return p.Run(b) })
	})
}

func checkObserved(t *testing.T, observe func(func(ops.Observed) error), params []*ops.Param, count int, name string, run func() (float32, error)) {
	t.Helper()
	want, err := run()
	if err != nil {
		t.Fatal(err)
	}
	grads := map[*ops.Param][]float32{}
	for _, q := range params {
		grads[q] = slices.Clone(q.GradData())
		q.Grad.Zero()
	}
	calls, backward, found := 0, false, false
	seen := map[*ops.Param]bool{}
	observe(func(o ops.Observed) error {
		if o.Index != calls || backward && !o.Backward {
			t.Errorf("call %d is of op %d, %s %q, backward %v", calls, o.Index, o.Kind, o.Name, o.Backward)
		}
		calls, backward, found = calls+1, o.Backward, found || o.Name == name
		if o.Param != nil && o.Kind == "gradient" {
			seen[o.Param] = true
			if !slices.Equal(o.Values, grads[o.Param]) {
				t.Errorf("the gradient of %s is not complete", o.Param.Name)
			}
		}
		return nil
	})
	if got, err := run(); err != nil || got != want {
		t.Errorf("loss %v and %v, want %v", got, err, want)
	}
	if calls != count || !found || len(seen) != len(params) {
		t.Errorf("%d calls for %d ops, %d gradients of %d, %s seen: %v", calls, count, len(seen), len(params), name, found)
	}
	stop := errors.New("stop")
	observe(func(ops.Observed) error { return stop })
	if _, err := run(); err != stop { //nolint:errorlint // the very same error
		t.Errorf("got %v", err)
	}
	observe(nil)
}
