package graphtest

import (
	"errors"
	"slices"
	"testing"

	"fasternet/ops"
)

// CheckObserved runs a program with an observer. The observer must see every op once, among them
// the op with the given name, the loss, and the gradient of every parameter. Its error must come
// back unchanged, and no bit may change.
func CheckObserved(
	t *testing.T,
	observe func(func(ops.Observed) error),
	params []*ops.Param,
	count int,
	name string,
	run func() (float32, error),
) {
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
		t.Errorf("%d calls for %d ops, %d gradients of %d, %s seen: %v",
			calls, count, len(seen), len(params), name, found)
	}
	stop := errors.New("stop")
	observe(func(ops.Observed) error { return stop })
	if _, err := run(); err != stop { //nolint:errorlint // the very same error
		t.Errorf("got %v", err)
	}
	observe(nil)
}
