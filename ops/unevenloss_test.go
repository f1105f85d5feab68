package ops

import (
	"math"
	"strings"
	"testing"

	"fasternet/internal/golden"
	"fasternet/internal/rng"
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// lossOf runs a loss on logits and targets [rows, classes], and returns it with the gradient of
// the logits.
func lossOf(t *testing.T, l Loss, rows, classes int, logits, targets []float32) (loss float64, grad []float64) {
	t.Helper()
	pool := kernels.NewPool(1)
	defer pool.Close()
	tape := NewTape(NewWorkspace(pool), true)
	// The logits are a parameter after a layer that does not change them.
	p, ones := NewParam("logits", classes, rows), make([]float32, rows*rows)
	for r := range rows {
		ones[r*rows+r] = 1
		for k := range classes {
			p.Data()[k*rows+r] = logits[r*classes+k]
		}
	}
	p.Changed()
	x, y := tape.Input("x", rows, rows), tape.Input("targets", rows, classes)
	for n, values := range map[*gorgonia.Node][]float32{x: ones, y: targets} {
		if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(values))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := Linear(tape, "layer", x, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	node, err := ClassifierLoss(tape, out, y, nil, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gorgonia.Grad(node, tape.Param(p)); err != nil {
		t.Fatal(err)
	}
	if err := tape.Plan(); err != nil {
		t.Fatal(err)
	}
	if err := tape.Run(tape.NewMachine()); err != nil {
		t.Fatal(err)
	}
	for r := range rows {
		for k := range classes {
			grad = append(grad, float64(p.GradData()[k*rows+r]))
		}
	}
	return float64(tape.Value(node)[0]), grad
}

// Losses for uneven and multi-label data equal PyTorch's, torchvision's and timm's, or the formulas
// of their papers: see scripts/golden_uneven_losses.py.
func TestUnevenLosses(t *testing.T) {
	var ref struct {
		Rows, Classes          int
		Logits, Weights, Prior []float32
		Losses                 []struct {
			Name    string
			Targets []float32
			Loss    float64
			Grad    []float64
		}
	}
	golden.JSON(t, "uneven_losses.json", &ref)
	adjust := func(tau float64) []float32 {
		out := make([]float32, len(ref.Prior))
		for k, p := range ref.Prior {
			out[k] = float32(tau * math.Log(float64(p)))
		}
		return out
	}
	kinds := map[string]Loss{
		"ce weights":                  {Weights: ref.Weights},
		"ce weights, smooth":          {Weights: ref.Weights},
		"focal":                       {Gamma: 2},
		"focal 0.5, mixed, weights":   {Gamma: 0.5, Weights: ref.Weights},
		"logit adjustment":            {Adjustment: adjust(1)},
		"logit adjustment 1.5, mixed": {Adjustment: adjust(1.5)},
		"bce weights":                 {Binary: true, Weights: ref.Weights},
		"bce weights, mixed":          {Binary: true, Weights: ref.Weights},
		"sigmoid focal":               {Binary: true, Gamma: 2, GammaNeg: 2},
		"sigmoid focal, alpha 0.25":   {Binary: true, Gamma: 2, GammaNeg: 2, Balance: 0.25},
		"sigmoid focal, mixed":        {Binary: true, Gamma: 2, GammaNeg: 2},
		"asl":                         {Binary: true, GammaNeg: 4, Clip: 0.05},
		"asl 2 1, no clip":            {Binary: true, GammaNeg: 2, Gamma: 1},
		"asl 0 0":                     {Binary: true, Clip: 0.2},
		"asl, mixed":                  {Binary: true, GammaNeg: 4, Gamma: 1, Clip: 0.05},
	}
	if len(kinds) != len(ref.Losses) {
		t.Fatalf("%d kinds, values of %d", len(kinds), len(ref.Losses))
	}
	for _, want := range ref.Losses {
		t.Run(want.Name, func(t *testing.T) {
			kind, ok := kinds[want.Name]
			if !ok {
				t.Fatal("no loss of that name")
			}
			loss, grad := lossOf(t, kind, ref.Rows, ref.Classes, ref.Logits, want.Targets)
			if math.Abs(loss-want.Loss) > 1e-6*want.Loss {
				t.Errorf("the loss is %v, want %v", loss, want.Loss)
			}
			for i, w := range want.Grad {
				if math.Abs(grad[i]-w) > 1e-6*max(1, math.Abs(w)) {
					t.Errorf("gradient %d is %v, want %v", i, grad[i], w)
				}
			}
		})
	}
}

// Gradients are the slopes of the losses, also for soft targets and logits of all sizes.
func TestSlopesOfUnevenLosses(t *testing.T) {
	const rows, classes = 3, 7
	r := rng.New(1, "test")
	draw := func(scale float64) kernels.Matrix {
		v := make([]float32, rows*classes)
		for i := range v {
			v[i] = float32(math.Round(r.NormFloat64()*scale*256) / 256)
		}
		return kernels.NewMatrix(v, rows, classes)
	}
	weights := []float32{1, 0, 3, 0.1, 1, 2, 7}
	adjustment := []float32{0, -1, -2.5, -4, 0.5, -1, -1}
	for _, c := range []struct {
		name string
		loss func(grad, x, y kernels.Matrix) float64
	}{
		{"cross entropy with weights", func(g, x, y kernels.Matrix) float64 {
			return kernels.FocalCrossEntropy(g, x, y, kernels.Focal{Weights: weights}, 1)
		}},
		{"focal", func(g, x, y kernels.Matrix) float64 {
			return kernels.FocalCrossEntropy(g, x, y, kernels.Focal{
				Weights:    weights,
				Gamma:      1.5,
				Adjustment: adjustment,
			}, 1)
		}},
		{"sigmoid focal", func(g, x, y kernels.Matrix) float64 {
			return kernels.AsymmetricCrossEntropy(g, x, y, kernels.Asymmetric{
				Weights:  weights,
				GammaPos: 2,
				GammaNeg: 2,
				Balance:  0.3,
			}, 1)
		}},
		{"asymmetric", func(g, x, y kernels.Matrix) float64 {
			return kernels.AsymmetricCrossEntropy(g, x, y, kernels.Asymmetric{
				Weights:  weights,
				GammaPos: 0.5,
				GammaNeg: 4,
				Clip:     0.05,
			}, 1)
		}},
		{"asymmetric, threshold", func(g, x, y kernels.Matrix) float64 {
			return kernels.AsymmetricCrossEntropy(g, x, y, kernels.Asymmetric{
				GammaNeg:  1,
				Clip:      0.1,
				Threshold: 0.4,
			}, 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, scale := range []float64{0.5, 4} {
				x, y := draw(scale), draw(1)
				for i, v := range y.Data {
					y.Data[i] = float32(math.Min(1, math.Abs(float64(v))))
				}
				grad, none := draw(1), draw(1)
				c.loss(grad, x, y)
				slope := func(i int, h float32) float64 {
					at := x.Data[i]
					x.Data[i] = at + h
					up := c.loss(none, x, y)
					x.Data[i] = at - h
					down := c.loss(none, x, y)
					x.Data[i] = at
					return (up - down) / (2 * float64(h))
				}
				for i := range x.Data {
					want := (4*slope(i, 1.0/256) - slope(i, 1.0/128)) / 3
					if got := float64(grad.Data[i]); math.Abs(got-want) > 1e-5*max(1, math.Abs(want)) {
						t.Errorf("scale %v: gradient %d is %v, the slope %v (logit %v)", scale, i, got, want, x.Data[i])
					}
				}
			}
		})
	}
}

// Logits far from 0 do not overflow, and a NaN stays visible.
func TestExtremeUnevenLosses(t *testing.T) {
	m := func(v ...float32) kernels.Matrix { return kernels.NewMatrix(v, 1, len(v)) }
	x, y := m(1e4, -1e4, 0), m(0, 1, 0)
	for _, gamma := range []float64{0, 0.5, 2} {
		grad := m(7, 7, 7)
		for name, l := range map[string]float64{
			"softmax": kernels.FocalCrossEntropy(grad, x, y, kernels.Focal{Gamma: gamma}, 1) / 2,
			"asymmetric": kernels.AsymmetricCrossEntropy(grad, m(1e4, -1e4, -1e4), y, kernels.Asymmetric{
				GammaPos: gamma,
				GammaNeg: gamma,
			}, 1) / 2,
		} {
			if l != 1e4 || grad.Data[0] != 1 || grad.Data[1] != -1 {
				t.Errorf("%s, gamma %v: loss %v, gradient %v", name, gamma, l, grad.Data)
			}
		}
		l := kernels.AsymmetricCrossEntropy(grad, m(1e4, -1e4, 0), y, kernels.Asymmetric{
			GammaNeg: gamma,
			Clip:     0.05,
		}, 1)
		for _, v := range append(grad.Data, float32(l)) {
			if v-v != 0 {
				t.Errorf("gamma %v: loss %v, gradient %v", gamma, l, grad.Data)
			}
		}
		nan := float32(math.NaN())
		for name, l := range map[string]float64{
			"softmax": kernels.FocalCrossEntropy(grad, m(nan, 0, 0), y, kernels.Focal{Gamma: gamma}, 1),
			"asymmetric": kernels.AsymmetricCrossEntropy(grad, m(nan, 0, 0), y, kernels.Asymmetric{
				GammaNeg: gamma,
				Clip:     0.05,
			}, 1),
		} {
			if !math.IsNaN(l) || grad.Data[0] == grad.Data[0] {
				t.Errorf("%s, gamma %v: loss %v, gradient %v of logits with a NaN", name, gamma, l, grad.Data)
			}
		}
	}
}

func TestUnevenLossErrors(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	tape := NewTape(NewWorkspace(pool), true)
	x := tape.Input("x", 2, 3)
	for _, c := range []struct {
		want string
		loss Loss
	}{
		{"2 weights for 3 classes", Loss{Weights: []float32{1, 2}}},
		{"an adjustment of 4 logits for 3 classes", Loss{Adjustment: make([]float32, 4)}},
		{"not under binary cross entropy", Loss{Binary: true, Adjustment: make([]float32, 3)}},
		{"softmax has no negative targets", Loss{Clip: 0.1}},
	} {
		t.Run(c.want, func(t *testing.T) {
			if _, err := ClassifierLoss(tape, x, x, nil, c.loss); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
}
