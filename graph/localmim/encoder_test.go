package localmim

import (
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// meanEncoder is another kind of family, without attention: a unit is one token.
type meanEncoder struct {
	embed *layers.TokenEmbed
	dim   int
}

func (e *meanEncoder) Forward(p *layers.Pass, images *gorgonia.Node, v *Visible) ([]*gorgonia.Node, error) {
	x, err := e.embed.Forward(p, images)
	if err != nil {
		return nil, err
	}
	x, err = ops.SelectTokens(p.Tape, x, ops.Selection{
		Name:   "visible",
		Index:  v.Select(1),
		Images: v.Images,
		Shape:  tensor.Shape{v.Images, v.Tokens(1), e.dim},
	})
	return []*gorgonia.Node{x}, err
}

// A family that registers an encoder can be pre-trained. For a family without an entry the error names
// the ones that have one.
func TestRegister(t *testing.T) {
	c, err := configs.Parse("test", `
task: localmim
model: {name: vit, embed_dim: 8, depth: 1, num_heads: 1, patch_size: 4}
data: {image_size: 16}
mim: {taps: [1], scales: [1], decoder_dim: 8, decoder_heads: 2, mask_ratio: 0.5}
`)
	if err != nil {
		t.Fatal(err)
	}
	c.Model.Name = "mean"
	if _, err := New(c, 1); err == nil ||
		!strings.Contains(err.Error(), `no encoder of visible units for "mean": want fasternet or vit or swin`) {
		t.Fatalf("got %v", err)
	}
	before := slices.Clone(encoders)
	t.Cleanup(func() { encoders = before })
	Register(Encoder{
		Family:  "mean",
		NormEps: func(configs.Model) float64 { return 1e-6 },
		Prefix:  "body.",
		Tap:     "layer",
		Draw:    DrawPermutation,
		NewHead: LinearHead,
		New: func(s *layers.Store, c *configs.Config) (Backbone, error) {
			return &meanEncoder{layers.NewTokenEmbed(s, 3, 8, 4, layers.Xavier, layers.FanIn(48), 0), 8}, nil
		},
	})
	m, r := newMIM(t, c)
	if _, ok := m.Store().Lookup("body.norm.0.weight"); !ok {
		t.Error("the norm of the tap has no prefix")
	}
	p, err := r.Program(2, true)
	if err != nil {
		t.Fatal(err)
	}
	if loss, err := p.Run(m.Noise(2)); err != nil || !(loss > 0) {
		t.Errorf("loss %v, %v", loss, err)
	}
	for _, q := range m.Store().Params() {
		if !slices.ContainsFunc(q.GradData(), func(v float32) bool { return v != 0 }) {
			t.Errorf("%s has no gradient", q.Name)
		}
	}
	c.MIM.Taps, c.MIM.Scales = []int{1, 1}, []float64{1, 1}
	_, r = newMIM(t, c)
	if _, err := r.Program(2, true); err == nil || !strings.Contains(err.Error(), "has 1 taps: want 2") {
		t.Errorf("a backbone without the second tap: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a family has two encoders")
		}
	}()
	Register(Encoder{Family: "mean", New: newVisibleViT, Draw: DrawOrder, NewHead: ConvHead})
}

// NewHead returns an error for cells that it cannot predict.
func TestHeadScales(t *testing.T) {
	for _, e := range encoders {
		for _, factor := range []float64{0.25, 8} {
			s := layers.NewStore(1, 0.02)
			if _, err := e.NewHead(s, "pred", configs.MIMScale{
				DecoderDim: 8,
				Values:     3,
				Factor:     factor,
			}, layers.NewLayerNorm(s, "norm", 8, 1e-6)); err == nil || !strings.Contains(
				err.Error(), "mim.scales: want ",
			) {
				t.Errorf("%s: %v cells: %v", e.Family, factor, err)
			}
		}
	}
}
