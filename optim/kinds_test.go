package optim

import (
	"slices"
	"testing"

	"fasternet/configs"
	"fasternet/kernels"
)

// An unknown name is an error or a panic, and is never taken for another name.
func TestUnknownKinds(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	for _, c := range []struct {
		name   string
		config configs.Optim
	}{
		{"rule", configs.Optim{Opt: "adafactor"}},
		{"clip mode", configs.Optim{Opt: "sgd", ClipMode: "median", ClipGrad: 1}},
	} {
		if _, err := New(c.config, nil, pool); err == nil {
			t.Errorf("an unknown %s is accepted", c.name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown schedule is a cosine")
		}
	}()
	Schedule{Sched: configs.Sched{Form: "exponential"}, LR: 1, Epochs: 10, Steps: 1}.At(5, 0)
}

// A configuration can name exactly the rules of the table.
func TestRulesCanBeNamed(t *testing.T) {
	registry.Lock()
	defer registry.Unlock()
	for name := range registry.rules {
		if !slices.Contains(configs.Optimizers, name) {
			t.Errorf("configs.Optimizers has no %s", name)
		}
	}
	for _, name := range configs.Optimizers {
		if registry.rules[name] == nil {
			t.Errorf("there is no rule %s", name)
		}
	}
}
