package localmim

import (
	"slices"

	"fasternet/configs"
	"fasternet/graph/vit"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// vitEncoder: a unit is a patch, and attention goes over the visible patches of an image.
func vitEncoder() Encoder {
	return Encoder{
		Family:      vit.Name,
		New:         newVisibleViT,
		NormEps:     func(m configs.Model) float64 { return archOf[vit.Config](m).NormEps },
		Tap:         "block",
		ClassTokens: 1,
		Draw:        DrawOrder,
		NewHead:     ConvHead,
	}
}

// visibleViT is a ViT without classifier.
type visibleViT struct {
	taps     []int
	embed    *layers.TokenEmbed
	class    *ops.Param
	position []float32 // [1, 1 + patches, C]
	blocks   []*layers.Transformer
}

func newVisibleViT(s *layers.Store, c *configs.Config) (Backbone, error) {
	m, err := configs.ArchOf[vit.Config](c.Model)
	if err != nil {
		return nil, err
	}
	side, chans := m.Side(c.Data.ImageSize), c.Model.InChans
	e := &visibleViT{taps: c.MIM.Taps}
	e.class = s.Param("cls_token", layers.Normal(0.02), 1, 1, m.EmbedDim)
	position := layers.Made(func() []float32 { return ops.SinCosPositions(1, m.EmbedDim, [2]int{side, side}) })
	e.position = s.Drawn("pos_embed", position, 1, 1+side*side, m.EmbedDim)
	e.embed = layers.NewTokenEmbed(
		s, chans, m.EmbedDim, m.PatchSize, layers.Xavier, layers.FanIn(chans*m.PatchSize*m.PatchSize), 0,
	)
	e.blocks = vit.NewBlocks(s, m, c.Model.DropPathRate, layers.Xavier)
	return e, nil
}

// Forward implements [Backbone].
func (e *visibleViT) Forward(p *layers.Pass, images *gorgonia.Node, v *Visible) ([]*gorgonia.Node, error) {
	x, err := e.embed.Forward(p, images)
	if err != nil {
		return nil, err
	}
	tokens, c := v.Class+v.Tokens(1), e.class.Size()
	leave := p.Within("pos_embed")
	x, err = ops.SelectTokens(p.Tape, x, ops.Selection{
		Name:     "visible",
		Index:    v.Select(1),
		Images:   v.Images,
		Shape:    tensor.Shape{v.Images, tokens, c},
		Token:    e.class,
		Position: e.position[c:],
		BySource: true,
	})
	leave()
	if err != nil {
		return nil, err
	}
	windows := ops.WholeImages(v.Images, tokens)
	var taps []*gorgonia.Node
	for i, b := range e.blocks {
		if x, err = b.Forward(p, x, windows); err != nil {
			return nil, err
		}
		if k := slices.Index(e.taps, i+1); k >= 0 {
			var tap *gorgonia.Node
			if x, tap, err = branch(p, k, x, i+1 == len(e.blocks)); err != nil {
				return nil, err
			}
			taps = append(taps, tap)
		}
	}
	return taps, nil
}
