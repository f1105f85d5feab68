package layers

import (
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// NewLayerNorm makes a layer norm over c channels: weight 1, bias 0.
func NewLayerNorm(s *Store, prefix string, c int, eps float64) *ops.LayerNorm {
	return &ops.LayerNorm{
		Weight: s.Param(prefix+".weight", Constant(1), c),
		Bias:   s.Param(prefix+".bias", Constant(0), c),
		Eps:    eps,
	}
}

// Attention is multi-head self-attention with its norm and its residual.
type Attention struct {
	Norm                         *ops.LayerNorm
	Table                        *ops.Param // relative position bias, or nil
	QKV, QKVBias, Proj, ProjBias *ops.Param
	Heads                        int
	QKVInt8, ProjInt8            *ops.Int8Linear // the layers in 8 bits, or nil
}

// Feedforward is the MLP of a transformer block with its norm and its residual.
type Feedforward struct {
	Norm                       *ops.LayerNorm
	Fc1, Fc1Bias, Fc2, Fc2Bias *ops.Param
	Fc1Int8, Fc2Int8           *ops.Int8Linear // the layers in 8 bits, or nil
}

// Transformer is a pre-norm transformer block:
//
//	x = x + DropPath(Attention(norm1(x)));  x = x + DropPath(MLP(norm2(x)))
type Transformer struct {
	Name      string
	Attention Attention
	MLP       Feedforward
	DropPath  DropPath // its two branches draw their own numbers
}

// TransformerOptions are the sizes of a block.
type TransformerOptions struct {
	Channels, Hidden, Heads int
	QKVBias                 bool
	Window                  int     // side of the windows, for a relative position bias; 0 for none
	Eps1, Eps2              float64 // of the two norms
	DropPath                DropPath
	Weights                 Init // of the linear layers
}

// NewTransformer makes a block with the names of the official state dicts.
func NewTransformer(s *Store, prefix string, o TransformerOptions) *Transformer {
	c := o.Channels
	b := &Transformer{Name: prefix, DropPath: o.DropPath}
	linear := func(name string, out, in int, biased bool) (w, bias *ops.Param) {
		w = s.Param(prefix+name+".weight", o.Weights, out, in)
		if biased {
			bias = s.Param(prefix+name+".bias", Constant(0), out)
		}
		return w, bias
	}
	a := &b.Attention
	a.Heads = o.Heads
	a.Norm = NewLayerNorm(s, prefix+".norm1", c, o.Eps1)
	if o.Window > 0 {
		span := 2*o.Window - 1
		a.Table = s.Param(prefix+".attn.relative_position_bias_table", TruncatedNormal(0.02), span*span, o.Heads)
		n := o.Window * o.Window
		s.Index(prefix+".attn.relative_position_index", func() []int64 { return ops.RelativeIndex(o.Window) }, n, n)
	}
	a.QKV, a.QKVBias = linear(".attn.qkv", 3*c, c, o.QKVBias)
	a.Proj, a.ProjBias = linear(".attn.proj", c, c, true)
	m := &b.MLP
	m.Norm = NewLayerNorm(s, prefix+".norm2", c, o.Eps2)
	m.Fc1, m.Fc1Bias = linear(".mlp.fc1", o.Hidden, c, true)
	m.Fc2, m.Fc2Bias = linear(".mlp.fc2", c, o.Hidden, true)
	return b
}

// Forward keeps the shape [images, …, channels]; windows says which tokens attend to each other.
func (b *Transformer) Forward(p *Pass, x *gorgonia.Node, windows *ops.Windows) (*gorgonia.Node, error) {
	return b.ForwardSome(p, x, windows, func(x *gorgonia.Node) (*gorgonia.Node, error) { return x, nil })
}

// ForwardSome is Forward for some of the tokens: all attend and are attended to, and then pick adds
// an op that takes the tokens whose results are needed.
func (b *Transformer) ForwardSome(
	p *Pass,
	x *gorgonia.Node,
	windows *ops.Windows,
	pick func(x *gorgonia.Node) (*gorgonia.Node, error),
) (*gorgonia.Node, error) {
	defer p.Within(b.Name)()
	return p.Block(b.Name, func() (*gorgonia.Node, error) { return b.forward(p, x, windows, pick) })
}

func (b *Transformer) forward(
	p *Pass,
	x *gorgonia.Node,
	windows *ops.Windows,
	pick func(x *gorgonia.Node) (*gorgonia.Node, error),
) (*gorgonia.Node, error) {
	images := x.Shape()[0]
	a, m := b.Attention, b.MLP
	first, second := b.DropPath.Branch(0), b.DropPath.Branch(1)
	x, err := ops.AttentionBlock(p.Tape, x, ops.Attention{
		Name: b.Name + ".attn", Norm: a.Norm, QKV: a.QKV, QKVBias: a.QKVBias, Proj: a.Proj, ProjBias: a.ProjBias,
		Heads: a.Heads, Windows: windows, Table: a.Table, Keep: first.Forward(p, images),
		QKVInt8: a.QKVInt8, ProjInt8: a.ProjInt8,
		Watch: p.watchAs(b.Name, map[ops.BlockPart]ops.BlockPart{ops.NormedPart: Norm1, ops.HeadsPart: Heads}),
	})
	if err != nil {
		return nil, err
	}
	if x, err = pick(x); err != nil {
		return nil, err
	}
	return ops.MLPBlock(p.Tape, x, ops.MLP{
		Name: b.Name + ".mlp", Norm: m.Norm, Fc1: m.Fc1, Fc1Bias: m.Fc1Bias, Fc2: m.Fc2, Fc2Bias: m.Fc2Bias,
		Keep: second.Forward(p, images), Fc1Int8: m.Fc1Int8, Fc2Int8: m.Fc2Int8,
		Watch: p.watchAs(b.Name, map[ops.BlockPart]ops.BlockPart{
			ops.NormedPart: Norm2, ops.HiddenPart: Hidden, ops.ActivatedPart: Activated,
		}),
	})
}

// The names of values within a block, after the name of the block: what the first norm puts out,
// attention, the second norm, the first layer of the MLP without its bias, and GELU.
const (
	Norm1     ops.BlockPart = "norm1"
	Heads     ops.BlockPart = "attn.heads"
	Norm2     ops.BlockPart = "norm2"
	Hidden    ops.BlockPart = "mlp.fc1"
	Activated ops.BlockPart = "mlp.act"
)

// Normed is what the norm of a merging puts out.
const Normed ops.BlockPart = "norm"

// TokenEmbed cuts an image into patches: a convolution with bias, and a norm if
// it has one.
type TokenEmbed struct {
	Name         string
	Weight, Bias *ops.Param
	Norm         *ops.LayerNorm
	Int8         *ops.Int8Linear // the convolution in 8 bits, or nil
}

// NewTokenEmbed makes a patch embedding under "patch_embed"; normEps 0 means no norm.
func NewTokenEmbed(s *Store, in, out, size int, weights, bias Init, normEps float64) *TokenEmbed {
	const prefix = "patch_embed"
	e := &TokenEmbed{
		Name:   prefix,
		Weight: s.Param(prefix+".proj.weight", weights, out, in, size, size),
		Bias:   s.Param(prefix+".proj.bias", bias, out),
	}
	if normEps > 0 {
		e.Norm = NewLayerNorm(s, prefix+".norm", out, normEps)
	}
	return e
}

// Forward maps images [batch, height, width, in] to tokens [batch, height/size,
// width/size, out].
func (e *TokenEmbed) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within(e.Name)()
	return ops.PatchEmbed(p.Tape, x, ops.PatchEmbedding{
		Name: e.Name, Weight: e.Weight, Bias: e.Bias, Norm: e.Norm, Int8: e.Int8,
	})
}

// TokenMerging halves the sides of a map of tokens and doubles their channels.
type TokenMerging struct {
	Name      string
	Norm      *ops.LayerNorm
	Reduction *ops.Param
	Order     ops.MergeOrder
	Int8      *ops.Int8Linear // the reduction in 8 bits, or nil
}

// NewTokenMerging makes the transition after a stage of c channels.
func NewTokenMerging(s *Store, prefix string, c int, weights Init, eps float64) *TokenMerging {
	return &TokenMerging{
		Name:      prefix,
		Reduction: s.Param(prefix+".reduction.weight", weights, 2*c, 4*c),
		Norm:      NewLayerNorm(s, prefix+".norm", 4*c, eps),
		Order:     ops.SwinOrder,
	}
}

// Forward maps [batch, height, width, c] to [batch, height/2, width/2, 2·c].
func (m *TokenMerging) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within(m.Name)()
	return ops.PatchMerge(p.Tape, x, ops.Merging{
		Name: m.Name, Norm: m.Norm, Reduction: m.Reduction, Order: m.Order, Int8: m.Int8,
		Watch: p.watchAs(m.Name, map[ops.BlockPart]ops.BlockPart{ops.NormedPart: Normed}),
	})
}

// Classifier is a linear layer on features.
type Classifier struct {
	Weight, Bias *ops.Param
	Int8         *ops.Int8Linear // the layer in 8 bits, or nil
}

// NewClassifier makes it under "head".
func NewClassifier(s *Store, features, classes int, weights Init) *Classifier {
	return &Classifier{
		Weight: s.Param("head.weight", weights, classes, features),
		Bias:   s.Param("head.bias", Constant(0), classes),
	}
}

// Forward maps features [batch, features] to logits [batch, classes].
func (c *Classifier) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	p.tap(PreLogits, x)
	return dense(p, "head", x, c.Weight, c.Bias, c.Int8)
}
