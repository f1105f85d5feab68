package train

import (
	"math"
	"testing"

	"fasternet/configs"
)

// The forms that fall in other ways than by a cosine, with warm-up and cool-down.
func TestOtherSchedules(t *testing.T) {
	base := configs.Sched{WarmupEpochs: 2, WarmupLR: 0.1, MinLR: 0.01, CooldownEpochs: 2, DecayEpochs: 4, DecayRate: 0.5, Milestones: []int{3, 7, 8}, Power: 2}
	for _, c := range []struct {
		form              string
		onUpdates, prefix bool
		epoch, step       int
		want              float64
	}{
		{"linear", false, false, 0, 9, 0.1}, {"linear", false, false, 1, 0, 0.55}, {"linear", false, false, 5, 9, 0.01 + 0.99*0.5},
		{"linear", true, false, 5, 5, 0.01 + 0.99*0.45}, {"linear", true, true, 6, 0, 0.01 + 0.99*0.5}, {"linear", false, false, 10, 0, 0.01}, {"linear", false, false, 11, 9, 0.01},
		{"poly", false, false, 5, 0, 0.01 + 0.99*0.25}, {"poly", false, true, 8, 0, 0.01 + 0.99/16},
		{"step", false, false, 3, 9, 1}, {"step", false, false, 4, 0, 0.5}, {"step", false, false, 8, 0, 0.25}, {"step", false, true, 5, 9, 1}, {"step", false, true, 6, 0, 0.5},
		{"multistep", false, false, 2, 9, 1}, {"multistep", false, false, 3, 0, 0.5}, {"multistep", false, false, 7, 0, 0.25}, {"multistep", false, false, 9, 0, 0.125},
		{"constant", false, false, 1, 0, 0.55}, {"constant", false, false, 9, 9, 1}, {"constant", false, false, 10, 0, 0.01},
	} {
		s := Schedule{Sched: base, LR: 1, Epochs: 12, Steps: 10}
		s.Form, s.OnUpdates, s.WarmupPrefix = c.form, c.onUpdates, c.prefix
		if got := s.At(c.epoch, c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v: %v", c, got)
		}
	}
	low := Schedule{Sched: configs.Sched{Form: "step", DecayEpochs: 1, DecayRate: 0.1, MinLR: 1e-3}, LR: 1, Epochs: 20, Steps: 1}
	if got := low.At(10, 0); got != 1e-3 {
		t.Errorf("after many decays %v, want min_lr", got)
	}
	// A cool-down shortens the cosine of every form.
	for _, form := range []string{"fasternet", "localmim", "timm"} {
		s := Schedule{Sched: configs.Sched{Form: form, CooldownEpochs: 2, MinLR: 0.1}, LR: 1, Epochs: 12, Steps: 10}
		if mid, last := s.At(5, 0), s.At(10, 0); math.Abs(mid-0.55) > 1e-12 || last != 0.1 {
			t.Errorf("%s: %v in the middle, %v at the end", form, mid, last)
		}
	}
}
