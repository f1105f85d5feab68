package onnxgraph

import (
	"fmt"

	"fasternet/graph"
	"fasternet/onnx"
	"fasternet/ops"
)

// vit adds a ViT; the last node computes the logits.
func (b *builder) vit(m *graph.ViT, o Options) error {
	c := m.Config()
	to := [2]int{c.Side(o.Height), c.Side(o.Width)}
	if min(to[0], to[1]) < 1 {
		return fmt.Errorf("onnx: images of %d×%d pixels are too small for the model", o.Height, o.Width)
	}
	dim, tokens := c.EmbedDim, 1+to[0]*to[1]
	x := b.patches(dim, c.PatchSize, tokens-1)
	x = b.positions(x, m.Grid(), to)
	for i := range c.Depth {
		x = b.transformer(fmt.Sprintf("blocks.%d", i), x, block{
			dim: dim, heads: c.NumHeads[0], eps1: c.NormEps, eps2: c.NormEps, tokens: tokens,
		})
	}
	if c.GlobalPool {
		x = b.slice("pool.patches", x, 1, 1, tokens)
		x = b.layerNorm("fc_norm", b.meanTokens("pool", x), c.NormEps)
	} else {
		x = b.slice("pool.class", x, 1, 0, 1)
		x = b.layerNorm("norm", b.reshape("pool", x, 0, dim), c.NormEps)
	}
	b.classifier(x)
	return nil
}

// positions adds the class token in front of the tokens of a grid, and the
// position embeddings. The tokens get a row of zeros there and the class token
// is a part of what is added to all images: its place needs no batch.
func (b *builder) positions(x string, from, to [2]int) string {
	tokens := to[0] * to[1]
	x = b.node("Pad", "embed.room", []string{x, b.ints(0, 1, 0, 0, 0, 0)})
	class := b.node("Pad", "embed.class", []string{"cls_token", b.ints(0, 0, 0, 0, tokens, 0)})
	positions := "pos_embed"
	if from != to {
		positions = b.node("MatMul", "pos_embed.resized", []string{b.resize(from, to), positions})
	}
	added := b.node("Add", "embed.added", []string{class, positions})
	return b.node("Add", "pos_embed.tokens", []string{x, added})
}

// resize adds the matrix that interpolates position embeddings of one grid for
// another: what becomes of unit vectors.
func (b *builder) resize(from, to [2]int) string {
	old, places := 1+from[0]*from[1], 1+to[0]*to[1]
	units := make([]float32, old*old)
	for i := range old {
		units[i*old+i] = 1
	}
	return b.constant(onnx.Tensor{
		Name:  fmt.Sprintf("resize.%dx%d.%dx%d", from[0], from[1], to[0], to[1]),
		Shape: []int{places, old}, F32: ops.ResizePositions(units, 1, old, from, to),
	})
}
