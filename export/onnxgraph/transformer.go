package onnxgraph

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"fasternet/formats/onnx"
	"fasternet/kernels"
	"fasternet/ops"
)

// attended describes how the tokens of an attention are grouped.
type attended struct {
	dim, heads int
	windows    *windows // nil if all tokens of an image attend to each other
	tokens     int      // number of tokens that attend to each other: in an image, or in a window
}

// attentionBlock adds attention with its norm and its residual.
func attentionBlock(b *Builder, r Op, a ops.Attention) (Value, error) {
	x, err := r.Input(b, TokenLayout)
	if err != nil {
		return Value{}, err
	}
	o := attended{dim: r.Shape[len(r.Shape)-1], heads: a.Heads, tokens: tokens(r.Shape)}
	switch f := a.Windows.Form(); {
	case f.Whole && a.Table == nil:
	case f.Side > 0 && a.Table != nil:
		o.windows, o.tokens = newWindows(f.Height, f.Width, f.Side, f.Shift), f.Side*f.Side
	default:
		return Value{}, fmt.Errorf("its windows have no ONNX form")
	}
	v := b.LayerNorm(layerName(a.Norm.Weight), x.Name, a.Norm)
	if o.windows != nil {
		v = o.windows.cut(b, a.Name+".windows", v, o.dim)
	}
	v = b.attention(a, v, o)
	if o.windows != nil {
		v = o.windows.join(b, a.Name+".joined", v, o.dim)
	}
	return Value{Name: b.Node("Add", b.Name(parent(a.Name)+".attended"), []string{x.Name, v}), Layout: TokenLayout}, nil
}

// mlpBlock adds an MLP with its norm and its residual.
func mlpBlock(b *Builder, r Op, m ops.MLP) (Value, error) {
	x, err := r.Input(b, TokenLayout)
	if err != nil {
		return Value{}, err
	}
	v := b.LayerNorm(layerName(m.Norm.Weight), x.Name, m.Norm)
	v = b.linear(layerName(m.Fc1), v, m.Fc1, m.Fc1Bias, m.Fc1Int8)
	v = b.Activation(m.Name+".act", v, kernels.GELU)
	v = b.linear(layerName(m.Fc2), v, m.Fc2, m.Fc2Bias, m.Fc2Int8)
	return Value{
		Name:   b.Node("Add", b.Name(cmp.Or(parent(m.Name), m.Name)), []string{x.Name, v}),
		Layout: TokenLayout,
	}, nil
}

// normalise adds a layer norm over the channels.
func normalise(b *Builder, r Op, n ops.Normalisation) (Value, error) {
	x, err := r.Input(b, TokenLayout, FeatureLayout)
	if err != nil {
		return Value{}, err
	}
	return Value{Name: b.LayerNorm(b.Name(r.Name), x.Name, n.LayerNorm), Layout: x.Layout}, nil
}

// attention adds the attention of tokens [batch, tokens, dim], or of tokens in windows [batch, windows,
// tokens, dim]. The batch stays the first dimension everywhere, so that its name is not lost.
func (b *Builder) attention(a ops.Attention, x string, o attended) string {
	name := a.Name
	lead := []int{0}
	if o.windows != nil {
		lead = append(lead, o.windows.count())
	}
	n, at := o.tokens, len(lead)
	depth := o.dim / o.heads
	x = b.linear(name+".qkv", x, a.QKV, a.QKVBias, a.QKVInt8)
	parts := b.Split(name+".split", x, -1, o.dim, o.dim, o.dim)
	// order keeps the leading axes, then puts the middle one of the three axes after them, then
	// the two named ones.
	order := func(second, third int) []int {
		return append([]int{0, 1}[:at:at], at+1, at+second, at+third)
	}
	heads := func(part string, i int, perm []int) string {
		v := b.Reshape(name+part+".heads", parts[i], append(slices.Clone(lead), n, o.heads, depth)...)
		return b.Transpose(name+part, v, perm...)
	}
	q := heads(".q", 0, order(0, 2))
	k := heads(".k", 1, order(2, 0))
	v := heads(".v", 2, order(0, 2))
	scale := b.Scalar(fmt.Sprintf("scale.%d", depth), float32(1/math.Sqrt(float64(depth))))
	q = b.Node("Mul", name+".scaled", []string{q, scale})
	p := b.Node("MatMul", name+".products", []string{q, k})
	if o.windows != nil {
		p = o.windows.bias(b, name, p, a.Table)
	}
	p = b.Node("Softmax", name+".softmax", []string{p}, onnx.Int("axis", -1))
	v = b.Node("MatMul", name+".values", []string{p, v})
	v = b.Transpose(name+".merged", v, order(0, 2)...)
	v = b.Reshape(name+".flat", v, append(slices.Clone(lead), n, o.dim)...)
	return b.linear(name+".proj", v, a.Proj, a.ProjBias, a.ProjInt8)
}
