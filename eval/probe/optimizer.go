package probe

import (
	"fmt"

	"fasternet/configs"
	"fasternet/optim"
)

// The optimizers of [Linear]. Both have a momentum of 0.9 and no weight decay.
const (
	LARS = "lars" // You, Gitman and Ginsburg, 2017: steps in proportion to the weights
	SGD  = "sgd"
)

const (
	momentum = 0.9
	trust    = 0.001 // LARS: norm of a step by the norm of the weights, at rate 1
)

// optimizer moves the weights of a machine against their gradients.
func (o LinearOptions) optimizer(m *machine) (*optim.Optimizer, error) {
	rule, ok := map[string]string{LARS: "lars", SGD: "momentum"}[o.Optimizer]
	if !ok {
		return nil, fmt.Errorf("probe: optimizer %q: want %s or %s", o.Optimizer, LARS, SGD)
	}
	return optim.New(configs.Optim{Opt: rule, Momentum: momentum}, m.params, m.pool)
}
