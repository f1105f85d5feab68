// Package vit is the family of vision transformers (Dosovitskiy et al., 2021): its section of the
// configuration, its forward pass, attention maps, positions for other image sizes, and the formats
// in which other programs store its weights.
package vit

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Model is the vision transformer of Dosovitskiy et al. (2021) in the form of MAE and LocalMIM: a
// class token, position embeddings, pre-norm blocks. The classifier sees the mean of the patches
// (global_pool) or the class token. The final norm works on this vector, or on every token before
// the pool (norm_before_pool).
type Model struct {
	graph.Base[Config]
	graph.Int8Layers
	grid      [2]int // that the position embeddings are for
	embed     *layers.TokenEmbed
	embedding ops.Embedding
	blocks    []*layers.Transformer
	norm      *ops.LayerNorm
	head      *layers.Classifier
}

// New makes a model with parameters drawn from the seed, and position embeddings for images of the
// given size; for other sizes they are interpolated. The configuration must have passed the checks
// of package configs, and have the number of classes.
//
// Initialisation as in timm 0.4.12: linear layers, class token and positions truncated normal, the
// patch embedding as PyTorch's convolutions.
func New(c configs.Model, imageSize int, seed uint64) (*Model, error) {
	return graph.Make[*Model](Family(), c, imageSize, layers.NewStore(seed, c.InitStd))
}

func newModel(c configs.Model, imageSize int, s *layers.Store) (*Model, error) {
	base, err := graph.NewBase[Config](c, s)
	if err != nil {
		return nil, err
	}
	a := base.Arch()
	side := a.Side(imageSize)
	if side < 1 {
		return nil, fmt.Errorf("vit: images of %d pixels are smaller than a patch of %d", imageSize, a.PatchSize)
	}
	m := &Model{Base: base, grid: [2]int{side, side}}
	normal, dim := layers.TruncatedNormal(c.InitStd), a.EmbedDim
	m.embedding = ops.Embedding{Name: "pos_embed", Class: s.Param("cls_token", normal, 1, 1, dim), Grid: m.grid}
	tokens := 1 + side*side
	sincos := layers.Made(func() []float32 { return ops.SinCosPositions(1, dim, m.grid) })
	switch a.PosEmbed {
	case "fixed":
		m.embedding.Fixed = s.Drawn("pos_embed", sincos, 1, tokens, dim)
	case "sincos":
		m.embedding.Position = s.Param("pos_embed", sincos, 1, tokens, dim)
	case "learned":
		m.embedding.Position = s.Param("pos_embed", normal, 1, tokens, dim)
	default:
		return nil, fmt.Errorf("vit: model.pos_embed: want learned, sincos or fixed, got %q", a.PosEmbed)
	}
	conv := layers.FanIn(c.InChans * a.PatchSize * a.PatchSize)
	m.embed = layers.NewTokenEmbed(s, c.InChans, dim, a.PatchSize, conv, conv, 0)
	m.blocks = NewBlocks(s, a, c.DropPathRate, normal)
	// The order of the official state dicts.
	name := m.finalNorm()
	if name == "norm" {
		m.norm = layers.NewLayerNorm(s, name, dim, a.NormEps)
	}
	m.head = layers.NewClassifier(s, dim, c.NumClasses, normal)
	if name == "fc_norm" {
		m.norm = layers.NewLayerNorm(s, name, dim, a.NormEps)
	}
	return m, nil
}

// pool is the name of the op that takes the mean of the patches, or the class token.
const pool = "pool"

// finalNorm returns the name of the norm after the blocks. Before a pool over the class token alone
// it is the same as after it.
func (m *Model) finalNorm() string {
	if m.Arch().GlobalPool && !m.Arch().NormBeforePool {
		return "fc_norm"
	}
	return "norm"
}

// NewBlocks makes the blocks of a ViT, with linear layers initialised as given.
func NewBlocks(s *layers.Store, a Config, dropPathRate float64, weights layers.Init) []*layers.Transformer {
	var blocks []*layers.Transformer
	rates := layers.DropPathRates(dropPathRate, a.Depth)
	for i := range a.Depth {
		blocks = append(blocks, layers.NewTransformer(s, fmt.Sprintf("blocks.%d", i), layers.TransformerOptions{
			Channels: a.EmbedDim,
			Hidden:   int(float64(a.EmbedDim) * a.MLPRatio),
			Heads:    a.NumHeads[0],
			QKVBias:  a.QKVBias,
			Eps1:     a.NormEps,
			Eps2:     a.NormEps,
			DropPath: layers.DropPath{Block: i, Rate: rates[i]},
			Weights:  weights,
		}))
	}
	return blocks
}

// Grid returns the height and width in patches of the position embeddings.
func (m *Model) Grid() [2]int { return m.grid }

// Forward implements [graph.Model].
func (m *Model) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	p.Layer(0)
	x, err := m.embed.Forward(p, x)
	if err != nil {
		return nil, err
	}
	leave := p.Within("pos_embed")
	x, err = ops.Embed(p.Tape, x, m.embedding)
	leave()
	if err != nil {
		return nil, err
	}
	images, tokens := x.Shape()[0], x.Shape()[1]
	windows := ops.WholeImages(images, tokens)
	for i, b := range m.blocks {
		if i+1 == len(m.blocks) {
			p.TapTokens(x)
		}
		p.Layer(i + 1)
		if x, err = b.Forward(p, x, windows); err != nil {
			return nil, err
		}
	}
	p.Layer(len(m.blocks) + 1)
	defer p.Within("head")()
	from, to := 0, 1 // the class token
	if m.Arch().GlobalPool {
		from, to = 1, tokens
	}
	normFirst := m.Arch().GlobalPool && m.Arch().NormBeforePool
	if normFirst {
		if x, err = ops.Normalise(p.Tape, m.finalNorm(), x, m.norm); err != nil {
			return nil, err
		}
	}
	if x, err = ops.MeanTokens(p.Tape, pool, x, from, to); err != nil {
		return nil, err
	}
	p.TapPooled(x)
	if !normFirst {
		if x, err = ops.Normalise(p.Tape, m.finalNorm(), x, m.norm); err != nil {
			return nil, err
		}
	}
	return m.head.Forward(p, x)
}

// Family describes vision transformers for package graph.
func Family() graph.Family {
	return graph.Family{
		Config: family(), Weights: weights(),
		New: graph.Maker(newModel),
		Counted: func(c configs.Model) configs.Model { // fixed position embeddings count as learned ones
			a, ok := c.Arch.(Config)
			if ok {
				a.PosEmbed = "learned"
				c.Arch = a
			}
			return c
		},
	}
}
