package configs

import "fasternet/data/policy"

// Erasing is random erasing: rectangles of the normalised image are overwritten.
type Erasing struct {
	// probability that an image is erased in; 0: off
	Prob float64 `yaml:"prob"`
	// const (mean colour), rand (a random colour) or pixel (noise)
	Mode string `yaml:"mode"`
	// largest number of rectangles, which share the area
	Count int `yaml:"count"`
	// area of all rectangles, smallest and largest, as a share of the image
	Area []float64 `yaml:"area,flow"`
}

// DefaultErasing is off; its other values are timm's.
func DefaultErasing() Erasing {
	return Erasing{Mode: "const", Count: 1, Area: []float64{0.02, 1.0 / 3}}
}

func (e Erasing) check() *problem {
	if p := first(
		within("augment.erasing.prob", e.Prob, 0, 1),
		oneOf("augment.erasing.mode", e.Mode, "const", "rand", "pixel"),
		atLeast("augment.erasing.count", e.Count, 1),
		interval("augment.erasing.area", e.Area),
	); p != nil {
		return p
	}
	return each("augment.erasing.area", e.Area, share(), "want shares of the image's area, up to 1, got %v", e.Area)
}

// mixes reports whether mixup or CutMix is on.
func (a Augment) mixes() bool {
	return a.Mixup > 0 || a.Cutmix > 0 || len(a.CutmixMinmax) > 0
}

func (a Augment) check() *problem {
	if p := first(interval("augment.scale", a.Scale), interval("augment.ratio", a.Ratio)); p != nil {
		return p
	}
	if p := each(
		"augment.scale",
		a.Scale,
		share(),
		"want shares of the image's area, up to 1, got %v",
		a.Scale,
	); p != nil {
		return p
	}
	m, want := a.CutmixMinmax, "want two parts of a side, the smaller first, or [], got %v"
	if p := each("augment.cutmix_minmax", m, Domain{Most: 1, Longest: 2}, want, m); p != nil {
		return p
	}
	if len(m) == 1 || len(m) == 2 && m[0] >= m[1] {
		return wrong("augment.cutmix_minmax", want, m)
	}
	if a.RandAugment != "" {
		if _, err := policy.Parse(a.RandAugment); err != nil {
			return wrong("augment.rand_augment", "%v", err)
		}
		if a.ColorJitter > 0 {
			return wrong("augment.color_jitter", "want 0 with rand_augment (%s), or set rand_augment: \"\"; got %v",
				a.RandAugment, a.ColorJitter).
				with("augment.rand_augment")
		}
	}
	return first(
		within("augment.hflip", a.HFlip, 0, 1),
		atLeast("augment.padding", a.Padding, 0),
		within("augment.color_jitter", a.ColorJitter, 0, 100),
		a.Erasing.check(),
		atLeast("augment.repeats", a.Repeats, 1),
		within("augment.mixup", a.Mixup, 0, 1000),
		within("augment.cutmix", a.Cutmix, 0, 1000),
		within("augment.mixup_prob", a.MixupProb, 0, 1),
		within("augment.mixup_switch_prob", a.MixupSwitchProb, 0, 1),
		oneOf("augment.mixup_mode", a.MixupMode, "batch", "pair", "elem"),
		atLeast("augment.mixup_off_epoch", a.MixupOffEpoch, 0),
		within("augment.smoothing", a.Smoothing, 0, 0.99),
	)
}
