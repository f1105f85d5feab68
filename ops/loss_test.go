package ops

import (
	"math"
	"strings"
	"testing"

	"fasternet/internal/golden"
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Losses and their gradients equal PyTorch's: see scripts/golden_recipe.py.
func TestClassifierLoss(t *testing.T) {
	var ref struct {
		Rows, Classes            int
		Logits, Teacher, Targets []float32
		Losses                   map[string]struct {
			Loss float64
			Grad []float64
		}
	}
	golden.JSON(t, "recipe.json", &ref)
	kinds := []struct {
		name string
		loss Loss
	}{
		{"ce", Loss{}},
		{"bce", Loss{Binary: true}},
		{"bce threshold", Loss{Binary: true, Threshold: 0.2}},
		{"bce sum", Loss{Binary: true, SumClasses: true}},
		{"ce hard", Loss{Distill: HardDistill, Alpha: 0.3}},
		{"ce soft 1", Loss{Distill: SoftDistill, Alpha: 0.3, Tau: 1}},
		{"ce soft 3", Loss{Distill: SoftDistill, Alpha: 0.3, Tau: 3}},
		{"bce soft 3", Loss{Binary: true, Distill: SoftDistill, Alpha: 0.3, Tau: 3}},
	}
	if len(kinds) != len(ref.Losses) {
		t.Fatalf("%d kinds, values of %d", len(kinds), len(ref.Losses))
	}
	for _, c := range kinds {
		t.Run(c.name, func(t *testing.T) {
			name, want := c.name, ref.Losses[c.name]
			for _, v := range kernels.Available() {
				k, err := kernels.New(v, "")
				if err != nil {
					t.Fatal(err)
				}
				pool := k.NewPool(1)
				tape := NewTape(NewWorkspace(pool), true)
				// The logits are a parameter after a layer that does not change them.
				p, ones := NewParam("logits", ref.Classes, ref.Rows), make([]float32, ref.Rows*ref.Rows)
				for r := range ref.Rows {
					ones[r*ref.Rows+r] = 1
					for k := range ref.Classes {
						p.Data()[k*ref.Rows+r] = ref.Logits[r*ref.Classes+k]
					}
				}
				p.Changed()
				x := tape.Input("x", ref.Rows, ref.Rows)
				targets := tape.Input("targets", ref.Rows, ref.Classes)
				teacher := tape.Input("teacher", ref.Rows, ref.Classes)
				let := func(n *gorgonia.Node, data []float32) {
					if err := gorgonia.Let(
						n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(data)),
					); err != nil {
						t.Fatal(err)
					}
				}
				let(x, ones)
				let(targets, ref.Targets)
				let(teacher, ref.Teacher)
				logits, err := Linear(tape, "layer", x, p, nil)
				if err != nil {
					t.Fatal(err)
				}
				loss, err := ClassifierLoss(tape, logits, targets, teacher, c.loss)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := gorgonia.Grad(loss, tape.Param(p)); err != nil {
					t.Fatal(err)
				}
				if err := tape.Plan(); err != nil {
					t.Fatal(err)
				}
				if err := tape.Run(tape.NewMachine()); err != nil {
					t.Fatal(err)
				}
				if got := float64(tape.Value(loss)[0]); math.Abs(got-want.Loss) > 1e-6*want.Loss {
					t.Errorf("%s, %s: the loss is %v, want %v", name, v, got, want.Loss)
				}
				for i, w := range want.Grad {
					if got := float64(p.GradData()[i%ref.Classes*ref.Rows+i/ref.Classes]); math.Abs(got-w) > 1e-6 {
						t.Errorf("%s, %s: gradient %d is %v, want %v", name, v, i, got, w)
						break
					}
				}
				pool.Close()
			}
		})
	}
}

// Logits far from 0 do not overflow.
func TestExtremeLosses(t *testing.T) {
	m := func(v ...float32) kernels.Matrix { return kernels.NewMatrix(v, 1, len(v)) }
	grad := m(0, 0, 0)
	if l := kernels.BinaryCrossEntropy(grad, m(1e4, -1e4, 0), m(0, 1, 0), 0, 1); math.Abs(l-2e4-math.Ln2) > 1e-6 ||
		grad.Data[0] != 1 ||
		grad.Data[1] != -1 {
		t.Errorf("binary cross entropy %v, gradient %v", l, grad.Data)
	}
	clear(grad.Data)
	if l := kernels.Divergence(grad, m(1e4, -1e4, 0), m(-1e4, 1e4, 0), 1, 1); l != 2e4 ||
		grad.Data[0] != 1 ||
		grad.Data[1] != -1 {
		t.Errorf("divergence %v, gradient %v", l, grad.Data)
	}
}

func TestClassifierLossErrors(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	tape := NewTape(NewWorkspace(pool), true)
	x, y := tape.Input("x", 2, 3), tape.Input("y", 2, 4)
	for _, c := range []struct {
		want string
		f    func() error
	}{
		{"want matrices [batch, classes]", func() error {
			_, err := ClassifierLoss(tape, x, y, nil, Loss{Binary: true})
			return err
		}},
		{"distillation 7", func() error { _, err := ClassifierLoss(tape, x, x, x, Loss{Distill: 7}); return err }},
		{"distillation needs a teacher", func() error {
			_, err := ClassifierLoss(tape, x, x, nil, Loss{Distill: HardDistill})
			return err
		}},
		{"y (2, 4)", func() error { _, err := ClassifierLoss(tape, x, x, y, Loss{Distill: SoftDistill}); return err }},
	} {
		t.Run(c.want, func(t *testing.T) {
			if err := c.f(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
}
