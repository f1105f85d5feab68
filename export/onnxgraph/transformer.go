package onnxgraph

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/formats/onnx"
	"fasternet/ops"
)

// attended is how the tokens of an attention lie.
type attended struct {
	dim, heads int
	windows    *windows // nil where all tokens of an image attend to each other
	tokens     int      // that attend to each other: of an image, or of a window
}

// attentionBlock is attention with its norm and its residual.
func attentionBlock(b *builder, r ops.Recorded, x value) (value, error) {
	a := r.About.(ops.Attention)
	if err := x.want(tokenLayout); err != nil {
		return value{}, err
	}
	o := attended{dim: r.Shape[len(r.Shape)-1], heads: a.Heads, tokens: tokens(r.Shape)}
	switch f := a.Windows.Form(); {
	case f.Whole && a.Table == nil:
	case f.Side > 0 && a.Table != nil:
		o.windows, o.tokens = newWindows(f.Height, f.Width, f.Side, f.Shift), f.Side*f.Side
	default:
		return value{}, fmt.Errorf("its windows have no ONNX form")
	}
	v := b.layerNorm(layerName(a.Norm.Weight), x.name, a.Norm.Eps)
	if o.windows != nil {
		v = o.windows.cut(b, a.Name+".windows", v, o.dim)
	}
	v = b.attention(a.Name, v, o)
	if o.windows != nil {
		v = o.windows.join(b, a.Name+".joined", v, o.dim)
	}
	return value{b.node("Add", parent(a.Name)+".attended", []string{x.name, v}), tokenLayout}, nil
}

// mlpBlock is an MLP with its norm and its residual.
func mlpBlock(b *builder, r ops.Recorded, x value) (value, error) {
	m := r.About.(ops.MLP)
	if err := x.want(tokenLayout); err != nil {
		return value{}, err
	}
	v := b.layerNorm(layerName(m.Norm.Weight), x.name, m.Norm.Eps)
	v = b.linear(layerName(m.Fc1), v)
	v = b.gelu(m.Name+".act", v)
	v = b.linear(layerName(m.Fc2), v)
	return value{b.node("Add", parent(m.Name), []string{x.name, v}), tokenLayout}, nil
}

// parent is the part that a layer is in: "blocks.0" for "blocks.0.mlp".
func parent(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// normalise is a layer norm over the channels.
func normalise(b *builder, r ops.Recorded, x value) (value, error) {
	if err := x.want(tokenLayout, featureLayout); err != nil {
		return value{}, err
	}
	return value{b.layerNorm(r.Name, x.name, r.About.(ops.Normalisation).Eps), x.layout}, nil
}

// attention adds the attention of tokens [batch, tokens, dim], or of tokens of
// windows [batch, windows, tokens, dim]. The batch stays the first dimension
// everywhere, so that its name is not lost.
func (b *builder) attention(name, x string, o attended) string {
	lead := []int{0}
	if o.windows != nil {
		lead = append(lead, o.windows.count())
	}
	n, at := o.tokens, len(lead)
	depth := o.dim / o.heads
	x = b.linear(name+".qkv", x)
	parts := b.split(name+".split", x, -1, o.dim, o.dim, o.dim)
	// order keeps the axes of lead and puts the middle one of the three behind
	// them first, then the two named.
	order := func(second, third int) []int {
		return append([]int{0, 1}[:at:at], at+1, at+second, at+third)
	}
	heads := func(part string, i int, perm []int) string {
		v := b.reshape(name+part+".heads", parts[i], append(slices.Clone(lead), n, o.heads, depth)...)
		return b.transpose(name+part, v, perm...)
	}
	q := heads(".q", 0, order(0, 2))
	k := heads(".k", 1, order(2, 0))
	v := heads(".v", 2, order(0, 2))
	q = b.node("Mul", name+".scaled", []string{q, b.scalar(fmt.Sprintf("scale.%d", depth), float32(1/math.Sqrt(float64(depth))))})
	p := b.node("MatMul", name+".products", []string{q, k})
	if o.windows != nil {
		p = o.windows.bias(b, name, p)
	}
	p = b.node("Softmax", name+".softmax", []string{p}, onnx.Int("axis", -1))
	v = b.node("MatMul", name+".values", []string{p, v})
	v = b.transpose(name+".merged", v, order(0, 2)...)
	v = b.reshape(name+".flat", v, append(slices.Clone(lead), n, o.dim)...)
	return b.linear(name+".proj", v)
}

// linear adds a linear layer over the last axis, with a bias if there is a
// parameter name.bias. Runtimes transpose a weight once, when they load it.
func (b *builder) linear(name, x string) string {
	w := b.transpose(name+".transposed", name+".weight", 1, 0)
	if !b.has(name + ".bias") {
		return b.node("MatMul", name, []string{x, w})
	}
	x = b.node("MatMul", name+".product", []string{x, w})
	return b.node("Add", name, []string{x, name + ".bias"})
}

// layerNorm adds a layer norm over the last axis. It is an operator from opset
// 17 on; before that its parts, in the form that runtimes know and fuse.
func (b *builder) layerNorm(name, x string, eps float64) string {
	weight, bias := name+".weight", name+".bias"
	if b.opset >= 17 {
		return b.node("LayerNormalization", name, []string{x, weight, bias}, onnx.Int("axis", -1), onnx.Float("epsilon", float32(eps)))
	}
	mean := func(part, x string) string {
		return b.node("ReduceMean", name+part, []string{x}, onnx.Ints("axes", -1), onnx.Int("keepdims", 1))
	}
	d := b.node("Sub", name+".centred", []string{x, mean(".mean", x)})
	v := b.node("Pow", name+".squares", []string{d, b.scalar("norm.two", 2)})
	v = b.node("Add", name+".epsilon", []string{mean(".variance", v), b.scalar(fmt.Sprintf("epsilon.%g", eps), float32(eps))})
	v = b.node("Sqrt", name+".deviation", []string{v})
	v = b.node("Div", name+".normal", []string{d, v})
	v = b.node("Mul", name+".weighted", []string{v, weight})
	return b.node("Add", name, []string{v, bias})
}

// meanTokens adds the mean over the tokens of x [batch, tokens, dim].
func (b *builder) meanTokens(name, x string) string {
	return b.node("ReduceMean", name, []string{x}, onnx.Ints("axes", 1), onnx.Int("keepdims", 0))
}
