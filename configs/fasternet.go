package configs

import "fmt"

func (m Model) check() *problem {
	if p := first(
		oneOf("model.name", m.Name, Families...),
		atLeast("model.embed_dim", m.EmbedDim, 1),
		atLeast("model.patch_size", m.PatchSize, 1),
		within("model.drop_path_rate", m.DropPathRate, 0, 0.99),
		within("model.init_std", m.InitStd, 0, 1),
		atLeast("model.num_classes", m.NumClasses, 0),
	); p != nil {
		return p
	}
	if m.InChans != 1 && m.InChans != 3 {
		return wrong("model.in_chans", "want 1 (grey) or 3 (RGB), got %d", m.InChans)
	}
	if m.MLPRatio <= 0 || int(float64(m.EmbedDim)*m.MLPRatio) < 1 {
		return wrong("model.mlp_ratio", "want a number above 0 that leaves a hidden channel or more, got %v", m.MLPRatio).with("model.embed_dim")
	}
	switch m.Name {
	case "vit":
		return m.checkViT()
	case "swin":
		return m.checkSwin()
	}
	return m.checkFasterNet()
}

// checkDepths checks the number of blocks of stages.
func (m Model) checkDepths(example string) *problem {
	if len(m.Depths) < 1 {
		return wrong("model.depths", "want the number of blocks of 1 to %d stages, e.g. %s, got no stages", mostStages, example)
	}
	for i, d := range m.Depths {
		if d < 1 {
			return wrong("model.depths", "want 1 block or more a stage, stage %d has %d", i+1, d)
		}
	}
	return nil
}

func (m Model) checkFasterNet() *problem {
	if p := first(
		atLeast("model.n_div", m.NDiv, 1),
		atLeast("model.feature_dim", m.FeatureDim, 1),
		atLeast("model.patch_stride", m.PatchStride, 1),
		atLeast("model.patch_size2", m.PatchSize2, 1),
		atLeast("model.patch_stride2", m.PatchStride2, 1),
		oneOf("model.act_layer", m.ActLayer, "gelu", "relu"),
		within("model.layer_scale_init_value", m.LayerScaleInitValue, 0, 1e6),
	); p != nil {
		return p
	}
	if p := m.checkDepths("[1, 2, 8, 2]"); p != nil {
		return p
	}
	if m.EmbedDim%m.NDiv != 0 {
		return wrong("model.embed_dim", "want a multiple of n_div (%d), got %d: 1/n_div of the channels are convolved", m.NDiv, m.EmbedDim).with("model.n_div")
	}
	return m.checkChannels()
}

// CheckImageSize says whether an image of that size keeps a pixel up to the
// last stage.
func (m Model) CheckImageSize(size int) error {
	if p := m.checkImageSize("image size", size); p != nil {
		return fmt.Errorf("%s: %s", p.key, p.text)
	}
	return nil
}

// sideKeys are the keys of a model that say how its maps become smaller.
var sideKeys = []string{"model.name", "model.depths", "model.patch_size", "model.patch_stride", "model.patch_size2", "model.patch_stride2"}

func (m Model) checkImageSize(key string, size int) *problem {
	if m.Name != "fasternet" {
		return m.checkTokens(key, size)
	}
	side, stage := size, 0
	for i, s := range m.StageSides(size) {
		if s < 1 {
			patch := fmt.Sprintf("patch_size2 %d", m.PatchSize2)
			if i == 0 {
				patch = fmt.Sprintf("patch_size %d", m.PatchSize)
			}
			return wrong(key, "%d pixels are too few: %d are left before stage %d, which begins with %s", size, side, stage+1, patch).with(sideKeys...)
		}
		side, stage = s, i+1
	}
	return nil
}

// StageDims are the channels of the stages.
func (m Model) StageDims() []int {
	dims := make([]int, len(m.Depths))
	for i := range dims {
		dims[i] = m.EmbedDim << i
	}
	return dims
}

// StageSides are the heights or widths of the stages' maps for an image of the
// given height or width. A side of 0 means that the image is too small.
func (m Model) StageSides(image int) []int {
	sides := make([]int, len(m.Depths))
	side := outSide(image, m.PatchSize, m.PatchStride)
	for i := range sides {
		if i > 0 {
			side = outSide(side, m.PatchSize2, m.PatchStride2)
		}
		sides[i] = side
	}
	return sides
}

// outSide is the side of the output of a convolution without padding.
func outSide(in, size, stride int) int {
	if in < size || stride < 1 {
		return 0
	}
	return (in-size)/stride + 1
}
