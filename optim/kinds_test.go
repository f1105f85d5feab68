package optim

import (
	"testing"

	"fasternet/configs"
	"fasternet/kernels"
)

// What is not known is an error, or ends the program, and is never taken for something else.
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
