package probe

import (
	"math"
	"math/rand/v2"
	"testing"

	"fasternet/kernels"
)

// random is a set of images without any sense.
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

// lossOf is the loss of a batch as it is defined, in float64; the moments are
// those of the batch if mean is nil.
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

// Loss, gradients by central differences, running moments and evaluation.
func TestGradients(t *testing.T) {
	for _, c := range []struct{ images, batch, width, classes int }{{200, 150, 70, 5}, {9, 9, 3, 40}, {70, 65, 64, 2}} {
		s := random(c.images, c.width, c.classes)
		rows := rand.New(rand.NewPCG(3, 4)).Perm(c.images)[:c.batch]
		pool := kernels.NewPool(2)
		defer pool.Close()
		h := newHead(c.width, c.classes, 5)
		kernels.Scale(h.Weight, 30) // far from uniform answers
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
			if math.Abs(float64(h.Mean[i])-0.1*mean[i]) > 1e-4 || math.Abs(float64(h.Var[i])-0.9-0.1*unbiased) > 1e-4*unbiased {
				t.Errorf("%+v: running moments of feature %d are %v and %v, want %v and %v", c, i, h.Mean[i], h.Var[i], 0.1*mean[i], 0.9+0.1*unbiased)
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

func TestOptimizers(t *testing.T) {
	near := func(name string, got []float32, want ...float64) {
		t.Helper()
		for i, v := range got {
			if math.Abs(float64(v)-want[i]) > 1e-6 {
				t.Errorf("%s: got %v, want %v", name, got, want)
				return
			}
		}
	}
	p, g := []float32{3, 4}, []float32{0, 0.5}
	sgd := optimizer{velocity: map[*float32][]float32{}}
	sgd.step(p, g, 2, 0.1)
	near("sgd", p, 3, 3.95)
	sgd.step(p, g, 2, 0.1)
	near("sgd, again", p, 3, 3.95-0.1*0.95)

	// ‖p‖ = 5, ‖g‖ = 0.5: the step is 0.001·5/0.5 of the gradient.
	p = []float32{3, 4}
	lars := optimizer{lars: true, velocity: map[*float32][]float32{}}
	lars.step(p, g, 2, 10)
	near("lars", p, 3, 4-10*0.01*0.5)
	q := 0.001 * math.Hypot(3, 3.95) / 0.5
	lars.step(p, g, 2, 10)
	near("lars, again", p, 3, 3.95-10*(0.9*0.005+q*0.5))
	p = []float32{3, 4}
	lars.step(p, g, 1, 0.1)
	bias := optimizer{lars: true, velocity: map[*float32][]float32{}}
	p = []float32{3, 4}
	bias.step(p, g, 1, 0.1)
	near("lars on a bias", p, 3, 3.95)
	p = []float32{0, 0}
	zero := optimizer{lars: true, velocity: map[*float32][]float32{}}
	zero.step(p, g, 2, 0.1)
	near("lars on zeros", p, 0, -0.05)
}
