package fasternet

import (
	_ "embed"
	"fmt"

	"fasternet/configs"
)

// Name is the value of model.name.
const Name = "fasternet"

// Config holds the keys of the section model that only a FasterNet has. The
// names follow the official configs.
type Config struct {
	// channels of the first stage; each later stage has twice as many
	EmbedDim int `yaml:"embed_dim" most:"65536"`
	// blocks of each stage
	Depths []int `yaml:"depths,flow" most:"1024" longest:"8"`
	// hidden channels of the MLPs, as a multiple of the channels
	MLPRatio float64 `yaml:"mlp_ratio" most:"64"`
	// partial convolution: 1/n_div of the channels are convolved
	NDiv int `yaml:"n_div" most:"65536"`
	// channels of the last layer before the classifier
	FeatureDim int `yaml:"feature_dim" most:"65536"`
	// kernel of the patch embedding, in pixels
	PatchSize int `yaml:"patch_size" most:"1024"`
	// stride of the patch embedding, in pixels
	PatchStride int `yaml:"patch_stride" most:"1024"`
	// kernel of the merging layers
	PatchSize2 int `yaml:"patch_size2" most:"1024"`
	// stride of the merging layers
	PatchStride2 int `yaml:"patch_stride2" most:"1024"`
	// activation: gelu or relu
	ActLayer string `yaml:"act_layer"`
	// initial value of layer scale; 0: no layer scale
	LayerScaleInitValue float64 `yaml:"layer_scale_init_value"`
	// global response normalisation of ConvNeXt V2 in every block, which no official weights have
	GRN bool `yaml:"grn"`
}

//go:embed config.go
var source string

// family describes the section of a file without other keys: FasterNet-T0.
func family() configs.Family {
	return configs.Family{Name: Name, Title: "FasterNet", Source: source, Default: func() configs.Model {
		return configs.Model{
			Arch: Config{
				EmbedDim: 40, Depths: []int{1, 2, 8, 2}, MLPRatio: 2, NDiv: 4, FeatureDim: 1280,
				PatchSize: 4, PatchStride: 4, PatchSize2: 2, PatchStride2: 2, ActLayer: "gelu",
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
		configs.AtLeast("model.n_div", c.NDiv, 1),
		configs.AtLeast("model.feature_dim", c.FeatureDim, 1),
		configs.AtLeast("model.patch_stride", c.PatchStride, 1),
		configs.AtLeast("model.patch_size2", c.PatchSize2, 1),
		configs.AtLeast("model.patch_stride2", c.PatchStride2, 1),
		configs.OneOf("model.act_layer", c.ActLayer, "gelu", "relu"),
		configs.Within("model.layer_scale_init_value", c.LayerScaleInitValue, 0, 1e6),
		configs.CheckDepths(c.Depths, "[1, 2, 8, 2]"),
	); p != nil {
		return p
	}
	if c.EmbedDim%c.NDiv != 0 {
		return configs.Wrong(
			"model.embed_dim",
			"want a multiple of n_div (%d), got %d: 1/n_div of the channels are convolved",
			c.NDiv, c.EmbedDim,
		).With("model.n_div")
	}
	return configs.CheckDoubling(c.EmbedDim, len(c.Depths))
}

// CheckImage implements [configs.ImageChecker]: at least a pixel of an image must be left in the
// last stage.
func (c Config) CheckImage(key string, size int) *configs.Problem {
	side, stage := size, 0
	for i, s := range c.StageSides(size) {
		if s < 1 {
			patch := fmt.Sprintf("patch_size2 %d", c.PatchSize2)
			if i == 0 {
				patch = fmt.Sprintf("patch_size %d", c.PatchSize)
			}
			return configs.Wrong(
				key,
				"%d pixels are too few: %d are left before stage %d, which begins with %s",
				size, side, stage+1, patch,
			).
				With(
					"model.name", "model.depths", "model.patch_size",
					"model.patch_stride", "model.patch_size2",
					"model.patch_stride2",
				)
		}
		side, stage = s, i+1
	}
	return nil
}

// StageDims returns the channels of the stages.
func (c Config) StageDims() []int { return configs.Doubling(c.EmbedDim, len(c.Depths)) }

// StageSides returns the heights or widths of the stages' maps for an image of the given height or
// width. A side of 0 means that the image is too small.
func (c Config) StageSides(image int) []int {
	sides := make([]int, len(c.Depths))
	side := outSide(image, c.PatchSize, c.PatchStride)
	for i := range sides {
		if i > 0 {
			side = outSide(side, c.PatchSize2, c.PatchStride2)
		}
		sides[i] = side
	}
	return sides
}

// outSide returns the side of the output of a convolution without padding.
func outSide(in, size, stride int) int {
	if in < size || stride < 1 {
		return 0
	}
	return (in-size)/stride + 1
}

// Stages implements [configs.Staged].
func (c Config) Stages() (what string, n int) { return "stages", len(c.Depths) }

// Blocks implements [configs.Staged].
func (c Config) Blocks() (n int) {
	for _, d := range c.Depths {
		n += d
	}
	return n
}

// LastSide implements [configs.BatchNormed].
func (c Config) LastSide(size int) int {
	sides := c.StageSides(size)
	return sides[len(sides)-1]
}

// Outputs implements [configs.Sized]: the first stage has the largest maps.
func (c Config) Outputs(size int) float64 {
	side := float64(outSide(size, c.PatchSize, c.PatchStride))
	return side * side * float64(c.EmbedDim) * max(c.MLPRatio, 1)
}
