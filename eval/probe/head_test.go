package probe

import (
	"math"
	"math/rand/v2"
	"testing"

	"fasternet/kernels"
)

// random returns a set of random images with random labels.
func random(images, width, classes int) *Set {
	r := rand.New(rand.NewPCG(1, 2))
	s := &Set{Width: width, Classes: make([]string, classes)}
	for range images {
		s.Labels = append(s.Labels, r.IntN(classes))
		for j := range width {
			s.Values = append(s.Values, float32(r.NormFloat64()*float64(j+1)+10))
		}
	}
	return s
}

// lossOf computes the loss of a batch by its definition, in float64. If mean is nil, it takes
// the moments of the batch.
func lossOf(h *Head, s *Set, rows []int, mean, variance []float64) float64 {
	if mean == nil {
		mean, variance = moments(s, rows)
	}
	var loss float64
	for _, i := range rows {
		logits, sum := make([]float64, len(h.Bias)), 0.0
		for k := range logits {
			logits[k] = float64(h.Bias[k])
			for c := range mean {
				x := (float64(s.Values[i*s.Width+c]) - mean[c]) / math.Sqrt(variance[c]+1e-6)
				logits[k] += float64(h.Weight[k*s.Width+c]) * x
			}
			sum += math.Exp(logits[k])
		}
		loss += math.Log(sum) - logits[s.Labels[i]]
	}
	return loss / float64(len(rows))
}

func moments(s *Set, rows []int) (mean, variance []float64) {
	mean, variance = make([]float64, s.Width), make([]float64, s.Width)
	n := float64(len(rows))
	for c := range mean {
		for _, i := range rows {
			mean[c] += float64(s.Values[i*s.Width+c]) / n
		}
		for _, i := range rows {
			d := float64(s.Values[i*s.Width+c]) - mean[c]
			variance[c] += d * d / n
		}
	}
	return mean, variance
}

// Checks the loss, the gradients by central differences, the running moments and the evaluation.
func TestGradients(t *testing.T) {
	for _, c := range []struct{ images, batch, width, classes int }{{200, 150, 70, 5}, {9, 9, 3, 40}, {70, 65, 64, 2}} {
		s := random(c.images, c.width, c.classes)
		rows := rand.New(rand.NewPCG(3, 4)).Perm(c.images)[:c.batch]
		pool := kernels.NewPool(2)
		defer pool.Close()
		h := newHead(c.width, c.classes, 5)
		kernels.Scale(h.Weight, 30) // so that the answers are far from uniform
		for k := range h.Bias {
			h.Bias[k] = float32(k) / 10
		}
		m := newMachine(h, pool, c.batch)
		loss := m.gradients(s, rows)
		if want := lossOf(h, s, rows, nil, nil); math.Abs(loss-want) > 1e-5*want {
			t.Errorf("%+v: loss %v, want %v", c, loss, want)
		}
		mean, variance := moments(s, rows)
		check := func(name string, p *float32, got float32) {
			t.Helper()
			const step = 1e-2
			was := *p
			*p = was + step
			up, above := float64(*p), lossOf(h, s, rows, mean, variance)
			*p = was - step
			down, below := float64(*p), lossOf(h, s, rows, mean, variance)
			*p = was
			if want := (above - below) / (up - down); math.Abs(float64(got)-want) > 1e-4*(1+math.Abs(want)) {
				t.Errorf("%+v: gradient of %s is %v, want %v", c, name, got, want)
			}
		}
		for k := range h.Bias {
			check("a bias", &h.Bias[k], m.gBias[k])
		}
		for i := 0; i < len(h.Weight); i += 1 + len(h.Weight)/40 {
			check("a weight", &h.Weight[i], m.gWeight[i])
		}
		n := float64(c.batch)
		for i := range mean {
			unbiased := variance[i] * n / (n - 1)
			if math.Abs(float64(h.Mean[i])-0.1*mean[i]) > 1e-4 ||
				math.Abs(float64(h.Var[i])-0.9-0.1*unbiased) > 1e-4*unbiased {
				t.Errorf("%+v: running moments of feature %d are %v and %v, want %v and %v",
					c, i, h.Mean[i], h.Var[i], 0.1*mean[i], 0.9+0.1*unbiased)
			}
		}
		all := make([]int, c.images)
		for i := range all {
			all[i] = i
		}
		for i := range mean {
			mean[i], variance[i] = float64(h.Mean[i]), float64(h.Var[i])
		}
		got, want := m.measure(s), lossOf(h, s, all, mean, variance)
		if math.Abs(got.Loss-want) > 1e-4*want || got.Count != c.images {
			t.Errorf("%+v: evaluation says %+v, want loss %v", c, got, want)
		}
		if c.classes <= 5 && got.Top5 != 100 {
			t.Errorf("%+v: top-5 %v", c, got.Top5)
		}
	}
}

// The steps of both optimizers, with a momentum of 0.9 and no weight decay.
func TestOptimizers(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	// ‖weights‖ = 5, ‖gradient‖ = 0.5: the first step of LARS is 0.001·5/0.5 of the gradient.
	q := 0.001 * math.Hypot(3, 3.95) / 0.5
	for _, c := range []struct {
		name, optimizer string
		start           float32 // factor of the weights
		rate            float64
		weights, biases [2]float64 // the second value after each step
	}{
		{"sgd", SGD, 1, 0.1, [2]float64{3.95, 3.95 - 0.1*0.95}, [2]float64{3.95, 3.95 - 0.1*0.95}},
		{"lars", LARS, 1, 10, [2]float64{3.95, 3.95 - 10*(0.9*0.005+q*0.5)}, [2]float64{-1, -1 - 10*0.95}},
		{"lars on zeros", LARS, 0, 0.1, [2]float64{-0.05, -0.05 - 0.1*(0.9*0.5+0.001*0.05/0.5*0.5)},
			[2]float64{-0.05, -0.05 - 0.1*0.95}},
	} {
		h := &Head{Mean: make([]float32, 2), Weight: []float32{3 * c.start, 4 * c.start}, Bias: []float32{4 * c.start}}
		m := newMachine(h, pool, 2)
		o, err := LinearOptions{Optimizer: c.optimizer}.optimizer(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			m.gWeight[0], m.gWeight[1], m.gBias[0] = 0, 0.5, 0.5
			o.Step(c.rate, 1)
			if got := float64(h.Weight[1]); math.Abs(got-c.weights[i]) > 1e-6 {
				t.Errorf("%s: after step %d the weight is %v, want %v", c.name, i+1, got, c.weights[i])
			}
			if got := float64(h.Bias[0]); math.Abs(got-c.biases[i]) > 1e-5 {
				t.Errorf("%s: after step %d the bias is %v, want %v", c.name, i+1, got, c.biases[i])
			}
		}
	}
}
