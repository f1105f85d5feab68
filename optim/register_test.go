package optim_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/ops"
	"fasternet/optim"
)

// factored keeps the mean square of each row and of each column instead of each value, as Adafactor does
// (Shazeer and Stern, 2018).
type factored struct{ eps float64 }

func (factored) States(shape []int) []optim.State {
	if len(shape) != 2 {
		return nil
	}
	return []optim.State{{Name: "exp_avg_sq_row", Shape: shape[:1]}, {Name: "exp_avg_sq_col", Shape: shape[1:]}}
}

func (r factored) MoveTensor(v optim.Values, u optim.Update, _ *kernels.Pool) {
	if len(v.Shape) != 2 {
		for i, g := range v.Grad {
			v.Weights[i] -= float32(u.LR*u.Scale) * g
		}
		return
	}
	const beta = 0.5
	rows, cols := v.States[0], v.States[1]
	sums := make([]float64, len(rows)+len(cols))
	for i, g := range v.Grad {
		square := math.Pow(u.Scale*float64(g), 2)
		sums[i/len(cols)] += square / float64(len(cols))
		sums[len(rows)+i%len(cols)] += square / float64(len(rows))
	}
	total := 0.0
	for i := range rows {
		rows[i] = float32(beta*float64(rows[i]) + (1-beta)*sums[i])
		total += float64(rows[i]) / float64(len(rows))
	}
	for i := range cols {
		cols[i] = float32(beta*float64(cols[i]) + (1-beta)*sums[len(rows)+i])
	}
	for i, g := range v.Grad {
		size := math.Sqrt(float64(rows[i/len(cols)]) * float64(cols[i%len(cols)]) / total)
		v.Weights[i] -= float32(u.LR * u.Scale * float64(g) / (size + r.eps))
	}
}

func init() {
	optim.Register("factored", func(c configs.Optim) optim.Rule { return factored{c.Eps} })
	optim.Register("broken", func(configs.Optim) optim.Rule { return stateless{} })
	optim.Register("misshapen", func(configs.Optim) optim.Rule { return misshapen{} })
}

type stateless struct{}

func (stateless) States([]int) []optim.State { return nil }

type misshapen struct{}

func (misshapen) States([]int) []optim.State      { return []optim.State{{Name: "x", Shape: []int{1}}} }
func (misshapen) Move(optim.Values, optim.Update) {}

// A rule of another package is chosen by its name. It needs whole tensors, and keeps tensors
// smaller than the parameter.
func ExampleRegister() {
	c, err := configs.Load("quickstart", "optim.opt=factored", "optim.lr=0.5")
	if err != nil {
		fmt.Println(err)
		return
	}
	w, b := ops.NewParam("w", 2, 2), ops.NewParam("b", 2)
	pool := kernels.NewPool(1)
	defer pool.Close()
	o, err := optim.New(c.Optim, []*ops.Param{w, b}, pool)
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(w.GradData(), []float32{1, 2, 2, 4})
	copy(b.GradData(), []float32{1, -1})
	o.Step(0.5, 1)
	for _, p := range []*ops.Param{w, b} {
		fmt.Printf("%s %.3f\n", p.Name, p.Data())
	}
	for _, t := range o.Tensors() {
		fmt.Println(t.Name, t.Shape)
	}
	// Output:
	// w [-0.707 -0.707 -0.707 -0.707]
	// b [-0.500 0.500]
	// optimizer.step []
	// optimizer.exp_avg_sq_row.w [2]
	// optimizer.exp_avg_sq_col.w [2]
}

// An impossible optimizer is an error that names it.
func TestNew(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	for _, c := range []struct{ opt, on, want string }{
		{"adam", "all", `optim.opt: want adamw or`},
		{"", "all", `got ""`},
		{"adamw", "some", `optim.weight_decay_on: there is no rule called "some"`},
		{"broken", "all", "neither an optim.ElementWise nor an optim.WholeTensor"},
		{"misshapen", "all", "needs the same shape"},
	} {
		_, err := optim.New(configs.Optim{
			Opt:           c.opt,
			WeightDecayOn: c.on,
			Betas:         []float64{0.9, 0.99},
		}, []*ops.Param{ops.NewParam("w", 2, 2)}, pool)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q on %q: %v, want %q", c.opt, c.on, err, c.want)
		}
	}
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "adamw") {
			t.Errorf("a name that is taken: %v", v)
		}
	}()
	optim.Register("adamw", nil)
}
