package fasternet

import (
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/kernels"
)

// The values of model.act_layer are the activations of package kernels.
func TestActivations(t *testing.T) {
	t.Parallel()
	_, err := configs.Load("fasternet_t0", "model.act_layer=swish")
	if err == nil {
		t.Fatal("any activation is accepted")
	}
	for _, name := range kernels.Activations() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
		c, err := configs.Load("fasternet_t0", "model.act_layer="+name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(c.Model, 1)
		if err != nil || m.act.String() != name {
			t.Errorf("%s: got %v, %v", name, m.act, err)
		}
	}
	c := configs.DefaultModel("fasternet")
	configs.Change(&c, func(a *Config) { a.ActLayer = "swish" })
	c.NumClasses = 3
	if _, err := New(c, 1); err == nil ||
		!strings.Contains(err.Error(), `act_layer: kernels: activation "swish": want relu or gelu`) {
		t.Errorf("got %v", err)
	}
}
