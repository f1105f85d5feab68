package train

import (
	"math"

	"fasternet/configs"
)

// Schedule gives the learning rate of a step.
type Schedule struct {
	configs.Sched
	LR     float64 // at the peak
	Epochs int
	Steps  int // updates in an epoch
}

// At is the learning rate of update step (from 0) of an epoch (from 0).
//
//   - fasternet: constant in an epoch; linear from WarmupLR to the peak, which
//     the last epoch of the warm-up already has; then a cosine towards MinLR.
//   - localmim: changes every step; linear from 0 to the peak, then a cosine
//     to MinLR.
//   - timm: linear from WarmupLR to the peak, then a cosine to MinLR that began
//     at epoch 0, or after the warm-up with WarmupPrefix; every epoch, or every
//     step with OnUpdates.
func (s Schedule) At(epoch, step int) float64 {
	w, total := float64(s.WarmupEpochs), float64(s.Epochs)
	t := float64(epoch)
	switch s.Form {
	case "localmim":
		t += float64(step) / float64(s.Steps)
		if t < w {
			return s.LR * t / w
		}
		return s.cosine(t-w, total-w)
	case "timm":
		if s.OnUpdates {
			t += float64(step) / float64(s.Steps)
		}
		if t < w {
			return s.WarmupLR + t*(s.LR-s.WarmupLR)/w
		}
		if s.WarmupPrefix {
			return s.cosine(t-w, total-w)
		}
		return s.cosine(t, total)
	}
	if epoch < s.WarmupEpochs {
		return s.WarmupLR + t*(s.LR-s.WarmupLR)/max(w-1, 1)
	}
	return s.cosine(t-w, total-w)
}

func (s Schedule) cosine(t, total float64) float64 {
	return s.MinLR + (s.LR-s.MinLR)/2*(1+math.Cos(math.Pi*t/total))
}
