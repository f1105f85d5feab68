package train

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The loss falls most steeply at a known learning rate.
func TestSuggestLR(t *testing.T) {
	var points []LRPoint
	for i := range 60 {
		lr := math.Pow(10, -6+float64(i)/10)
		points = append(points, LRPoint{LR: lr, Loss: 2 - math.Tanh(float64(i-35)/5) + max(0, float64(i-50))})
	}
	f, err := suggestLR(points)
	if err != nil || math.Abs(math.Log10(f.Suggestion)+2.5) > 1e-9 || math.Abs(math.Log10(f.Lowest)+1) > 0.6 {
		t.Errorf("%v at %v, lowest at %v", err, f.Suggestion, f.Lowest)
	}
	if _, err := suggestLR(points[:12]); err == nil || !strings.Contains(err.Error(), "--min") {
		t.Errorf("few points: %v", err)
	}
	for i := range points {
		points[i].Loss = 1 + float64(i)/100
	}
	if _, err := suggestLR(points); err == nil || !strings.Contains(err.Error(), "no learning rate from") {
		t.Errorf("a loss that rises: %v", err)
	}
}

// lossCurve returns losses for learning rates from 1e-6 to 1, with noise of some deviation. The loss starts at
// 2, falls by fall around 1e-3, and may explode at 0.1.
func lossCurve(steps int, fall, deviation float64, explodes bool, seed uint64) []LRPoint {
	r := rand.New(rand.NewPCG(seed, 7))
	var points []LRPoint
	for i := range steps {
		e := -6 + 6*float64(i)/float64(steps-1) // power of ten
		loss := 2 - fall/2*(1+math.Tanh((e+3)/0.5)) + deviation*r.NormFloat64()
		if explodes && e > -1 {
			loss += 50 * (e + 1) * (e + 1)
		}
		points = append(points, LRPoint{LR: math.Pow(10, e), Loss: loss})
	}
	return points
}

// With noise the suggestion stays where the loss falls, and never exceeds the rate of its minimum. Noise alone never
// counts as a fall.
func TestSuggestLRWithNoise(t *testing.T) {
	wrong := 0
	for seed := range uint64(500) {
		steps := []int{24, 60, 100, 400}[seed%4]
		f, err := suggestLR(lossCurve(steps, 1, 0.1, seed%3 > 0, seed))
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		if e := math.Log10(f.Suggestion); e < -4 || e > -2 || f.Suggestion > f.Lowest || f.Lowest > 0.2 && seed%3 > 0 {
			t.Errorf("seed %d: suggestion %.3g, lowest %.3g", seed, f.Suggestion, f.Lowest)
		}
		if steps >= 60 && math.Abs(f.Noise-0.1) > 0.07 || math.Abs(f.Fall-1) > 0.3 {
			t.Errorf("seed %d: a noise of %.3g, a fall of %.3g", seed, f.Noise, f.Fall)
		}
		_, err = suggestLR(lossCurve(steps, 0, 0.1, seed%3 > 0, seed))
		if err == nil {
			wrong++
		} else if !strings.Contains(err.Error(), "no learning rate from 1e-06 to 1 stands out: the loss ") {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if wrong > 2 {
		t.Errorf("noise alone is taken for a fall in %d of 500 searches", wrong)
	}
}

// A fall above the noise, but tiny compared with the loss, comes from random labels: the classifier learns how
// frequent each class is.
func TestSuggestLRWithRandomLabels(t *testing.T) {
	for seed := range uint64(20) {
		_, err := suggestLR(lossCurve(100, 0.01, 0.001, true, seed))
		if err == nil || !strings.Contains(err.Error(), "no learning rate from") {
			t.Errorf("seed %d, a fall of half a percent: %v", seed, err)
		}
		if _, err = suggestLR(lossCurve(100, 0.06, 0.001, true, seed)); err != nil {
			t.Errorf("seed %d, a fall of 3 %%: %v", seed, err)
		}
	}
}

// The axis of the drawing fits the curve, not the explosion after it. A search without a result is drawn too.
func TestDrawFinding(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []LRPoint
		want   string
	}{
		{"explosion", lossCurve(100, 1, 0.05, true, 1), "Suggested learning rate"},
		{"noise", lossCurve(100, 0, 0.05, true, 1), "No learning rate found"},
		{"no explosion", lossCurve(100, 1, 0.05, false, 1), "Suggested learning rate"},
	} {
		f, _ := suggestLR(c.points)
		path := filepath.Join(t.TempDir(), "lr.svg")
		if err := f.Draw(path); err != nil {
			t.Fatal(err)
		}
		svg, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(svg), c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, svg)
		}
		for _, m := range regexp.MustCompile(`>(\d+)<`).FindAllStringSubmatch(string(svg), -1) { // axis labels
			if v, _ := strconv.Atoi(m[1]); v > 4 {
				t.Errorf("%s: the axis goes up to %d", c.name, v)
			}
		}
	}
}

// A search over more than one epoch ends where the loss explodes, finds the same twice, and draws it.
func TestFindLR(t *testing.T) {
	c := load(t, stripes(t, 192, 10), "optim.opt=momentum", "train.accum_steps=2")
	o := DefaultFind()
	o.Min, o.Max, o.Steps, o.Log = 1e-3, 1e6, 120, io.Discard
	a, err := FindLR(context.Background(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := FindLR(context.Background(), c, o)
	if err != nil || a.Suggestion != b.Suggestion || a.Points[7] != b.Points[7] {
		t.Errorf("%v, %v and %v", err, a.Suggestion, b.Suggestion)
	}
	if a.Suggestion < 1e-3 || a.Suggestion >= a.Lowest || a.Lowest > 10 || a.Steps == 120 || a.Steps < 14 {
		t.Errorf("suggestion %v of %d steps", a.Suggestion, a.Steps)
	}
	path := filepath.Join(t.TempDir(), "lr.svg")
	if err := a.Draw(path); err != nil {
		t.Fatal(err)
	}
	if svg, err := os.ReadFile(path); err != nil || !strings.Contains(string(svg), "Suggested learning rate") {
		t.Errorf("the drawing: %v", err)
	}
	o.Steps = 3
	if _, err := FindLR(context.Background(), c, o); err == nil {
		t.Error("3 steps are accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o.Steps = 120
	if _, err := FindLR(ctx, c, o); err == nil {
		t.Error("an interrupt is not noticed")
	}
}

func TestDrawSchedule(t *testing.T) {
	c := load(t, "none", "sched.form=multistep", "sched.milestones=[1, 2]", "data.multi_scale=24_1")
	plan := Plan(c, 7)
	if len(plan) != 3 || plan[0].ImageSize != 24 || plan[2].ImageSize != 32 || plan[1].First <= plan[2].First {
		t.Errorf("plan %+v", plan)
	}
	path := filepath.Join(t.TempDir(), "schedule.svg")
	if err := DrawSchedule(path, c, 7); err != nil {
		t.Fatal(err)
	}
	if svg, err := os.ReadFile(path); err != nil || !strings.Contains(string(svg), "multistep") {
		t.Errorf("the drawing: %v", err)
	}
	if err := DrawSchedule(filepath.Join(path, "x.svg"), c, 7); err == nil {
		t.Error("a file in no folder is drawn")
	}
}
