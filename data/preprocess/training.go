package preprocess

import (
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/policy"
)

// Training returns the training transform at an image size, for a model with 1 or 3 channels.
// It is an error when the configuration names something unknown.
func Training(c *configs.Config, size int) (*data.TrainTransform, error) {
	d, a := c.Data, c.Augment
	t := &data.TrainTransform{
		Size:           size,
		Scale:          [2]float64(a.Scale),
		Ratio:          [2]float64(a.Ratio),
		HFlip:          a.HFlip,
		Padding:        a.Padding,
		Interpolation:  picture.Interpolation(d.Interpolation),
		Mean:           float32s(d.Mean),
		Std:            float32s(d.Std),
		Channels:       c.Model.InChans,
		ScaledDecoding: d.ScaledDecode,
		ColorJitter:    a.ColorJitter,
		Erasing: augment.Erasing{
			Prob:  a.Erasing.Prob,
			Mode:  augment.ErasingMode(a.Erasing.Mode),
			Count: a.Erasing.Count,
			Area:  [2]float64(a.Erasing.Area),
		},
	}
	if a.RandAugment != "" {
		p, err := policy.Parse(a.RandAugment)
		if err != nil {
			return nil, fmt.Errorf("augment.rand_augment: %w", err)
		}
		t.RandAugment = &p
	}
	for _, e := range a.Extra {
		step, err := extraStep(e)
		if err != nil {
			return nil, err
		}
		t.Extra = append(t.Extra, step)
	}
	return t, t.Validate()
}

func init() {
	configs.KnowAugmentations(func() (known []configs.Kind) {
		for _, a := range augment.Augmentations() {
			known = append(known, kindOf(a))
		}
		return known
	})
}

func kindOf(a augment.Augmentation) configs.Kind {
	return configs.Kind{Name: a.Name, Doc: a.Doc, Options: a.Options}
}

// extraStep makes the step for an augmentation that a configuration names.
func extraStep(e configs.Extra) (augment.Step, error) {
	for _, a := range augment.Augmentations() {
		if a.Name != e.Name {
			continue
		}
		section := "augment.extra." + e.Name
		options, err := kindOf(a).ReadOptions(e.Options, section)
		if err != nil {
			return augment.Step{}, err
		}
		apply, err := a.New(options)
		if err != nil {
			return augment.Step{}, fmt.Errorf("%s: %w", section, err)
		}
		return augment.Step{Name: e.Name, Prob: e.Prob, Apply: apply}, nil
	}
	return augment.Step{}, fmt.Errorf("augment.extra: no augmentation is called %q; "+
		"if your own program registers it, use this program", e.Name)
}

// Mixing returns how batches are mixed and their labels smoothed, for a number of classes.
func Mixing(a configs.Augment, classes int) *data.Mixup {
	m := &data.Mixup{
		Mode:        data.MixMode(a.MixupMode),
		OffEpoch:    a.MixupOffEpoch,
		MixupAlpha:  a.Mixup,
		CutmixAlpha: a.Cutmix,
		Prob:        a.MixupProb,
		SwitchProb:  a.MixupSwitchProb,
		Smoothing:   a.Smoothing,
		Classes:     classes,
	}
	if len(a.CutmixMinmax) == 2 {
		m.CutmixMinMax = &[2]float64{a.CutmixMinmax[0], a.CutmixMinmax[1]}
	}
	return m
}
