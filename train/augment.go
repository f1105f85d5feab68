package train

import (
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/augment"
	"fasternet/eval"
)

// Transform is the training transform of a configuration at an image size.
func Transform(c *configs.Config, size int) data.Transform {
	e, a := eval.Transform(c.Data, c.Model.InChans), c.Augment
	return &data.TrainTransform{
		Size: size, Scale: [2]float64(a.Scale), Ratio: [2]float64(a.Ratio), HFlip: a.HFlip,
		Padding: a.Padding, Interpolation: e.Interpolation, Mean: e.Mean, Std: e.Std, Channels: e.Channels,
		ScaledDecoding: c.Data.ScaledDecode, RandAugment: a.Policy(), ColorJitter: a.ColorJitter,
		Erasing: augment.Erasing{
			Prob: a.Erasing.Prob, Mode: augment.ErasingMode(a.Erasing.Mode), Count: a.Erasing.Count, Area: [2]float64(a.Erasing.Area),
		},
	}
}

// mixup is the mixing of a configuration, and the smoothing of its labels.
func mixup(a configs.Augment, classes int) *data.Mixup {
	m := &data.Mixup{
		Mode: data.MixMode(a.MixupMode), OffEpoch: a.MixupOffEpoch,
		MixupAlpha: a.Mixup, CutmixAlpha: a.Cutmix, Prob: a.MixupProb, SwitchProb: a.MixupSwitchProb,
		Smoothing: a.Smoothing, Classes: classes,
	}
	if len(a.CutmixMinmax) == 2 {
		m.CutmixMinMax = &[2]float64{a.CutmixMinmax[0], a.CutmixMinmax[1]}
	}
	return m
}
