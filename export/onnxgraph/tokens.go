package onnxgraph

import (
	"errors"
	"fmt"

	"fasternet/formats/onnx"
	"fasternet/ops"
)

// patchEmbed adds the cut of the images into tokens.
func patchEmbed(b *Builder, r Op, p ops.PatchEmbedding) (Value, error) {
	x, err := r.Input(b, MapLayout)
	if err != nil {
		return Value{}, err
	}
	v := ""
	if p.Int8 != nil {
		v = b.int8Patches(r, x.Name, p)
	} else {
		v = b.Conv(layerName(p.Weight), x.Name,
			Convolution{Weight: p.Weight, Bias: p.Bias, Stride: p.Weight.Shape()[2]})
		v = b.Reshape(p.Name+".flat", v, 0, r.Shape[3], tokens(r.Shape))
		v = b.Transpose(p.Name+".tokens", v, 0, 2, 1)
	}
	if p.Norm != nil {
		v = b.LayerNorm(layerName(p.Norm.Weight), v, p.Norm)
	}
	return Value{Name: v, Layout: TokenLayout}, nil
}

// int8Patches adds patchEmbed in 8 bits, without the norm: a linear layer on the values of each patch.
// Runtimes compute a Conv in integers only if its result is rounded too.
func (b *Builder) int8Patches(r Op, x string, p ops.PatchEmbedding) string {
	side, channels, h, w := p.Weight.Shape()[2], r.In[3], r.Shape[1], r.Shape[2]
	if r.In[1] != h*side { // the other pixels are in no patch
		x = b.Slice(p.Name+".rows", x, 2, 0, h*side)
	}
	if r.In[2] != w*side {
		x = b.Slice(p.Name+".columns", x, 3, 0, w*side)
	}
	x = b.Reshape(p.Name+".cut", x, 0, channels, h, side, w, side)
	x = b.Transpose(p.Name+".patches", x, 0, 2, 4, 1, 3, 5)
	x = b.Reshape(p.Name+".values", x, 0, h*w, channels*side*side)
	return b.linear(layerName(p.Weight), x, p.Weight, p.Bias, p.Int8)
}

// patchMerge adds the transition between two stages of Swin: the four neighbours next to each other in
// the order of ops.SwinOrder, column by column.
func patchMerge(b *Builder, r Op, m ops.Merging) (Value, error) {
	x, err := r.Input(b, TokenLayout)
	if err != nil {
		return Value{}, err
	}
	if m.Order != ops.SwinOrder {
		return Value{}, errors.New("its order of neighbours has no ONNX form")
	}
	h, w, dim := r.In[1], r.In[2], r.In[3]
	v := b.Reshape(m.Name+".map", x.Name, 0, h/2, 2, w/2, 2, dim)
	v = b.Transpose(m.Name+".neighbours", v, 0, 1, 3, 4, 2, 5)
	v = b.Reshape(m.Name+".merged", v, 0, h/2*w/2, 4*dim)
	v = b.LayerNorm(layerName(m.Norm.Weight), v, m.Norm)
	return Value{Name: b.linear(layerName(m.Reduction), v, m.Reduction, nil, m.Int8), Layout: TokenLayout}, nil
}

// tokenMean adds the mean over some tokens, or takes one of them.
func tokenMean(b *Builder, r Op, m ops.TokenMean) (Value, error) {
	x, err := r.Input(b, TokenLayout)
	if err != nil {
		return Value{}, err
	}
	if m.To-m.From == 1 {
		v := b.Slice(r.Name+".class", x.Name, 1, m.From, m.To)
		return Value{Name: b.Reshape(r.Name, v, 0, r.Shape[1]), Layout: FeatureLayout}, nil
	}
	v := b.Slice(r.Name+".patches", x.Name, 1, m.From, m.To)
	return Value{Name: b.meanTokens(r.Name, v), Layout: FeatureLayout}, nil
}

// embed adds class token and positions.
func embed(b *Builder, r Op, e ops.Embedding) (Value, error) {
	x, err := r.Input(b, TokenLayout)
	if err != nil {
		return Value{}, err
	}
	if e.Class == nil || e.Position == nil && e.Fixed == nil {
		return Value{}, errors.New("without a class token and positions it has no ONNX form")
	}
	return Value{Name: b.positions(x.Name, e, [2]int{r.In[1], r.In[2]}), Layout: TokenLayout}, nil
}

// positions adds the class token before the tokens of a grid, and the position embeddings. The tokens
// get a row of zeros for the class token, which is a part of what is added to all images, so that it
// needs no batch.
func (b *Builder) positions(x string, e ops.Embedding, to [2]int) string {
	from := e.Grid
	tokens := to[0] * to[1]
	x = b.Node("Pad", "embed.room", []string{x, b.Ints(0, 1, 0, 0, 0, 0)})
	class := b.Node("Pad", "embed.class", []string{b.Param(e.Class), b.Ints(0, 0, 0, 0, tokens, 0)})
	positions := "pos_embed" // for fixed positions too
	if e.Position != nil {
		positions = b.Param(e.Position)
	}
	if from != to {
		positions = b.Node("MatMul", "pos_embed.resized", []string{b.resize(from, to), positions})
	}
	added := b.Node("Add", "embed.added", []string{class, positions})
	return b.Node("Add", "pos_embed.tokens", []string{x, added})
}

// resize adds the matrix that interpolates position embeddings of one grid for another. Its columns are
// interpolated unit vectors.
func (b *Builder) resize(from, to [2]int) string {
	old, places := 1+from[0]*from[1], 1+to[0]*to[1]
	units := make([]float32, old*old)
	for i := range old {
		units[i*old+i] = 1
	}
	return b.Constant(onnx.Tensor{
		Name:  fmt.Sprintf("resize.%dx%d.%dx%d", from[0], from[1], to[0], to[1]),
		Shape: []int{places, old}, F32: ops.ResizePositions(units, 1, old, from, to, ops.Antialiased),
	})
}
