package eval

import (
	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph/localmim"
	"fasternet/graph/localmim/masking"
)

// MIMTask makes the masks and targets of a LocalMIM, for a loader. The constants
// of its targets are those of the model now.
func MIMTask(net *localmim.Model) (*masking.Task, error) {
	return mimTask(net, net.Config().MIM.MaskPer == "sample")
}

// MIMEvaluation is [MIMTask] with a mask for each image, also where the configuration has
// one for a batch. It depends on the seed and the index of the image alone, so that what
// is measured does not depend on the size of the batches.
func MIMEvaluation(net *localmim.Model) (*masking.Task, error) { return mimTask(net, true) }

func mimTask(net *localmim.Model, perSample bool) (*masking.Task, error) {
	c := net.Config()
	size, channels := c.Data.ImageSize, c.Model.InChans
	masks, err := masksOf(c, perSample)
	if err != nil {
		return nil, err
	}
	var target masking.Target
	if c.MIM.Target == "pixel" {
		target, err = masking.NewPixels(size, size, channels, masks.Cells(), c.MIM.NormPixLoss)
	} else {
		var bias [][2]float32
		for k := range net.Scales() {
			bias = append(bias, net.HOGBias(k))
		}
		target, err = masking.NewHOG(size, size, channels, c.MIM.NBins, masks.Cells(), bias)
	}
	if err != nil {
		return nil, err
	}
	return masking.NewTask(size, size, channels, masks, target)
}

func masksOf(c *configs.Config, perSample bool) (masking.Masks, error) {
	size, m := c.Data.ImageSize, c.Model
	if m.Name != "swin" {
		return masking.NewColumnar(size, size, m.PatchSize, c.MIM.MaskRatio, c.MIM.Scales)
	}
	var taps []int
	for _, tap := range c.MIM.Taps {
		taps = append(taps, tap-1)
	}
	return masking.NewPyramid(masking.PyramidOptions{
		Height: size, Width: size, Patch: m.PatchSize, Stages: len(m.Depths), Unit: c.MIM.MaskUnit / m.PatchSize, Ratio: c.MIM.MaskRatio,
		Taps: taps, PerSample: perSample,
	})
}

// Masked is a batch of a loader with a [MIMTask] as the graph wants it.
func Masked(c *configs.Config, b *data.Batch) localmim.Masked {
	return masked(c, b, c.MIM.MaskPer == "sample")
}

// MaskedEvaluation is a batch of a loader with a [MIMEvaluation].
func MaskedEvaluation(c *configs.Config, b *data.Batch) localmim.Masked { return masked(c, b, true) }

func masked(c *configs.Config, b *data.Batch, perSample bool) localmim.Masked {
	e := b.Extra.(*masking.Batch)
	m := localmim.Masked{Images: b.Images, Targets: e.Targets, Weights: e.Weights, Kept: e.Keep, Whole: b.Whole}
	if c.Model.Name != "swin" {
		return m
	}
	mask := e.Mask // of units, where Keep lists patches
	units := len(mask) / b.Size
	if !perSample {
		mask = mask[:units]
	}
	m.Kept = nil
	for i, v := range mask {
		if v == 0 {
			m.Kept = append(m.Kept, int32(i%units))
		}
	}
	return m
}
