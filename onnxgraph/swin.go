package onnxgraph

import (
	"fmt"

	"fasternet/graph"
)

// swin adds a Swin; the last node computes the logits.
func (b *builder) swin(m *graph.Swin, o Options) error {
	c := m.Config()
	h, w := c.Side(o.Height), c.Side(o.Width)
	unit := 1 << (len(c.Depths) - 1)
	if min(h, w) < unit || h%unit != 0 || w%unit != 0 {
		return fmt.Errorf("onnx: images of %d×%d pixels: want multiples of %d, for patches of %d pixels that are merged 2×2 between %d stages",
			o.Height, o.Width, unit*c.PatchSize, c.PatchSize, len(c.Depths))
	}
	x := b.patches(c.EmbedDim, c.PatchSize, h*w)
	if c.PatchNorm {
		x = b.layerNorm("patch_embed.norm", x, c.NormEps)
	}
	for i, dim := range c.StageDims() {
		if i > 0 {
			x = b.merging(fmt.Sprintf("layers.%d.downsample", i-1), x, h, w, dim/2, c.NormEps)
			h, w = h/2, w/2
		}
		side, shift := m.Window(i, h, w)
		pattern := [2]*windows{newWindows(h, w, side, 0), newWindows(h, w, side, shift)}
		for j := range c.Depths[i] {
			x = b.transformer(fmt.Sprintf("layers.%d.blocks.%d", i, j), x, block{
				dim: dim, heads: c.NumHeads[i], eps1: c.NormEps, eps2: c.Norm2Eps, windows: pattern[j%2], tokens: side * side,
			})
		}
	}
	if c.NormBeforePool {
		x = b.meanTokens("avgpool", b.layerNorm("norm", x, c.NormEps))
	} else {
		x = b.layerNorm("norm", b.meanTokens("avgpool", x), c.NormEps)
	}
	b.classifier(x)
	return nil
}

// merging adds the transition behind a stage of dim channels: the four
// neighbours side by side in the order of ops.SwinOrder, column by column.
func (b *builder) merging(name, x string, h, w, dim int, eps float64) string {
	x = b.reshape(name+".map", x, 0, h/2, 2, w/2, 2, dim)
	x = b.transpose(name+".neighbours", x, 0, 1, 3, 4, 2, 5)
	x = b.reshape(name+".merged", x, 0, h/2*w/2, 4*dim)
	return b.linear(name+".reduction", b.layerNorm(name+".norm", x, eps))
}
