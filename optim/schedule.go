package optim

import (
	"fmt"
	"math"
	"slices"

	"fasternet/configs"
)

// Schedule computes the learning rate of a step.
type Schedule struct {
	configs.Sched
	LR     float64 // at the peak
	Epochs int
	Steps  int // updates in an epoch
}

// publishedWarmup is the number of warm-up epochs in the published training of FasterNet. The first
// of them is spent at WarmupLR.
const publishedWarmup = 20

// At returns the learning rate of update step (from 0) of an epoch (from 0).
//
//   - fasternet: constant in an epoch; linear from WarmupLR to the peak, which the last epoch of
//     the warm-up has; then a cosine towards MinLR. A warm-up of fewer than publishedWarmup epochs
//     rises every step, and its last step has the peak, because otherwise its first epoch would be
//     lost at WarmupLR.
//   - localmim: changes every step; linear from 0 to the peak, then a cosine to MinLR.
//   - timm: linear from WarmupLR to the peak, then a cosine to MinLR that began at epoch 0, or after the
//     warm-up with WarmupPrefix; changes every epoch, or every step with OnUpdates.
//   - linear, poly: as timm, with MinLR + (peak - MinLR)·(1 - t/T)^Power instead of the cosine.
//   - step: as timm, times DecayRate every DecayEpochs; multistep: at the Milestones. Neither falls
//     below MinLR.
//   - constant: as timm, at the peak.
//
// The last CooldownEpochs are at MinLR, and not part of T.
func (s Schedule) At(epoch, step int) float64 {
	w, total := float64(s.WarmupEpochs), float64(s.Epochs-s.CooldownEpochs)
	t := float64(epoch)
	switch {
	case epoch >= s.Epochs-s.CooldownEpochs:
		return s.MinLR
	case s.Form == "localmim":
		t += float64(step) / float64(s.Steps)
		if t < w {
			return s.LR * t / w
		}
		return s.cosine(t-w, total-w)
	case s.Form == "fasternet" || s.Form == "":
		switch {
		case epoch < s.WarmupEpochs && s.WarmupEpochs < publishedWarmup:
			t += float64(step+1) / float64(s.Steps)
			return s.WarmupLR + t*(s.LR-s.WarmupLR)/w
		case epoch < s.WarmupEpochs:
			return s.WarmupLR + t*(s.LR-s.WarmupLR)/(w-1)
		}
		return s.cosine(t-w, total-w)
	}
	if s.OnUpdates {
		t += float64(step) / float64(s.Steps)
	}
	if t < w {
		return s.WarmupLR + t*(s.LR-s.WarmupLR)/w
	}
	if s.WarmupPrefix {
		t, total = t-w, total-w
	}
	return s.after(t, total)
}

// after returns the learning rate of the forms that count time as timm does, at time t of total, in
// epochs.
func (s Schedule) after(t, total float64) float64 {
	switch s.Form {
	case "linear":
		return s.poly(t/total, 1)
	case "poly":
		return s.poly(t/total, s.Power)
	case "step":
		return s.decayed(math.Floor(t / s.DecayEpochs))
	case "multistep":
		passed := slices.IndexFunc(s.Milestones, func(m int) bool { return t < float64(m) })
		if passed < 0 {
			passed = len(s.Milestones)
		}
		return s.decayed(float64(passed))
	case "constant":
		return s.LR
	case "timm":
		return s.cosine(t, total)
	}
	panic(fmt.Sprintf("optim: there is no schedule %q", s.Form)) // configs.Config.Check reports this as an error
}

func (s Schedule) cosine(t, total float64) float64 {
	return s.MinLR + (s.LR-s.MinLR)/2*(1+math.Cos(math.Pi*t/total))
}

func (s Schedule) poly(part, power float64) float64 {
	return s.MinLR + (s.LR-s.MinLR)*math.Pow(1-part, power)
}

func (s Schedule) decayed(times float64) float64 {
	return max(s.LR*math.Pow(s.DecayRate, times), min(s.MinLR, s.LR))
}
