package localmim

import (
	"fmt"

	"fasternet/configs"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// localDecoder predicts the targets of one scale from the visible tokens of a tap. It embeds them,
// puts them back into their places with mask tokens in the gaps, adds positions, and runs
// transformer blocks and a head.
type localDecoder struct {
	name      string
	scale     configs.MIMScale
	class     int
	unit      int // tokens of the decoder along a side of a unit
	together  int // tokens of the encoder along a side of a token of the decoder
	embed     linearLayer
	maskToken *ops.Param
	position  []float32 // [1, class + tokens, C]
	blocks    []*layers.Transformer
	norm      *ops.LayerNorm
	head      []ops.Projection // the first one has norm before it, unless the tokens are pooled
	cells     []int32          // that the rows of the predictions belong to
}

type linearLayer struct{ weight, bias *ops.Param }

func newLocalDecoder(
	s *layers.Store, prefix string, c *configs.Config, scale configs.MIMScale, encoder Encoder,
) (*localDecoder, error) {
	dim, side, class, eps := scale.DecoderDim, scale.Tokens, encoder.ClassTokens, encoder.NormEps(c.Model)
	units, _ := c.MIMUnits()
	d := &localDecoder{
		name:     prefix,
		scale:    scale,
		class:    class,
		unit:     side / units,
		together: scale.UnitTokens * units / side,
	}
	d.maskToken = s.Param(prefix+".mask_token", layers.Normal(0.02), 1, 1, dim)
	position := layers.Made(func() []float32 { return ops.SinCosPositions(class, dim, [2]int{side, side}) })
	d.position = s.Drawn(prefix+".pos_embed", position, 1, class+side*side, dim)
	d.embed = linearLayer{
		s.Param(prefix+".embed.weight", layers.Xavier, dim, scale.Dim*d.together*d.together),
		s.Param(prefix+".embed.bias", layers.Constant(0), dim),
	}
	for i := range c.MIM.DecoderDepth {
		name := fmt.Sprintf("%s.blocks.%d", prefix, i)
		d.blocks = append(d.blocks, layers.NewTransformer(s, name, layers.TransformerOptions{
			Channels: dim,
			Hidden:   int(float64(dim) * c.MIM.DecoderMLPRatio),
			Heads:    c.MIM.DecoderHeads,
			QKVBias:  true,
			Eps1:     eps,
			Eps2:     eps,
			DropPath: layers.DropPath{},
			Weights:  layers.Xavier,
		}))
	}
	d.norm = layers.NewLayerNorm(s, prefix+".norm", dim, eps)
	var err error
	d.head, err = encoder.NewHead(s, prefix+".pred", scale, d.norm)
	return d, err
}

// predicted returns the cells, in raster order, that the rows of an image's predictions belong to.
// A token becomes 1, 4 or 16 of them, one square within the other. Rows of class tokens predict
// nothing.
func (d *localDecoder) predicted() []int32 {
	side, grid, class := d.scale.Tokens, d.scale.Grid, d.class
	if d.scale.Factor < 1 {
		side, class = grid, 0
	}
	n := int(max(d.scale.Factor, 1))
	cells := make([]int32, 0, (class+side*side)*n*n)
	for range class * n * n {
		cells = append(cells, -1)
	}
	for y := range side {
		for x := range side {
			for i := range n * n { // the bits of i, in pairs: row and column, the larger square first
				dy, dx := 0, 0
				for shift := n * n / 4; shift > 0; shift /= 4 {
					q := i / shift % 4
					dy, dx = 2*dy+q/2, 2*dx+q%2
				}
				cells = append(cells, int32((y*n+dy)*grid+x*n+dx))
			}
		}
	}
	return cells
}

// cellsOf returns the cells of some tokens of each image, which change from run to run.
func (d *localDecoder) cellsOf(tokens []int32, v *Visible) []int32 {
	n := int(d.scale.Factor * d.scale.Factor)
	cells := make([]int32, n*len(tokens))
	v.OnChange(func() error {
		for i, t := range tokens {
			copy(cells[i*n:(i+1)*n], d.cells[int(t)*n:])
		}
		return nil
	})
	return cells
}

// forward maps the normalised tokens of its tap to predictions [images, rows, values], and returns
// the cells of the rows. With maskedOnly there are no predictions of visible units in training,
// because nothing is learned from them.
func (d *localDecoder) forward(
	p *layers.Pass, x *gorgonia.Node, v *Visible, maskedOnly bool,
) (_ *gorgonia.Node, cells []int32, err error) {
	defer p.Within(d.name)()
	if n := d.together * d.together; n > 1 { // the tokens of a unit follow one another
		if x, err = ops.Reshape(p.Tape, d.name+".units", x, v.Images, v.Units, n*d.scale.Dim); err != nil {
			return nil, nil, err
		}
	}
	x, err = ops.Project(p.Tape, x, ops.Projection{Name: d.name + ".embed", Weight: d.embed.weight, Bias: d.embed.bias})
	if err != nil {
		return nil, nil, err
	}
	side := d.scale.Tokens
	tokens := d.class + side*side
	x, err = ops.SelectTokens(p.Tape, x, ops.Selection{
		Name:     d.name + ".restore",
		Index:    v.Restore(d.unit),
		Images:   v.Images,
		Shape:    tensor.Shape{v.Images, tokens, d.scale.DecoderDim},
		Token:    d.maskToken,
		Position: d.position,
	})
	if err != nil {
		return nil, nil, err
	}
	windows := ops.WholeImages(v.Images, tokens)
	cells = d.cells
	pick := func(x *gorgonia.Node) (*gorgonia.Node, error) { return x, nil }
	if maskedOnly && p.Train && d.scale.Factor >= 1 {
		masked := v.Masked(d.unit)
		cells = d.cellsOf(masked, v)
		pick = func(x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.SelectTokens(p.Tape, x, ops.Selection{
				Name:   d.name + ".masked",
				Index:  masked,
				Images: v.Images,
				Shape:  tensor.Shape{v.Images, len(masked) / v.Images, d.scale.DecoderDim},
			})
		}
	}
	for i, b := range d.blocks {
		if i+1 < len(d.blocks) {
			x, err = b.Forward(p, x, windows)
		} else {
			x, err = b.ForwardSome(p, x, windows, pick)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if d.scale.Factor < 1 {
		if x, err = ops.Normalise(p.Tape, d.name+".norm", x, d.norm); err != nil {
			return nil, nil, err
		}
		if x, err = ops.AvgPoolTokens(p.Tape, d.name+".pred.0", x, d.class, side, side); err != nil {
			return nil, nil, err
		}
	}
	for _, h := range d.head {
		if x, err = ops.Project(p.Tape, x, h); err != nil {
			return nil, nil, err
		}
	}
	return x, cells, nil
}
