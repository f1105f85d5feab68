package swin

import (
	_ "embed"
	"slices"

	"fasternet/configs"
)

// Name is the value of model.name.
const Name = "swin"

// Config holds the keys of the section model that only a Swin has. The names
// follow the official configs.
type Config struct {
	// channels of the first stage; each later stage has twice as many
	EmbedDim int `yaml:"embed_dim" most:"65536"`
	// blocks of each stage
	Depths []int `yaml:"depths,flow" most:"1024" longest:"8"`
	// attention heads of each stage
	NumHeads configs.Heads `yaml:"num_heads,flow" most:"4096" longest:"8"`
	// hidden channels of the MLPs, as a multiple of the channels
	MLPRatio float64 `yaml:"mlp_ratio" most:"64"`
	// side of a patch, in pixels
	PatchSize int `yaml:"patch_size" most:"1024"`
	// side of a window, in tokens; a smaller stage is one window
	WindowSize int `yaml:"window_size" most:"256"`
	// biases of queries, keys and values
	QKVBias bool `yaml:"qkv_bias"`
	// layer norm after the patch embedding
	PatchNorm bool `yaml:"patch_norm"`
	// final norm on every token, not on their mean
	NormBeforePool bool `yaml:"norm_before_pool"`
	// epsilon of the layer norms
	NormEps float64 `yaml:"norm_eps"`
	// epsilon of the norm before the MLPs
	Norm2Eps float64 `yaml:"norm2_eps"`
}

//go:embed config.go
var source string

// family describes the section of a file without other keys: Swin-B.
func family() configs.Family {
	return configs.Family{Name: Name, Title: "Swin", Source: source, Default: func() configs.Model {
		return configs.Model{
			Arch: Config{
				EmbedDim:   128,
				Depths:     []int{2, 2, 18, 2},
				NumHeads:   configs.Heads{4, 8, 16, 32},
				MLPRatio:   4,
				PatchSize:  4,
				WindowSize: 7,
				QKVBias:    true,
				PatchNorm:  true,
				NormEps:    1e-6,
				Norm2Eps:   1e-5,
			},
			InitStd: 0.02, InChans: 3,
		}
	}}
}

// Check implements [configs.Arch].
func (c Config) Check(configs.Model) *configs.Problem {
	if p := configs.First(
		configs.AtLeast("model.embed_dim", c.EmbedDim, 1),
		configs.AtLeast("model.patch_size", c.PatchSize, 1),
		configs.CheckHidden(c.EmbedDim, c.MLPRatio),
		configs.CheckDepths(c.Depths, "[2, 2, 6, 2]"),
		configs.AtLeast("model.window_size", c.WindowSize, 1),
		configs.Within("model.norm_eps", c.NormEps, 1e-12, 1),
		configs.Within("model.norm2_eps", c.Norm2Eps, 1e-12, 1),
	); p != nil {
		return p
	}
	if p := configs.CheckDoubling(c.EmbedDim, len(c.Depths)); p != nil {
		return p
	}
	if len(c.NumHeads) != len(c.Depths) {
		return configs.Wrong(
			"model.num_heads",
			"want a number for each of the %d stages (model.depths), got %v",
			len(c.Depths), []int(c.NumHeads),
		).With("model.depths")
	}
	for i, dim := range c.StageDims() {
		if p := configs.CheckHeads(c.NumHeads[i], i, dim); p != nil {
			return p
		}
	}
	return nil
}

// CheckImage implements [configs.ImageChecker]: an image is cut into whole patches, which are
// merged once for each stage after the first.
func (c Config) CheckImage(key string, size int) *configs.Problem {
	if unit := c.unit(); size < unit || size%unit != 0 {
		return configs.Wrong(
			key,
			"want a multiple of %d, got %d: patches of %d pixels (patch_size) are merged 2×2 between %d stages",
			unit, size, c.PatchSize, len(c.Depths),
		).
			With("model.name", "model.depths", "model.patch_size")
	}
	return nil
}

// unit returns the side in pixels of the square that a token of the last stage stands for.
func (c Config) unit() int { return c.PatchSize << (max(len(c.Depths), 1) - 1) }

// StageDims returns the channels of the stages.
func (c Config) StageDims() []int { return configs.Doubling(c.EmbedDim, len(c.Depths)) }

// Side returns the side of the grid of patches of the first stage, for an image of the given height
// or width.
func (c Config) Side(image int) int { return image / c.PatchSize }

// Stages implements [configs.Staged].
func (c Config) Stages() (what string, n int) { return "stages", len(c.Depths) }

// Blocks implements [configs.Staged].
func (c Config) Blocks() (n int) {
	for _, d := range c.Depths {
		n += d
	}
	return n
}

// Outputs implements [configs.Sized]: of the products within a block of the first stage, or of its
// attention.
func (c Config) Outputs(size int) float64 {
	tokens := float64(c.Side(size)) * float64(c.Side(size))
	seen := min(tokens, float64(c.WindowSize*c.WindowSize)) // by each token
	return tokens * max(float64(c.EmbedDim)*max(c.MLPRatio, 3), seen*float64(c.NumHeads[0]))
}

// FillMIM implements [configs.Maskable].
func (c Config) FillMIM(m *configs.MIM) {
	if len(m.Taps) == 0 {
		for i := range c.Depths {
			m.Taps = append(m.Taps, i+1)
		}
	}
	if m.DecoderHeads == 0 {
		m.DecoderHeads = 4
	}
	if m.MaskUnit == 0 {
		m.MaskUnit = c.unit()
	}
	if len(m.DecoderDim) == 0 {
		// follows the encoder, as wide as the published ones at most
		m.DecoderDim = configs.Heads{min(max(c.EmbedDim/32*32, 32), 128)}
	}
	if m.MaskPer == "" {
		m.MaskPer = "batch"
	}
	if len(m.Scales) == 0 {
		m.Scales = slices.Repeat([]float64{1}, len(m.Taps))
	}
}

// Taps implements [configs.Maskable].
func (c Config) Taps() (what string, n int) { return "stages", len(c.Depths) }

// Tap implements [configs.Maskable]. All stages but the last have merged their patches there.
func (c Config) Tap(tap int) (dim, patch int) {
	merges := min(tap, len(c.Depths)-1)
	return c.EmbedDim << merges, c.PatchSize << merges
}

// MaskUnit implements [configs.Maskable].
func (c Config) MaskUnit() (least int, why string) {
	return c.unit(), "tokens of the last stage, of"
}

// Visible implements [configs.Maskable]: ⌊ratio·n⌋+1 units are masked, as published.
func (c Config) Visible(n int, ratio float64) int { return n - int(ratio*float64(n)) - 1 }

// CheckMIM implements [configs.Maskable].
func (c Config) CheckMIM(m configs.MIM) *configs.Problem {
	if slices.ContainsFunc(m.Scales, func(s float64) bool { return s != 1 }) {
		return configs.Wrong(
			"mim.scales",
			"a Swin has scales by its stages: each token predicts one cell, want 1, got %v",
			m.Scales,
		)
	}
	if m.Border != "neighbours" {
		return configs.Wrong(
			"mim.border",
			"a Swin has no convolution that reads over the border of a unit: want neighbours, the default, got %q",
			m.Border,
		)
	}
	return nil
}
