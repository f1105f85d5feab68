package graph

import (
	"fmt"
	"strings"
)

// Layered is a model that tells the depth of its parameters, for learning rates
// that fall from the classifier to the input.
type Layered interface {
	Model
	// LayerOf is the layer that a parameter belongs to: 0 for the embedding of the
	// input, then one number a block, and last for what comes behind the blocks.
	LayerOf(name string) (layer, last int)
}

// LayerOf is part of Layered.
func (m *ViT) LayerOf(name string) (layer, last int) {
	last = m.config.Depth + 1
	var block int
	if n, _ := fmt.Sscanf(name, "blocks.%d.", &block); n == 1 {
		return block + 1, last
	}
	if name == "cls_token" || name == "pos_embed" || strings.HasPrefix(name, "patch_embed.") {
		return 0, last
	}
	return last, last
}

// LayerOf is part of Layered. The merging behind a stage belongs to the layer of
// its last block.
func (m *Swin) LayerOf(name string) (layer, last int) {
	var stage, block int
	n, _ := fmt.Sscanf(name, "layers.%d.blocks.%d.", &stage, &block)
	if n == 1 { // layers.0.downsample
		block = m.config.Depths[stage] - 1
	}
	return layerInStages(m.config.Depths, name, stage, block, n > 0)
}

// LayerOf is part of Layered. As in Swin, a merging belongs to the layer of the
// block before it.
func (m *FasterNet) LayerOf(name string) (layer, last int) {
	var stage, block int
	n, _ := fmt.Sscanf(name, "stages.%d.blocks.%d.", &stage, &block)
	if n == 1 && stage%2 == 1 { // merging, between stages
		block = m.config.Depths[stage/2] - 1
	}
	return layerInStages(m.config.Depths, name, stage/2, block, n > 0)
}

// layerInStages is the layer of a parameter of a block, or of one before or
// behind all blocks.
func layerInStages(depths []int, name string, stage, block int, inStage bool) (layer, last int) {
	last = 1
	for i, d := range depths {
		last += d
		if i < stage {
			layer += d
		}
	}
	switch {
	case inStage:
		return layer + block + 1, last
	case strings.HasPrefix(name, "patch_embed."):
		return 0, last
	}
	return last, last
}
