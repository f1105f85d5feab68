package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// MIM is masked image modelling with local reconstruction (LocalMIM): what is
// masked, what is reconstructed and where. What a file leaves out is filled in
// for the model's family.
type MIM struct {
	// blocks of a ViT, or stages of a Swin or FasterNet, that have a decoder, from 1
	Taps []int `yaml:"taps,flow"`
	// cells along a side that one token of each decoder predicts: 4, 2, 1 or 0.5
	Scales []float64 `yaml:"scales,flow"`
	// channels of the decoders, one number for all or one for each
	DecoderDim Heads `yaml:"decoder_dim,flow"`
	// transformer blocks of each decoder
	DecoderDepth int `yaml:"decoder_depth"`
	// attention heads of the decoders
	DecoderHeads int `yaml:"decoder_heads"`
	// hidden channels of the MLPs in the decoders, as a multiple of decoder_dim
	DecoderMLPRatio float64 `yaml:"decoder_mlp_ratio"`
	// what is predicted: hog (histograms of oriented gradients) or pixel
	Target string `yaml:"target"`
	// hog: orientations of a histogram
	NBins int `yaml:"nbins"`
	// hog: add a random constant gradient
	HOGBias bool `yaml:"hog_bias"`
	// pixel: normalise the pixels of each cell
	NormPixLoss bool `yaml:"norm_pix_loss"`
	// share of the image that is masked
	MaskRatio float64 `yaml:"mask_ratio"`
	// side of what is masked at once, in pixels
	MaskUnit int `yaml:"mask_unit"`
	// in training, draw a mask for each sample, or one for the whole batch
	MaskPer string `yaml:"mask_per"`
	// units along a side that are masked or visible together
	MaskBlock int `yaml:"mask_block"`
	// what a convolution of a FasterNet sees beyond a visible unit: its visible neighbours, or zero
	Border string `yaml:"border"`
	// spatial, or official: positions in the second and third stage of Swin as the authors' code has them
	Coordinates string `yaml:"coordinates"`
	// swin, or official: order of Swin's patch merging as in the published pre-training
	MergeOrder string `yaml:"merge_order"`
	// epochs between pictures of the predictions; 0: none
	PictureInterval int `yaml:"picture_interval"`
}

// DefaultMIM returns the section of a file without one. Zeros and empty lists are filled in later.
func DefaultMIM() MIM {
	return MIM{
		DecoderDepth: 1, DecoderMLPRatio: 4, Target: "hog", NBins: 9, NormPixLoss: true, MaskRatio: 0.75,
		MaskBlock: 1, Border: "neighbours", Coordinates: "spatial", MergeOrder: "swin", PictureInterval: 10,
	}
}

// OwnMIM is a [Maskable] with other defaults.
type OwnMIM interface {
	// DefaultMIM changes the defaults of the section.
	DefaultMIM(m *MIM)
}

// defaultMIM returns the default section for a model.
func (m Model) defaultMIM() MIM {
	d := DefaultMIM()
	if a, ok := m.Arch.(OwnMIM); ok {
		a.DefaultMIM(&d)
	}
	return d
}

// Maskable is an [Arch] whose models LocalMIM can pre-train.
type Maskable interface {
	Arch
	// FillMIM sets the missing keys of the section.
	FillMIM(m *MIM)
	// Taps returns what a tap can come after, e.g. "blocks", and how many there are.
	Taps() (what string, n int)
	// Tap returns the channels after a block or stage, counted from 1, and the side of one of its tokens
	// in pixels of the image.
	Tap(tap int) (dim, patch int)
	// MaskUnit returns the side of the smallest mask unit in pixels, and what it consists of, e.g.
	// "patches of".
	MaskUnit() (least int, why string)
	// Visible returns how many of n mask units stay visible.
	Visible(n int, ratio float64) int
	// CheckMIM returns a problem with values that the family cannot have.
	CheckMIM(m MIM) *Problem
}

// UnitDecoder is a [Maskable] that may have decoders with one token per mask unit.
type UnitDecoder interface {
	Maskable
	// DecodesUnits reports whether all tokens of a tap in a unit become one token of the decoder. The cells
	// of a scale then count along a side of a unit.
	DecodesUnits() bool
}

// ownMIM sets missing keys to the defaults of the family.
func (c *Config) ownMIM(given func(key string) bool) {
	own, section := reflect.ValueOf(c.Model.defaultMIM()), reflect.ValueOf(&c.MIM).Elem()
	for i := range section.NumField() {
		if !given("mim." + keyOf(section.Type().Field(i))) {
			section.Field(i).Set(own.Field(i))
		}
	}
}

// fillMIM sets the keys that depend on the family.
func (c *Config) fillMIM() {
	if a, ok := c.Model.Arch.(Maskable); ok {
		a.FillMIM(&c.MIM)
	}
}

// MIMScale has the sizes at one tap.
type MIMScale struct {
	Tap        int     // block or stage, from 1
	Dim        int     // channels of the encoder there
	Tokens     int     // tokens of the decoder along a side of the image
	UnitTokens int     // tokens of the encoder along a side of a mask unit there
	Factor     float64 // cells a token of the decoder predicts, along a side
	Grid       int     // cells along a side of the image
	Cell       int     // pixels along a side of a cell
	Values     int     // that a cell has
	DecoderDim int
}

// MIMScales returns the sizes at each tap of a checked configuration.
func (c *Config) MIMScales() []MIMScale {
	var out []MIMScale
	for i, tap := range c.MIM.Taps {
		s := MIMScale{Tap: tap, Factor: c.MIM.Scales[i], DecoderDim: c.MIM.DecoderDim[min(i, len(c.MIM.DecoderDim)-1)]}
		s.Dim, s.Tokens, s.UnitTokens = c.tapOf(tap)
		if c.decodesUnits() {
			s.Tokens = c.Data.ImageSize / c.MIM.MaskUnit
		}
		s.Grid = int(float64(s.Tokens) * s.Factor)
		s.Cell = c.Data.ImageSize / s.Grid
		s.Values = c.Model.InChans * c.MIM.NBins
		if c.MIM.Target == "pixel" {
			s.Values = c.Model.InChans * s.Cell * s.Cell
		}
		out = append(out, s)
	}
	return out
}

// tapOf returns the sizes of the encoder at a tap. The tap of a stage comes after its patch merging.
func (c *Config) tapOf(tap int) (dim, tokens, unit int) {
	a, ok := c.Model.Arch.(Maskable)
	if !ok {
		return 0, 0, 0
	}
	dim, patch := a.Tap(tap)
	return dim, c.Data.ImageSize / patch, c.MIM.MaskUnit / patch
}

func (c *Config) decodesUnits() bool {
	a, ok := c.Model.Arch.(UnitDecoder)
	return ok && a.DecodesUnits()
}

// MIMUnits returns the number of mask units along a side of an image, and the number of visible units in
// an image. Both are 0 for a model that is not [Maskable].
func (c *Config) MIMUnits() (side, visible int) {
	a, ok := c.Model.Arch.(Maskable)
	if !ok {
		return 0, 0
	}
	side = c.Data.ImageSize / max(c.MIM.MaskUnit, 1)
	return side, a.Visible(side*side, c.MIM.MaskRatio)
}

func (c *Config) checkMIM() *problem {
	m, size := c.MIM, c.Data.ImageSize
	if _, ok := c.Model.Arch.(Maskable); !ok {
		return wrong("task",
			"localmim pre-trains a %s (model.name), not a %s, which cannot compute only the visible units",
			strings.Join(maskable(), " or a "), c.Model.Name)
	}
	if p := first(
		atLeast("mim.decoder_depth", m.DecoderDepth, 1),
		atLeast("mim.decoder_heads", m.DecoderHeads, 1),
		within("mim.decoder_mlp_ratio", m.DecoderMLPRatio, 0.01, 64),
		atLeast("mim.picture_interval", m.PictureInterval, 0),
		oneOf("mim.target", m.Target, "hog", "pixel"),
		atLeast("mim.nbins", m.NBins, 1),
		oneOf("mim.mask_per", m.MaskPer, "sample", "batch"),
		oneOf("mim.border", m.Border, "neighbours", "zero"),
		oneOf("mim.coordinates", m.Coordinates, "spatial", "official"),
		oneOf("mim.merge_order", m.MergeOrder, "swin", "official"),
		c.checkMask(),
		c.checkTaps(),
	); p != nil {
		return p
	}
	for i, s := range c.MIMScales() {
		if s.DecoderDim < 4 || s.DecoderDim%4 != 0 || s.DecoderDim%m.DecoderHeads != 0 {
			return wrong("mim.decoder_dim",
				"want a multiple of 4 (sine-cosine positions) and of mim.decoder_heads (%d), decoder %d has %d",
				m.DecoderHeads, i+1, s.DecoderDim)
		}
		if int(float64(s.DecoderDim)*m.DecoderMLPRatio) < 1 {
			return wrong("mim.decoder_mlp_ratio", "leaves no hidden channels of %d", s.DecoderDim)
		}
		if float64(s.Tokens)*s.Factor != float64(s.Grid) ||
			s.Grid*s.Cell != size ||
			s.Factor < 1 && s.UnitTokens == 1 && s.Tokens%2 != 0 {
			what := "tokens"
			if c.decodesUnits() {
				what = "units"
			}
			return wrong("mim.scales",
				"tap %d has %d×%d %s (%d pixels / %d): %v times that is not a grid of whole cells",
				s.Tap, s.Tokens, s.Tokens, what, size, size/s.Tokens, s.Factor)
		}
		if m.Target == "hog" && size < 2 {
			return wrong("data.image_size", "HOG needs two pixels or more, got %d", size)
		}
		if m.Target == "pixel" && m.NormPixLoss && s.Values < 2 {
			return wrong("mim.norm_pix_loss", "a cell of scale %d is one value: it has no variance", i+1)
		}
	}
	if p := c.checkVisibleStatistics(); p != nil {
		return p
	}
	return c.checkPretraining()
}

// checkVisibleStatistics: a batch norm needs two values per channel, and sees only visible units.
func (c *Config) checkVisibleStatistics() *problem {
	a, ok := c.Model.Arch.(BatchNormed)
	if !ok {
		return nil
	}
	_, visible := c.MIMUnits()
	last := a.LastSide(c.MIM.MaskUnit)
	if c.Train.BatchSize*visible*last*last < 2 {
		return wrong("train.batch_size",
			"want 2 or more: batch norm needs two values per channel, and the last stage has 1 visible unit").
			with("mim.mask_ratio", "mim.mask_unit")
	}
	return nil
}

// maskable lists the families that LocalMIM can pre-train.
func maskable() (names []string) {
	for _, f := range families {
		if _, ok := f.Default().Arch.(Maskable); ok {
			names = append(names, f.Name)
		}
	}
	return names
}

// checkTaps checks the taps, and the lists with one value per tap.
func (c *Config) checkTaps() *problem {
	m := c.MIM
	record("mim.taps", from(1))
	record("mim.decoder_dim", from(4))
	what, last := c.Model.Arch.(Maskable).Taps()
	if len(m.Taps) == 0 {
		return wrong("mim.taps", "want the numbers of 1 to %d %s", mostTaps, what)
	}
	for i, t := range m.Taps {
		if t < 1 || t > last {
			return wrong("mim.taps", "want %s from 1 to %d, got %v", what, last, m.Taps)
		}
		if i > 0 && t <= m.Taps[i-1] {
			return wrong("mim.taps", "want different %s from 1 to %d in rising order, got %v", what, last, m.Taps)
		}
	}
	if m.Taps[len(m.Taps)-1] != last {
		return wrong("mim.taps", "the last of the %d %s must have a decoder, or it is not trained; got %v",
			last, what, m.Taps)
	}
	if len(m.Scales) != len(m.Taps) {
		return wrong("mim.scales", "want one number for each of the %d taps %v, got %v", len(m.Taps), m.Taps, m.Scales)
	}
	if len(m.DecoderDim) != 1 && len(m.DecoderDim) != len(m.Taps) {
		return wrong("mim.decoder_dim", "want one number, or one for each of the %d taps, got %v",
			len(m.Taps), []int(m.DecoderDim))
	}
	for _, s := range m.Scales {
		if !slices.Contains([]float64{4, 2, 1, 0.5}, s) {
			return wrong("mim.scales", "want 4, 2, 1 or 0.5 cells along a side of a token, got %v", m.Scales)
		}
	}
	return nil
}

// checkMask: units must divide the image; some are masked and some are visible.
func (c *Config) checkMask() *problem {
	m, size := c.MIM, c.Data.ImageSize
	a := c.Model.Arch.(Maskable)
	least, why := a.MaskUnit()
	if m.MaskUnit < least || m.MaskUnit%least != 0 {
		return wrong("mim.mask_unit", "want a multiple of %d, because a unit consists of whole %s %d pixels; got %d",
			least, why, least, m.MaskUnit)
	}
	if p := a.CheckMIM(m); p != nil {
		return p
	}
	if size%m.MaskUnit != 0 {
		less := size / m.MaskUnit * m.MaskUnit
		return wrong("mim.mask_unit", "%[2]d does not divide data.image_size %[1]d: want data.image_size %[3]s",
			size, m.MaskUnit, either(less, less+m.MaskUnit))
	}
	if p := inside(
		"mim.mask_ratio",
		m.MaskRatio,
		amid(0, 1),
		"want a number above 0 and below 1, got %v",
		m.MaskRatio,
	); p != nil {
		return p
	}
	side, visible := c.MIMUnits()
	if visible < 1 {
		return wrong("mim.mask_ratio",
			"%v of the %d×%d = %d units (data.image_size %d / mim.mask_unit %d) leaves none visible",
			m.MaskRatio, side, side, side*side, size, m.MaskUnit)
	}
	if visible >= side*side {
		return wrong("mim.mask_ratio", "%v of the %d×%d = %d units (data.image_size %d / mim.mask_unit %d) masks none",
			m.MaskRatio, side, side, side*side, size, m.MaskUnit)
	}
	if b := m.MaskBlock; b < 1 || b > side || b > 1 && b*b > min(visible, side*side-visible) {
		return wrong("mim.mask_block", "want 1 or more, with a block no larger than the %d visible or the %d masked "+
			"units; got %d, a block of %d units",
			visible, side*side-visible, b, b*b)
	}
	return nil
}

// either joins one or two sizes; 0 is none.
func either(a, b int) string {
	if a == 0 {
		return fmt.Sprint(b)
	}
	return fmt.Sprintf("%d or %d", a, b)
}

// checkPretraining refuses keys that need labels.
func (c *Config) checkPretraining() *problem {
	switch {
	case c.Augment.Mixup > 0:
		return wrong("augment.mixup", "pre-training has no labels to mix: want 0, got %v", c.Augment.Mixup)
	case c.Augment.Cutmix > 0:
		return wrong("augment.cutmix", "pre-training has no labels to mix: want 0, got %v", c.Augment.Cutmix)
	case len(c.Augment.CutmixMinmax) > 0:
		return wrong("augment.cutmix_minmax", "pre-training has no labels to mix: want [], got %v",
			c.Augment.CutmixMinmax)
	case c.Augment.Erasing.Prob > 0:
		return wrong("augment.erasing.prob", "pre-training would predict erased pixels: want 0, got %v",
			c.Augment.Erasing.Prob)
	case c.Augment.Repeats > 1:
		return wrong("augment.repeats", "each image has one mask per epoch: want 1, got %d", c.Augment.Repeats)
	case c.Data.MultiScale != "":
		return wrong("data.multi_scale", "pre-training uses one image size: want \"\", got %q", c.Data.MultiScale)
	case c.Checkpoint.Monitor != "loss":
		return wrong("checkpoint.monitor", "pre-training has no accuracy: want loss, got %q", c.Checkpoint.Monitor)
	case c.Model.DropPathRate != 0:
		return wrong("model.drop_path_rate", "LocalMIM pre-trains without drop path: want 0, got %v",
			c.Model.DropPathRate)
	case c.Loss.Name != "ce":
		return wrong("loss.name", "pre-training has its own loss: want ce, the default, got %q", c.Loss.Name)
	case c.Distill.Type != "none":
		return wrong("distill.type", "pre-training has no logits for a teacher: want none, got %q", c.Distill.Type)
	case c.Optim.LayerDecay != 1:
		return wrong("optim.layer_decay", "pre-training uses one learning rate for all layers: want 1, got %v",
			c.Optim.LayerDecay)
	case c.Train.FrozenStages >= 0:
		return wrong("train.frozen_stages", "pre-training trains the whole encoder: want -1, got %d",
			c.Train.FrozenStages)
	}
	return nil
}
