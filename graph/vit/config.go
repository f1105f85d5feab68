package vit

import (
	_ "embed"

	"fasternet/configs"
)

// Name is the value of model.name.
const Name = "vit"

// Config holds the keys of the section model that only a ViT has. The names
// follow the official configs.
type Config struct {
	// channels of a token
	EmbedDim int `yaml:"embed_dim" most:"65536"`
	// number of blocks
	Depth int `yaml:"depth" most:"1024"`
	// attention heads
	NumHeads configs.Heads `yaml:"num_heads,flow" most:"4096" longest:"8"`
	// hidden channels of the MLPs, as a multiple of the channels
	MLPRatio float64 `yaml:"mlp_ratio" most:"64"`
	// side of a patch, in pixels
	PatchSize int `yaml:"patch_size" most:"1024"`
	// biases of queries, keys and values
	QKVBias bool `yaml:"qkv_bias"`
	// classify by the mean of the patches, not by the class token
	GlobalPool bool `yaml:"global_pool"`
	// position embedding: learned; sincos: learned, starting from sines and cosines; fixed: sines and cosines
	PosEmbed string `yaml:"pos_embed"`
	// final norm on every token, not on their mean
	NormBeforePool bool `yaml:"norm_before_pool"`
	// epsilon of the layer norms
	NormEps float64 `yaml:"norm_eps"`
}

//go:embed config.go
var source string

// family describes the section of a file without other keys: ViT-B.
func family() configs.Family {
	return configs.Family{Name: Name, Title: "ViT", Source: source, Default: func() configs.Model {
		return configs.Model{
			Arch: Config{
				EmbedDim:   768,
				Depth:      12,
				NumHeads:   configs.Heads{12},
				MLPRatio:   4,
				PatchSize:  16,
				QKVBias:    true,
				GlobalPool: true,
				PosEmbed:   "learned",
				NormEps:    1e-6,
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
		configs.AtLeast("model.depth", c.Depth, 1),
		configs.OneOf("model.pos_embed", c.PosEmbed, "learned", "sincos", "fixed"),
		configs.Within("model.norm_eps", c.NormEps, 1e-12, 1),
	); p != nil {
		return p
	}
	if len(c.NumHeads) != 1 {
		return configs.Wrong("model.num_heads", "want one number, got %v", []int(c.NumHeads))
	}
	if c.PosEmbed != "learned" && c.EmbedDim%4 != 0 {
		return configs.Wrong(
			"model.embed_dim", "want a multiple of 4 for sine-cosine position embeddings, got %d", c.EmbedDim,
		).With("model.pos_embed")
	}
	return configs.CheckHeads(c.NumHeads[0], 0, c.EmbedDim)
}

// CheckImage implements [configs.ImageChecker]: an image is cut into whole patches.
func (c Config) CheckImage(key string, size int) *configs.Problem {
	if size < c.PatchSize || size%c.PatchSize != 0 {
		return configs.Wrong(key, "want a multiple of patch_size (%d), got %d", c.PatchSize, size).With(
			"model.name", "model.patch_size",
		)
	}
	return nil
}

// Side returns the side of the grid of patches for an image of the given height or width.
func (c Config) Side(image int) int { return image / c.PatchSize }

// Stages implements [configs.Staged].
func (c Config) Stages() (what string, n int) { return "blocks", c.Depth }

// Blocks implements [configs.Staged].
func (c Config) Blocks() int { return c.Depth }

// Outputs implements [configs.Sized]: of the products within a block, or of its attention.
func (c Config) Outputs(size int) float64 {
	tokens := float64(c.Side(size)) * float64(c.Side(size))
	return tokens * max(float64(c.EmbedDim)*max(c.MLPRatio, 3), tokens*float64(c.NumHeads[0]))
}

// headDim is the number of channels of a head in a decoder.
const headDim = 32

// FillMIM implements [configs.Maskable].
func (c Config) FillMIM(m *configs.MIM) {
	if len(m.Taps) == 0 {
		m.Taps = []int{2, 4, c.Depth - 2, c.Depth}
	}
	if m.MaskUnit == 0 {
		m.MaskUnit = c.PatchSize
	}
	if len(m.DecoderDim) == 0 { // a third of the width: the published 256 of ViT-B, and no more
		heads := min(max(c.EmbedDim/3/headDim, 1), 8)
		m.DecoderDim = configs.Heads{heads * headDim}
		if m.DecoderHeads == 0 {
			m.DecoderHeads = heads
		}
	}
	if m.DecoderHeads == 0 {
		m.DecoderHeads = 8
	}
	if m.MaskPer == "" {
		m.MaskPer = "sample"
	}
	if len(m.Scales) == 0 && len(m.Taps) == 4 {
		m.Scales = []float64{4, 2, 1, 0.5}
	}
}

// Taps implements [configs.Maskable].
func (c Config) Taps() (what string, n int) { return "blocks", c.Depth }

// Tap implements [configs.Maskable].
func (c Config) Tap(int) (dim, patch int) { return c.EmbedDim, c.PatchSize }

// MaskUnit implements [configs.Maskable].
func (c Config) MaskUnit() (least int, why string) { return c.PatchSize, "patches of" }

// Visible implements [configs.Maskable]: ⌊(1-ratio)·n⌋ units, as published.
func (c Config) Visible(n int, ratio float64) int { return int(float64(n) * (1 - ratio)) }

// CheckMIM implements [configs.Maskable].
func (c Config) CheckMIM(m configs.MIM) *configs.Problem {
	switch {
	case m.MaskUnit != c.PatchSize:
		return configs.Wrong(
			"mim.mask_unit",
			"a ViT is masked by patches: want patch_size (%d), got %d",
			c.PatchSize, m.MaskUnit,
		)
	case m.MaskPer != "sample":
		return configs.Wrong("mim.mask_per", "a ViT is masked per sample, got %q", m.MaskPer)
	case m.Border != "neighbours":
		return configs.Wrong(
			"mim.border",
			"a ViT has no convolution that reads over the border of a unit: want neighbours, the default, got %q",
			m.Border,
		)
	case m.Coordinates != "spatial":
		return configs.Wrong(
			"mim.coordinates",
			"a ViT has one grid of patches and no stages: want spatial, the default, got %q",
			m.Coordinates,
		)
	case m.MergeOrder != "swin":
		return configs.Wrong("mim.merge_order", "a ViT merges no patches: want swin, the default, got %q", m.MergeOrder)
	case c.EmbedDim%4 != 0:
		return configs.Wrong(
			"model.embed_dim", "want a multiple of 4 for sine-cosine position embeddings, got %d", c.EmbedDim,
		)
	}
	return nil
}
