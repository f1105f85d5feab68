package localmim

import (
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Model is masked image modelling with local multi-scale reconstruction (Wang
// et al., CVPR 2023): a ViT or a Swin that sees only the visible patches, and
// behind several of its layers a decoder of their own, which predicts what was
// masked, finer from lower layers than from upper ones. Its state dict is the
// official one.
type Model struct {
	config   *configs.Config
	store    *layers.Store
	scales   []configs.MIMScale
	encoder  visibleEncoder
	norms    []*ops.LayerNorm // of the taps
	decoders []*localDecoder
	biases   [][2]float32 // of the HOG targets
}

// visibleEncoder is a backbone on the visible tokens of images.
type visibleEncoder interface {
	// forward returns the values at the taps: [images, tokens, C], or with more axes
	// whose rows are the tokens of one image after the other.
	forward(p *layers.Pass, images *gorgonia.Node, v *visible) ([]*gorgonia.Node, error)
	// classes is the number of class tokens in front of an image's.
	classes() int
}

// New makes a model with parameters drawn from the seed. The
// configuration must have passed the checks of package configs, with task
// localmim.
//
// Initialisation as in the official code: linear layers and the patch embedding
// Xavier uniform; tokens normal; the convolutions of the decoders as PyTorch
// does.
func New(c *configs.Config, seed uint64) (*Model, error) {
	parameters, err := graph.Parameters(c.Model, c.Data.ImageSize, false)
	if err != nil {
		return nil, err
	}
	if err := graph.CheckMemory(parameters + decoderValues(c)); err != nil {
		return nil, err
	}
	m := &Model{config: c, store: layers.NewStore(seed, c.Model.InitStd), scales: c.MIMScales()}
	s := m.store
	switch c.Model.Name {
	case "swin":
		s.Prefix = "encoder."
		m.encoder, err = newVisibleSwin(s, c)
	case "vit":
		m.encoder = newVisibleViT(s, c)
	default:
		err = fmt.Errorf("localmim: model.name: want vit or swin, got %q", c.Model.Name)
	}
	if err != nil {
		return nil, err
	}
	for k, scale := range m.scales {
		m.norms = append(m.norms, layers.NewLayerNorm(s, fmt.Sprintf("norm.%d", k), scale.Dim, c.Model.NormEps))
	}
	s.Prefix = ""
	for k, scale := range m.scales {
		d := newLocalDecoder(s, fmt.Sprintf("decoder.%d", k), c, scale, m.encoder.classes())
		d.cells = d.predicted()
		m.decoders = append(m.decoders, d)
	}
	if c.MIM.Target == "hog" {
		for k := range m.scales {
			m.biases = append(m.biases, hogBuffers(s, k, c.MIM.HOGBias))
		}
	}
	return m, nil
}

// hogBuffers adds the filters of the targets, which the official checkpoints
// have, and their bias: random numbers that stay what they are.
func hogBuffers(s *layers.Store, k int, biased bool) (bias [2]float32) {
	sobel := []float32{1, 0, -1, 2, 0, -2, 1, 0, -1, 1, 2, 1, 0, 0, 0, -1, -2, -1}
	s.Drawn(fmt.Sprintf("hog_enc.%d.conv.weight", k), layers.Values(sobel), 2, 1, 3, 3)
	if biased {
		copy(bias[:], s.Drawn(fmt.Sprintf("hog_enc.%d.conv.bias", k), layers.Uniform(1.0/3), 2))
	}
	return bias
}

// Store holds the parameters and buffers under their official names.
func (m *Model) Store() *layers.Store { return m.store }

// Channels is the number of channels of an image.
func (m *Model) Channels() int { return m.config.Model.InChans }

// Config is the configuration that the model was made of.
func (m *Model) Config() *configs.Config { return m.config }

// Scales are the scales that it reconstructs.
func (m *Model) Scales() []configs.MIMScale { return slices.Clone(m.scales) }

// HOGBias is the constant that is added to the gradients for the targets of
// scale k; zeros without one. It is part of the state: a checkpoint may change
// it.
func (m *Model) HOGBias(k int) (bias [2]float32) {
	if e, ok := m.store.Lookup(fmt.Sprintf("hog_enc.%d.conv.bias", k)); ok {
		copy(bias[:], e.Buffer)
	}
	return bias
}

// forward adds the model to a graph: the loss and the predictions.
func (m *Model) forward(p *layers.Pass, images *gorgonia.Node, v *visible, targets, weights []*gorgonia.Node) (*ops.Reconstructions, []*gorgonia.Node, error) {
	taps, err := m.encoder.forward(p, images, v)
	if err != nil {
		return nil, nil, err
	}
	var list []ops.Reconstruction
	var predictions []*gorgonia.Node
	for k, x := range taps {
		name := fmt.Sprintf("norm.%d", k)
		leave := p.Within(name)
		x, err = ops.Normalise(p.Tape, name, x, m.norms[k])
		leave()
		if err != nil {
			return nil, nil, err
		}
		if p.Tap != nil {
			p.Tap(fmt.Sprintf("latent%d", k+1), x)
		}
		if x, err = m.decoders[k].forward(p, x, v, k); err != nil {
			return nil, nil, err
		}
		predictions = append(predictions, x)
		list = append(list, ops.Reconstruction{
			Name: fmt.Sprintf("%d", k+1), Prediction: x, Target: targets[k], Weight: weights[k], Cells: m.decoders[k].cells,
		})
	}
	loss, err := ops.ReconstructionLoss(p.Tape, list)
	return loss, predictions, err
}

// branch splits a tap off the way ahead, which ends at the last layer.
func branch(p *layers.Pass, k int, x *gorgonia.Node, last bool) (ahead, tap *gorgonia.Node, err error) {
	if last {
		return x, x, nil
	}
	return ops.Branch(p.Tape, fmt.Sprintf("tap.%d", k), x)
}

// visibleViT is a ViT without classifier.
type visibleViT struct {
	taps     []int
	embed    *layers.TokenEmbed
	class    *ops.Param
	position []float32 // [1, 1 + patches, C]
	blocks   []*layers.Transformer
}

func newVisibleViT(s *layers.Store, c *configs.Config) *visibleViT {
	m, side := c.Model, c.Model.Side(c.Data.ImageSize)
	e := &visibleViT{taps: c.MIM.Taps}
	e.class = s.Param("cls_token", layers.Normal(0.02), 1, 1, m.EmbedDim)
	e.position = s.Drawn("pos_embed", layers.Made(func() []float32 { return ops.SinCosPositions(1, m.EmbedDim, [2]int{side, side}) }), 1, 1+side*side, m.EmbedDim)
	e.embed = layers.NewTokenEmbed(s, m.InChans, m.EmbedDim, m.PatchSize, layers.Xavier, layers.FanIn(m.InChans*m.PatchSize*m.PatchSize), 0)
	e.blocks = vit.NewBlocks(s, m, layers.Xavier)
	return e
}

func (e *visibleViT) classes() int { return 1 }

func (e *visibleViT) forward(p *layers.Pass, images *gorgonia.Node, v *visible) ([]*gorgonia.Node, error) {
	x, err := e.embed.Forward(p, images)
	if err != nil {
		return nil, err
	}
	batch, tokens, c := v.images, 1+v.tokens(0), e.class.Size()
	leave := p.Within("pos_embed")
	x, err = ops.SelectTokens(p.Tape, x, ops.Selection{
		Name: "visible", Index: v.entrance, Images: batch, Shape: tensor.Shape{batch, tokens, c}, Token: e.class, Position: e.position[c:], BySource: true,
	})
	leave()
	if err != nil {
		return nil, err
	}
	windows := ops.WholeImages(batch, tokens)
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

// visibleSwin is a Swin without classifier. Its visible tokens are in the order
// of the units, so that the tokens of a unit are a small map of their own, and
// merging acts within it.
type visibleSwin struct {
	taps   []int
	embed  *layers.TokenEmbed
	stages []swin.Stage
}

func newVisibleSwin(s *layers.Store, c *configs.Config) (*visibleSwin, error) {
	m, eps := c.Model, 0.0
	if m.PatchNorm {
		eps = m.NormEps
	}
	e := &visibleSwin{taps: c.MIM.Taps}
	e.embed = layers.NewTokenEmbed(s, m.InChans, m.EmbedDim, m.PatchSize, layers.Xavier, layers.FanIn(m.InChans*m.PatchSize*m.PatchSize), eps)
	var err error
	if e.stages, err = swin.NewStages(s, m, c.Data.ImageSize, layers.Xavier); err != nil {
		return nil, err
	}
	if c.MIM.MergeOrder == "official" {
		for _, stage := range e.stages {
			if stage.Merge != nil {
				stage.Merge.Order = ops.RasterOrder
			}
		}
	}
	return e, nil
}

func (e *visibleSwin) classes() int { return 0 }

func (e *visibleSwin) forward(p *layers.Pass, images *gorgonia.Node, v *visible) ([]*gorgonia.Node, error) {
	x, err := e.embed.Forward(p, images)
	if err != nil {
		return nil, err
	}
	s := x.Shape()
	units, r := v.images*v.units, v.unit
	x, err = ops.SelectTokens(p.Tape, x, ops.Selection{Name: "visible", Index: v.entrance, Images: v.images, Shape: tensor.Shape{units, r, r, s[3]}})
	if err != nil {
		return nil, err
	}
	var taps []*gorgonia.Node
	for i, stage := range e.stages {
		windows := v.windowsOf(i, stage, s[1]>>i, s[2]>>i)
		for j, b := range stage.Blocks {
			if x, err = b.Forward(p, x, windows[j%2]); err != nil {
				return nil, err
			}
		}
		if stage.Merge != nil {
			if x, err = stage.Merge.Forward(p, x); err != nil {
				return nil, err
			}
		}
		if k := slices.Index(e.taps, i+1); k >= 0 {
			var tap *gorgonia.Node
			if x, tap, err = branch(p, k, x, i+1 == len(e.stages)); err != nil {
				return nil, err
			}
			taps = append(taps, tap)
		}
	}
	return taps, nil
}

// decoderValues is about how many values the decoders of a LocalMIM hold, their positions
// included.
func decoderValues(c *configs.Config) int {
	sum := 0
	for _, s := range c.MIMScales() {
		block := int((4 + 2*c.MIM.DecoderMLPRatio) * float64(s.DecoderDim) * float64(s.DecoderDim))
		sum += c.MIM.DecoderDepth*block + s.DecoderDim*(s.Dim+s.Values+s.Tokens*s.Tokens)
	}
	return sum
}
