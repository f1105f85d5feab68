package optim

import (
	"math"
	"testing"

	"fasternet/configs"
	"fasternet/internal/golden"
)

// The forms that do not fall by a cosine, with warm-up and cool-down.
func TestOtherSchedules(t *testing.T) {
	base := configs.Sched{
		WarmupEpochs:   2,
		WarmupLR:       0.1,
		MinLR:          0.01,
		CooldownEpochs: 2,
		DecayEpochs:    4,
		DecayRate:      0.5,
		Milestones:     []int{3, 7, 8},
		Power:          2,
	}
	for _, c := range []struct {
		form              string
		onUpdates, prefix bool
		epoch, step       int
		want              float64
	}{
		{"linear", false, false, 0, 9, 0.1},
		{"linear", false, false, 1, 0, 0.55},
		{"linear", false, false, 5, 9, 0.01 + 0.99*0.5},
		{"linear", true, false, 5, 5, 0.01 + 0.99*0.45},
		{"linear", true, true, 6, 0, 0.01 + 0.99*0.5},
		{"linear", false, false, 10, 0, 0.01},
		{"linear", false, false, 11, 9, 0.01},
		{"poly", false, false, 5, 0, 0.01 + 0.99*0.25},
		{"poly", false, true, 8, 0, 0.01 + 0.99/16},
		{"step", false, false, 3, 9, 1},
		{"step", false, false, 4, 0, 0.5},
		{"step", false, false, 8, 0, 0.25},
		{"step", false, true, 5, 9, 1},
		{"step", false, true, 6, 0, 0.5},
		{"multistep", false, false, 2, 9, 1},
		{"multistep", false, false, 3, 0, 0.5},
		{"multistep", false, false, 7, 0, 0.25},
		{"multistep", false, false, 9, 0, 0.125},
		{"constant", false, false, 1, 0, 0.55},
		{"constant", false, false, 9, 9, 1},
		{"constant", false, false, 10, 0, 0.01},
	} {
		s := Schedule{Sched: base, LR: 1, Epochs: 12, Steps: 10}
		s.Form, s.OnUpdates, s.WarmupPrefix = c.form, c.onUpdates, c.prefix
		if got := s.At(c.epoch, c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v: %v", c, got)
		}
	}
	low := Schedule{
		Sched:  configs.Sched{Form: "step", DecayEpochs: 1, DecayRate: 0.1, MinLR: 1e-3},
		LR:     1,
		Epochs: 20,
		Steps:  1,
	}
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

func TestFasterNetSchedule(t *testing.T) {
	var refs []struct {
		LR       float64   `json:"lr"`
		Warmup   int       `json:"warmup_epochs"`
		Epochs   int       `json:"max_epochs"`
		Start    float64   `json:"warmup_start_lr"`
		Min      float64   `json:"eta_min"`
		PerEpoch []float64 `json:"lr_per_epoch"`
	}
	golden.JSON(t, "schedule_fasternet.json", &refs)
	for _, r := range refs {
		s := Schedule{
			Sched:  configs.Sched{Form: "fasternet", WarmupEpochs: r.Warmup, WarmupLR: r.Start, MinLR: r.Min},
			LR:     r.LR,
			Epochs: r.Epochs,
			Steps:  10,
		}
		for epoch, want := range r.PerEpoch {
			for _, step := range []int{0, 9} { // constant in an epoch
				if got := s.At(epoch, step); math.Abs(got-want) > 1e-9*want {
					t.Errorf("epoch %d: %v, want %v", epoch, got, want)
				}
			}
		}
	}
}

// A warm-up shorter than the published one rises from the first step to its last, which has the peak.
// However few steps an epoch has, no epoch is lost at the rate that the warm-up starts from. The published
// warm-up is unchanged.
func TestShortFasterNetWarmup(t *testing.T) {
	for warmup := 1; warmup < publishedWarmup; warmup++ {
		for _, steps := range []int{1, 2, 7, 100} {
			s := Schedule{
				Sched:  configs.Sched{Form: "fasternet", WarmupEpochs: warmup, WarmupLR: 1e-6, MinLR: 1e-5},
				LR:     4e-3,
				Epochs: warmup + 10,
				Steps:  steps,
			}
			before := s.WarmupLR
			for epoch := range warmup {
				for step := range steps {
					lr := s.At(epoch, step)
					if lr <= before || lr > s.LR*(1+1e-12) {
						t.Errorf("%d epochs of %d steps: %v after %v", warmup, steps, lr, before)
					}
					before = lr
				}
			}
			if math.Abs(before-s.LR) > 1e-12 || s.At(warmup, 0) != s.LR {
				t.Errorf("%d epochs of %d steps end at %v, and go on at %v", warmup, steps, before, s.At(warmup, 0))
			}
			if mean := (s.At(0, 0) + s.At(0, steps-1)) / 2; mean < s.LR/float64(2*warmup) {
				t.Errorf("%d epochs of %d steps: a mean of %v in the first", warmup, steps, mean)
			}
		}
	}
	s := Schedule{
		Sched:  configs.Sched{Form: "fasternet", WarmupEpochs: 20, WarmupLR: 1e-6, MinLR: 1e-5},
		LR:     4e-3,
		Epochs: 300,
		Steps:  100,
	}
	for epoch := range 20 {
		if want := 1e-6 + float64(epoch)*(4e-3-1e-6)/19; s.At(epoch, 0) != want || s.At(epoch, 99) != want {
			t.Errorf("the published warm-up has %v in epoch %d, want %v", s.At(epoch, 0), epoch, want)
		}
	}
}

func TestLocalMIMSchedule(t *testing.T) {
	var refs []struct {
		LR     float64 `json:"lr"`
		Min    float64 `json:"min_lr"`
		Warmup int     `json:"warmup_epochs"`
		Epochs int
		Rows   [][3]float64 `json:"epoch_lr_lrscale05"`
	}
	golden.JSON(t, "schedule_localmim.json", &refs)
	for _, r := range refs {
		s := Schedule{
			Sched:  configs.Sched{Form: "localmim", WarmupEpochs: r.Warmup, MinLR: r.Min},
			LR:     r.LR,
			Epochs: r.Epochs,
			Steps:  1000,
		}
		for _, row := range r.Rows {
			epoch := int(row[0])
			step := int(math.Round((row[0] - float64(epoch)) * 1000))
			if got := s.At(epoch, step); math.Abs(got-row[1]) > 1e-9*row[1] {
				t.Errorf("%v epochs: %v, want %v", row[0], got, row[1])
			}
		}
	}
}

func TestTimmSchedule(t *testing.T) {
	s := Schedule{
		Sched:  configs.Sched{Form: "timm", WarmupEpochs: 5, WarmupLR: 0.1, MinLR: 0.01},
		LR:     1,
		Epochs: 100,
		Steps:  10,
	}
	half := func(v float64) float64 { return 0.01 + 0.99/2*(1+math.Cos(v*math.Pi)) }
	for _, c := range []struct {
		onUpdates, prefix bool
		epoch, step       int
		want              float64
	}{
		{false, false, 0, 9, 0.1},
		{false, false, 4, 0, 0.1 + 4*0.9/5},
		{false, false, 5, 3, half(0.05)},
		{false, false, 50, 0, half(0.5)},
		{true, false, 2, 5, 0.1 + 2.5*0.9/5},
		{true, false, 50, 5, half(0.505)},
		{false, true, 5, 0, 1},
		{true, true, 52, 5, half(0.5)},
	} {
		s.OnUpdates, s.WarmupPrefix = c.onUpdates, c.prefix
		if got := s.At(c.epoch, c.step); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
