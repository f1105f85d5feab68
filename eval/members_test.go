package eval_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/graph"
	"fasternet/kernels"
)

func member(t *testing.T, pool *kernels.Pool, ds data.Dataset, weights ...float32) eval.Member {
	t.Helper()
	return eval.Member{Runner: graph.NewRunner(newLinear(weights...), pool), Data: ds, Transform: transform()}
}

func together(t *testing.T, mean bool, o eval.Options, members ...eval.Member) *eval.Together {
	t.Helper()
	o.Batch, o.Workers, o.KeepLogits = 4, 1, 1000
	r, err := eval.ExamineMembers(t.Context(), members, o, mean)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An ensemble gives the mean of the probabilities. Each member gets the same figures as alone.
func TestEnsemble(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	ds := shades(10)
	weights := [][]float32{{3, 0, -1}, {-2, 4, 1}, {0, 0, 5}}
	var members []eval.Member
	for _, w := range weights {
		members = append(members, member(t, pool, ds, w...))
	}
	got := together(t, true, eval.Options{}, members...)
	var loss float64
	right := 0
	for i := range 10 {
		mean := make([]float64, 3)
		for _, w := range weights {
			sum := 0.0
			p := make([]float64, 3)
			for k := range p {
				p[k] = math.Exp(float64(w[k]) * float64(10*i) / 255)
				sum += p[k]
			}
			for k := range p {
				mean[k] += p[k] / sum / 3
			}
		}
		loss -= math.Log(mean[i%3]) / 10
		best := true
		for k := range mean {
			best = best && (mean[k] < mean[i%3] || k >= i%3 && mean[k] <= mean[i%3])
		}
		if best {
			right++
		}
	}
	if math.Abs(got.Whole.Loss-loss) > 1e-6 || math.Abs(got.Whole.Top1-float64(10*right)) > 1e-9 {
		t.Errorf("loss %v, top-1 %v; want %v, %d", got.Whole.Loss, got.Whole.Top1, loss, 10*right)
	}
	for i, m := range members {
		alone, err := eval.Examine(t.Context(), m.Runner, ds, m.Transform, eval.Options{Batch: 4})
		if err != nil || alone.Result != got.Members[i].Result {
			t.Errorf("model %d: %+v, alone %+v, %v", i, got.Members[i].Result, alone, err)
		}
	}
	// A model together with itself gives the same as alone, except for rounding.
	twice := together(t, true, eval.Options{}, members[0], members[0])
	if twice.Whole.Top1 != got.Members[0].Top1 || math.Abs(twice.Whole.Loss-got.Members[0].Loss) > 1e-6 {
		t.Errorf("twice the same model: %+v, want %+v", twice.Whole.Result, got.Members[0].Result)
	}
	// The temperature changes only the mean.
	hot := together(t, true, eval.Options{Temperature: 10}, members...)
	if hot.Members[0].Loss != got.Members[0].Loss ||
		hot.Whole.Top1 != got.Whole.Top1 ||
		hot.Whole.Loss == got.Whole.Loss {
		t.Errorf("with a temperature: %+v, %+v", hot.Members[0].Result, hot.Whole.Result)
	}
}

// Views of an image that all look the same change nothing, whatever the batch.
func TestViewsOfShades(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	m := member(t, pool, shades(11), 0.5, 2, 1)
	want := together(t, false, eval.Options{}, m)
	for _, kind := range []data.TTA{data.Flip, data.FiveCrop, data.TenCrop} {
		v, err := data.NewViews(transform(), kind)
		if err != nil {
			t.Fatal(err)
		}
		m.Transform = v
		got := together(t, false, eval.Options{}, m)
		if got.Whole.Count != 11 ||
			got.Whole.Top1 != want.Whole.Top1 ||
			math.Abs(got.Whole.Loss-want.Whole.Loss) > 1e-6 {
			t.Errorf("%s: %+v, want %+v", kind, got.Whole.Result, want.Whole.Result)
		}
	}
}

// A sample that one member cannot read is left out for all, and McNemar counts the images.
func TestMembersWithBadImages(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	o := eval.Options{SkipBad: true}
	got := together(t, false, o, member(t, pool, shades(23), 1, 0, 0), member(t, pool, spoilt{23}, 0, 1, 0))
	for i, m := range got.Members {
		if m.Count != 19 || len(m.Skipped) != 4 || m.Skipped[0].Name != "image 3" {
			t.Errorf("model %d: %d images, without %v", i, m.Count, m.Skipped)
		}
	}
	n, err := got.McNemar(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, b := 0, 0 // image 0 is black: both answer the first class
	for i := range 23 {
		switch {
		case i%5 == 3:
		case i == 0:
		case i%3 == 0:
			a++
		case i%3 == 1:
			b++
		}
	}
	if n.OnlyA != a || n.OnlyB != b || n.Both != 1 || n.Images != 19 {
		t.Errorf("%+v, want %d and %d", n, a, b)
	}
	d, err := metrics.DifferenceOf(got.Members[0].Collected(), got.Members[1].Collected(), 200, 1)
	want := 100 * float64(b-a) / 19
	if err != nil || math.Abs(d.Top1-want) > 1e-9 || d.Interval[0] > want || d.Interval[1] < want {
		t.Errorf("%+v, %v; want %v", d, err, want)
	}
}

// narrow is a model of two classes.
type narrow struct{ *linear }

func (narrow) Classes() int { return 2 }

func TestMembersThatDoNotFit(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	a := member(t, pool, shades(3), 1, 0, 0)
	b := a
	b.Runner = graph.NewRunner(narrow{newLinear(1, 0, 0)}, pool)
	c := a
	c.Data = shades(4)
	for _, x := range []struct {
		name, want string
		members    []eval.Member
	}{
		{"none", "no model to evaluate", nil},
		{"classes", "need the same classes, but have 3 and 2", []eval.Member{a, b}},
		{"images", "have 3 and 4 samples", []eval.Member{a, c}},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := eval.ExamineMembers(t.Context(), x.members, eval.Options{Batch: 2}, false)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v, want %q", err, x.want)
			}
		})
	}
}

// mislabelled has a label that is not a class of the model.
type mislabelled struct {
	shades
	label int
}

func (mislabelled) Classes() []string { return make([]string, 9) }
func (m mislabelled) Label(i int) int {
	if i == 2 {
		return m.label
	}
	return 0
}

func TestLabelsOutOfRange(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	for _, label := range []int{3, 8} {
		_, err := eval.Examine(t.Context(), graph.NewRunner(newLinear(1, 0, 0), pool), mislabelled{4, label},
			transform(), eval.Options{Batch: 2})
		want := fmt.Sprintf("image 2: label %d, but the model has 3 classes", label)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
