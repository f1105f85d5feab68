package fasternet

import (
	"fmt"
	"slices"

	"fasternet/configs"
)

// Taps implements [configs.Maskable].
func (c Config) Taps() (what string, n int) { return "stages", len(c.Depths) }

// Tap implements [configs.Maskable]. All stages but the last have merged their patches there.
func (c Config) Tap(tap int) (dim, patch int) {
	dim, patch = c.EmbedDim, c.PatchSize
	for range min(tap, len(c.Depths)-1) {
		dim, patch = 2*dim, patch*c.PatchSize2
	}
	return dim, patch
}

// MaskUnit implements [configs.Maskable].
func (c Config) MaskUnit() (least int, why string) {
	_, least = c.Tap(len(c.Depths))
	return least, fmt.Sprintf("pixels of the last stage (patch_size %d, merged by patch_size2 %d "+
		"before each of %d stages) of", c.PatchSize, c.PatchSize2, len(c.Depths)-1)
}

// Visible implements [configs.Maskable]: ⌊ratio·n⌋ units are masked.
func (c Config) Visible(n int, ratio float64) int {
	const rounding = 1e-9 // for ratios like 0.29·100, which is a little less than 29 in float64
	return n - int(ratio*float64(n)+rounding)
}

// DecodesUnits implements [configs.UnitDecoder].
func (c Config) DecodesUnits() bool { return true }

// DefaultMIM implements [configs.OwnMIM].
func (c Config) DefaultMIM(m *configs.MIM) { m.NBins, m.MaskRatio = 18, 0.6 }

// FillMIM implements [configs.Maskable].
func (c Config) FillMIM(m *configs.MIM) {
	if len(m.Taps) == 0 {
		for i := range c.Depths {
			m.Taps = append(m.Taps, i+1)
		}
	}
	if m.MaskUnit == 0 {
		m.MaskUnit, _ = c.MaskUnit()
	}
	if len(m.DecoderDim) == 0 {
		switch {
		case c.EmbedDim <= 64: // T0, T1
			m.DecoderDim = configs.Heads{64}
		case c.EmbedDim < 144: // T2, S
			m.DecoderDim = configs.Heads{128}
		default: // M, L
			m.DecoderDim = configs.Heads{256}
		}
	}
	if m.DecoderHeads == 0 {
		const channels = 32 // of a head
		m.DecoderHeads = max(slices.Min(m.DecoderDim)/channels, 1)
	}
	if m.MaskPer == "" {
		m.MaskPer = "sample"
	}
	if len(m.Scales) == 0 {
		m.Scales = c.scales(m.Taps, m.MaskUnit)
	}
}

// scales returns the cells along a side of a unit, at most as many as the tap has pixels there.
func (c Config) scales(taps []int, unit int) (scales []float64) {
	for _, tap := range taps {
		_, patch := c.Tap(tap)
		cells := 1
		for _, n := range []int{2, 4} {
			if n <= unit/patch && unit%n == 0 {
				cells = n
			}
		}
		scales = append(scales, float64(cells))
	}
	return scales
}

// CheckMIM implements [configs.Maskable].
func (c Config) CheckMIM(m configs.MIM) *configs.Problem {
	switch {
	case m.Coordinates != "spatial":
		return configs.Wrong(
			"mim.coordinates",
			"a FasterNet has no coordinates of tokens: want spatial, the default, got %q",
			m.Coordinates,
		)
	case m.MergeOrder != "swin":
		return configs.Wrong(
			"mim.merge_order",
			"a FasterNet merges patches with a convolution, in one order: want swin, the default, got %q",
			m.MergeOrder,
		)
	}
	for _, p := range []struct {
		key          string
		stride, size int
	}{{"model.patch_stride", c.PatchStride, c.PatchSize}, {"model.patch_stride2", c.PatchStride2, c.PatchSize2}} {
		if p.stride != p.size {
			return configs.Wrong(
				p.key,
				"masked pre-training needs patches that do not overlap and leave nothing out: "+
					"want %d, their size, got %d",
				p.size, p.stride,
			)
		}
	}
	return nil
}
