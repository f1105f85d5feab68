package train

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A loss that falls most steeply at a known learning rate.
func TestSuggestLR(t *testing.T) {
	var points []LRPoint
	for i := range 60 {
		lr := math.Pow(10, -6+float64(i)/10)
		points = append(points, LRPoint{lr, 2 - math.Tanh(float64(i-35)/5) + max(0, float64(i-50))})
	}
	f, err := suggestLR(points)
	if err != nil || math.Abs(math.Log10(f.Suggestion)+2.5) > 1e-9 || math.Abs(math.Log10(f.Lowest)+1) > 1e-9 {
		t.Errorf("%v at %v, lowest at %v", err, f.Suggestion, f.Lowest)
	}
	if _, err := suggestLR(points[:12]); err == nil || !strings.Contains(err.Error(), "--min") {
		t.Errorf("few points: %v", err)
	}
	for i := range points {
		points[i].Loss = float64(i)
	}
	if _, err := suggestLR(points); err == nil || !strings.Contains(err.Error(), "falls at no") {
		t.Errorf("a loss that rises: %v", err)
	}
}

// The search over more steps than an epoch has ends where the loss explodes, finds
// the same twice, and draws it.
func TestFindLR(t *testing.T) {
	c := load(t, stripes(t, 96, 10), "optim.opt=momentum", "train.accum_steps=2")
	o := DefaultFind()
	o.Min, o.Max, o.Steps, o.Log = 1e-5, 1e6, 40, io.Discard
	a, err := FindLR(context.Background(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := FindLR(context.Background(), c, o)
	if err != nil || a.Suggestion != b.Suggestion || a.Points[7] != b.Points[7] {
		t.Errorf("%v, %v and %v", err, a.Suggestion, b.Suggestion)
	}
	if a.Suggestion < 1e-4 || a.Suggestion > 10 || a.Steps == 40 || a.Steps < 14 {
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
	o.Steps = 40
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
