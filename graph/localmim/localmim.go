// Package localmim is the network of LocalMIM (Wang et al., "Masked Image Modeling with Local
// Multi-Scale Reconstruction", CVPR 2023): encoders that see only the visible units of images,
// local decoders, losses, and the programs that train them. Package
// fasternet/graph/localmim/masking makes its masks and targets.
package localmim

import (
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Model is masked image modelling with local multi-scale reconstruction (Wang et al., CVPR 2023). A
// backbone sees only the visible units of images. After several of its layers a decoder predicts
// what was masked, with smaller cells after lower layers. The state dict is the official one.
type Model struct {
	config        *configs.Config
	store         *layers.Store
	scales        []configs.MIMScale
	side, visible int // units along a side of an image, and visible units of an image
	encoder       Encoder
	backbone      Backbone
	whole         []wholeNorm      // the batch norms of the backbone
	norms         []*ops.LayerNorm // of the taps
	decoders      []*localDecoder
}

// New makes a model with parameters drawn from the seed. The configuration must have passed the
// checks of package configs, with task localmim. The error says that its family has no [Encoder],
// or that the model does not fit into memory.
//
// Initialisation as in the official code: linear layers and the patch embedding Xavier uniform;
// tokens normal; the convolutions of the decoders as PyTorch does.
func New(c *configs.Config, seed uint64) (*Model, error) {
	values, err := Values(c)
	if err != nil {
		return nil, err
	}
	if err := graph.CheckMemory(values); err != nil {
		return nil, err
	}
	s := layers.NewStore(seed, c.Model.InitStd)
	s.DrawLater()
	m, err := newModel(c, s)
	if err != nil {
		return nil, err
	}
	s.Draw()
	for _, d := range m.decoders {
		d.cells = d.predicted()
	}
	return m, nil
}

// Values returns the number of values in the state dict of a model, without making the model.
func Values(c *configs.Config) (int, error) {
	m, err := newModel(c, layers.NewShapeStore(false))
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, e := range m.store.Entries {
		sum += e.Shape.TotalSize()
	}
	return sum, nil
}

func newModel(c *configs.Config, s *layers.Store) (*Model, error) {
	m := &Model{config: c, store: s, scales: c.MIMScales()}
	m.side, m.visible = c.MIMUnits()
	var err error
	if m.encoder, err = EncoderOf(c.Model.Name); err != nil {
		return nil, err
	}
	s.Prefix = m.encoder.Prefix
	if m.backbone, err = m.encoder.New(s, c); err != nil {
		return nil, err
	}
	for k, scale := range m.scales {
		m.norms = append(
			m.norms, layers.NewLayerNorm(s, fmt.Sprintf("norm.%d", k), scale.Dim, m.encoder.NormEps(c.Model)),
		)
	}
	s.Prefix = ""
	m.whole = separateStatistics(s, m.encoder.Prefix)
	for k, scale := range m.scales {
		d, err := newLocalDecoder(s, fmt.Sprintf("decoder.%d", k), c, scale, m.encoder)
		if err != nil {
			return nil, err
		}
		m.decoders = append(m.decoders, d)
	}
	if c.MIM.Target == "hog" {
		for k := range m.scales {
			hogBuffers(s, k, c.MIM.HOGBias)
		}
	}
	return m, nil
}

// hogBuffers adds the filters of the targets, which the official checkpoints have, and their bias:
// random numbers that do not change.
func hogBuffers(s *layers.Store, k int, biased bool) {
	sobel := []float32{1, 0, -1, 2, 0, -2, 1, 0, -1, 1, 2, 1, 0, 0, 0, -1, -2, -1}
	s.Drawn(fmt.Sprintf("hog_enc.%d.conv.weight", k), layers.Values(sobel), 2, 1, 3, 3)
	if biased {
		s.Drawn(fmt.Sprintf("hog_enc.%d.conv.bias", k), layers.Uniform(1.0/3), 2)
	}
}

// Store returns the parameters and buffers under their official names.
func (m *Model) Store() *layers.Store { return m.store }

// Channels returns the number of channels of an image.
func (m *Model) Channels() int { return m.config.Model.InChans }

// Config returns the configuration of the model.
func (m *Model) Config() *configs.Config { return m.config }

// Scales returns the scales that it reconstructs.
func (m *Model) Scales() []configs.MIMScale { return slices.Clone(m.scales) }

// Encoder returns the entry of its family.
func (m *Model) Encoder() Encoder { return m.encoder }

// Units returns the number of mask units along a side of an image, and the number of visible units
// of an image.
func (m *Model) Units() (side, visible int) { return m.side, m.visible }

// HOGBias returns the constant that is added to the gradients for the targets of scale k, or zeros.
// It is part of the state: a checkpoint may change it.
func (m *Model) HOGBias(k int) (bias [2]float32) {
	if e, ok := m.store.Lookup(fmt.Sprintf("hog_enc.%d.conv.bias", k)); ok {
		copy(bias[:], e.Buffer)
	}
	return bias
}

// forward adds the model to a graph, and returns the loss and the predictions.
func (m *Model) forward(
	p *layers.Pass, images *gorgonia.Node, v *Visible, targets, weights []*gorgonia.Node,
) (*ops.Reconstructions, []*gorgonia.Node, error) {
	taps, err := m.backbone.Forward(p, images, v)
	if err != nil {
		return nil, nil, err
	}
	if len(taps) != len(m.scales) {
		return nil, nil, fmt.Errorf("localmim: the backbone of family %s has %d taps: want %d",
			m.encoder.Family, len(taps), len(m.scales))
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
		x, cells, err := m.decoders[k].forward(p, x, v, m.encoder.MaskedOnly)
		if err != nil {
			return nil, nil, err
		}
		predictions = append(predictions, x)
		list = append(list, ops.Reconstruction{
			Name: fmt.Sprintf("%d", k+1), Prediction: x, Target: targets[k], Weight: weights[k], Cells: cells,
		})
	}
	loss, err := ops.ReconstructionLoss(p.Tape, list)
	return loss, predictions, err
}

// branch splits a tap off the main path, which ends at the last layer.
func branch(p *layers.Pass, k int, x *gorgonia.Node, last bool) (ahead, tap *gorgonia.Node, err error) {
	if last {
		return x, x, nil
	}
	return ops.Branch(p.Tape, fmt.Sprintf("tap.%d", k), x)
}
