package onnxgraph

import (
	"errors"
	"fmt"

	"fasternet/formats/onnx"
	"fasternet/ops"
)

// patchEmbed cuts the images into tokens.
func patchEmbed(b *builder, r ops.Recorded, x value) (value, error) {
	p := r.About.(ops.PatchEmbedding)
	if err := x.want(mapLayout); err != nil {
		return value{}, err
	}
	size := p.Weight.Shape()[2]
	v := b.conv(layerName(p.Weight), x.name, size, size, 0)
	v = b.reshape(p.Name+".flat", v, 0, r.Shape[3], tokens(r.Shape))
	v = b.transpose(p.Name+".tokens", v, 0, 2, 1)
	if p.Norm != nil {
		v = b.layerNorm(layerName(p.Norm.Weight), v, p.Norm.Eps)
	}
	return value{v, tokenLayout}, nil
}

// patchMerge is the transition between two stages of Swin: the four neighbours side by
// side in the order of ops.SwinOrder, column by column.
func patchMerge(b *builder, r ops.Recorded, x value) (value, error) {
	m := r.About.(ops.Merging)
	if err := x.want(tokenLayout); err != nil {
		return value{}, err
	}
	if m.Order != ops.SwinOrder {
		return value{}, errors.New("its order of neighbours has no ONNX form")
	}
	h, w, dim := r.In[1], r.In[2], r.In[3]
	v := b.reshape(m.Name+".map", x.name, 0, h/2, 2, w/2, 2, dim)
	v = b.transpose(m.Name+".neighbours", v, 0, 1, 3, 4, 2, 5)
	v = b.reshape(m.Name+".merged", v, 0, h/2*w/2, 4*dim)
	return value{b.linear(layerName(m.Reduction), b.layerNorm(layerName(m.Norm.Weight), v, m.Norm.Eps)), tokenLayout}, nil
}

// tokenMean is the mean over some tokens, or one of them.
func tokenMean(b *builder, r ops.Recorded, x value) (value, error) {
	m := r.About.(ops.TokenMean)
	if err := x.want(tokenLayout); err != nil {
		return value{}, err
	}
	if m.To-m.From == 1 {
		v := b.slice(r.Name+".class", x.name, 1, m.From, m.To)
		return value{b.reshape(r.Name, v, 0, r.Shape[1]), featureLayout}, nil
	}
	v := b.slice(r.Name+".patches", x.name, 1, m.From, m.To)
	return value{b.meanTokens(r.Name, v), featureLayout}, nil
}

// embed adds class token and positions.
func embed(b *builder, r ops.Recorded, x value) (value, error) {
	e := r.About.(ops.Embedding)
	if err := x.want(tokenLayout); err != nil {
		return value{}, err
	}
	if e.Class == nil || e.Position == nil && e.Fixed == nil {
		return value{}, errors.New("without a class token and positions it has no ONNX form")
	}
	return value{b.positions(x.name, e, [2]int{r.In[1], r.In[2]}), tokenLayout}, nil
}

// positions adds the class token in front of the tokens of a grid, and the
// position embeddings. The tokens get a row of zeros there and the class token
// is a part of what is added to all images: its place needs no batch.
func (b *builder) positions(x string, e ops.Embedding, to [2]int) string {
	from := e.Grid
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
		Shape: []int{places, old}, F32: ops.ResizePositions(units, 1, old, from, to, ops.Antialiased),
	})
}
