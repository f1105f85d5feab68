package configs

import "slices"

// MIM is masked image modelling with local reconstruction (LocalMIM): what is
// masked, what is reconstructed and where. What a file leaves out is filled in
// for the model's family.
type MIM struct {
	Taps            []int     `yaml:"taps,flow"`   // blocks of a ViT or stages of a Swin, from 1, that have a decoder
	Scales          []float64 `yaml:"scales,flow"` // cells that a token of a tap predicts, along a side: 4, 2, 1 or 0.5
	DecoderDim      Heads     `yaml:"decoder_dim,flow"`
	DecoderDepth    int       `yaml:"decoder_depth"`
	DecoderHeads    int       `yaml:"decoder_heads"`
	DecoderMLPRatio float64   `yaml:"decoder_mlp_ratio"`
	Target          string    `yaml:"target"`        // hog or pixel
	NBins           int       `yaml:"nbins"`         // orientations of hog
	HOGBias         bool      `yaml:"hog_bias"`      // a random constant gradient is added
	NormPixLoss     bool      `yaml:"norm_pix_loss"` // pixels are normalised by cell
	MaskRatio       float64   `yaml:"mask_ratio"`
	MaskUnit        int       `yaml:"mask_unit"`        // pixels of a side
	MaskPer         string    `yaml:"mask_per"`         // sample or batch, in training
	Coordinates     string    `yaml:"coordinates"`      // spatial, or official: of the second and third stage of Swin as published
	MergeOrder      string    `yaml:"merge_order"`      // swin, or official: of Swin's patch merging in the published pre-training
	PictureInterval int       `yaml:"picture_interval"` // epochs between pictures of what is predicted; 0 for none
}

// DefaultMIM is the section that a file without it has. Zeros and empty lists
// are filled in later.
func DefaultMIM() MIM {
	return MIM{
		DecoderDepth: 1, DecoderMLPRatio: 4, Target: "hog", NBins: 9, NormPixLoss: true, MaskRatio: 0.75,
		Coordinates: "spatial", MergeOrder: "swin", PictureInterval: 10,
	}
}

// fillMIM sets what depends on the family.
func (c *Config) fillMIM() {
	m, model := &c.MIM, c.Model
	swin := model.Name == "swin"
	set := func(list *[]int, v ...int) {
		if len(*list) == 0 {
			*list = v
		}
	}
	one := func(v *int, value int) {
		if *v == 0 {
			*v = value
		}
	}
	if swin {
		set(&m.Taps, upTo(len(model.Depths))...)
		one(&m.DecoderHeads, 4)
		one(&m.MaskUnit, model.PatchSize<<(max(len(model.Depths), 1)-1))
		if len(m.DecoderDim) == 0 {
			m.DecoderDim = Heads{128}
		}
		if m.MaskPer == "" {
			m.MaskPer = "batch"
		}
		if len(m.Scales) == 0 {
			m.Scales = slices.Repeat([]float64{1}, len(m.Taps))
		}
		return
	}
	set(&m.Taps, 2, 4, model.Depth-2, model.Depth)
	one(&m.DecoderHeads, 8)
	one(&m.MaskUnit, model.PatchSize)
	if len(m.DecoderDim) == 0 {
		m.DecoderDim = Heads{256}
	}
	if m.MaskPer == "" {
		m.MaskPer = "sample"
	}
	if len(m.Scales) == 0 && len(m.Taps) == 4 {
		m.Scales = []float64{4, 2, 1, 0.5}
	}
}

func upTo(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i+1)
	}
	return out
}

// MIMScale is the arithmetic of one tap.
type MIMScale struct {
	Tap        int     // block or stage, from 1
	Dim        int     // channels of the encoder there
	Tokens     int     // tokens along a side of the image there
	UnitTokens int     // tokens along a side of a mask unit there
	Factor     float64 // cells a token predicts, along a side
	Grid       int     // cells along a side of the image
	Cell       int     // pixels along a side of a cell
	Values     int     // that a cell has
	DecoderDim int
}

// MIMScales are the scales of a configuration that passed the checks.
func (c *Config) MIMScales() []MIMScale {
	var out []MIMScale
	for i, tap := range c.MIM.Taps {
		s := MIMScale{Tap: tap, Factor: c.MIM.Scales[i], DecoderDim: c.MIM.DecoderDim[min(i, len(c.MIM.DecoderDim)-1)]}
		s.Dim, s.Tokens, s.UnitTokens = c.tapOf(tap)
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

// tapOf are the sizes of the encoder at a tap. The tap of a stage is behind its
// patch merging.
func (c *Config) tapOf(tap int) (dim, tokens, unit int) {
	m := c.Model
	dim, patch := m.EmbedDim, m.PatchSize
	if m.Name == "swin" {
		merges := min(tap, len(m.Depths)-1)
		dim, patch = dim<<merges, patch<<merges
	}
	return dim, c.Data.ImageSize / patch, c.MIM.MaskUnit / patch
}

// MIMUnits is the number of mask units along a side of an image, and of those of
// an image that stay visible: as published, a ViT keeps ⌊(1-ratio)·n⌋ of n, and
// a Swin masks ⌊ratio·n⌋+1.
func (c *Config) MIMUnits() (side, visible int) {
	side = c.Data.ImageSize / max(c.MIM.MaskUnit, 1)
	n := float64(side * side)
	if c.Model.Name == "swin" {
		return side, side*side - int(c.MIM.MaskRatio*n) - 1
	}
	return side, int(n * (1 - c.MIM.MaskRatio))
}

func (c *Config) checkMIM() *problem {
	m, model, size := c.MIM, c.Model, c.Data.ImageSize
	if model.Name != "vit" && model.Name != "swin" {
		return wrong("task", "localmim pre-trains a vit or a swin (model.name), not a %s: its encoder sees only visible patches, which a convolution cannot", model.Name)
	}
	if p := first(
		atLeast("mim.decoder_depth", m.DecoderDepth, 1),
		atLeast("mim.decoder_heads", m.DecoderHeads, 1),
		within("mim.decoder_mlp_ratio", m.DecoderMLPRatio, 0.01, 64),
		atLeast("mim.picture_interval", m.PictureInterval, 0),
		oneOf("mim.target", m.Target, "hog", "pixel"),
		atLeast("mim.nbins", m.NBins, 1),
		oneOf("mim.mask_per", m.MaskPer, "sample", "batch"),
		oneOf("mim.coordinates", m.Coordinates, "spatial", "official"),
		oneOf("mim.merge_order", m.MergeOrder, "swin", "official"),
		c.checkMask(),
		c.checkTaps(),
	); p != nil {
		return p
	}
	for i, s := range c.MIMScales() {
		if s.DecoderDim < 4 || s.DecoderDim%4 != 0 || s.DecoderDim%m.DecoderHeads != 0 {
			return wrong("mim.decoder_dim", "want a multiple of 4 (sine-cosine positions) and of mim.decoder_heads (%d), decoder %d has %d", m.DecoderHeads, i+1, s.DecoderDim)
		}
		if int(float64(s.DecoderDim)*m.DecoderMLPRatio) < 1 {
			return wrong("mim.decoder_mlp_ratio", "leaves no hidden channel of %d", s.DecoderDim)
		}
		if float64(s.Tokens)*s.Factor != float64(s.Grid) || s.Grid*s.Cell != size || s.Factor < 1 && s.UnitTokens == 1 && s.Tokens%2 != 0 {
			return wrong("mim.scales", "tap %d has %d×%d tokens (%d pixels / %d): %v times that is no grid of whole cells",
				s.Tap, s.Tokens, s.Tokens, size, size/s.Tokens, s.Factor)
		}
		if m.Target == "hog" && size < 2 {
			return wrong("data.image_size", "HOG needs two pixels or more, got %d", size)
		}
		if m.Target == "pixel" && m.NormPixLoss && s.Values < 2 {
			return wrong("mim.norm_pix_loss", "a cell of scale %d is one value: it has no variance", i+1)
		}
	}
	return c.checkPretraining()
}

// checkTaps: which taps there may be, and how many of the lists.
func (c *Config) checkTaps() *problem {
	m, model := c.MIM, c.Model
	what, last := "blocks", model.Depth
	if model.Name == "swin" {
		what, last = "stages", len(model.Depths)
	}
	if len(m.Taps) == 0 {
		return wrong("mim.taps", "want the numbers of 1 to %d %s", mostTaps, what)
	}
	for i, t := range m.Taps {
		if t < 1 || t > last {
			return wrong("mim.taps", "want %s from 1 to %d, got %v", what, last, m.Taps)
		}
		if i > 0 && t <= m.Taps[i-1] {
			return wrong("mim.taps", "want %s in rising order, each once, of the %d that there are; got %v", what, last, m.Taps)
		}
	}
	if m.Taps[len(m.Taps)-1] != last {
		return wrong("mim.taps", "the last of the %d %s must have a decoder, or it is not trained; got %v", last, what, m.Taps)
	}
	if len(m.Scales) != len(m.Taps) {
		return wrong("mim.scales", "want a number for each of the %d taps %v, got %v", len(m.Taps), m.Taps, m.Scales)
	}
	if len(m.DecoderDim) != 1 && len(m.DecoderDim) != len(m.Taps) {
		return wrong("mim.decoder_dim", "want one number, or one for each of the %d taps, got %v", len(m.Taps), []int(m.DecoderDim))
	}
	for _, s := range m.Scales {
		if model.Name == "swin" && s != 1 {
			return wrong("mim.scales", "a Swin has scales by its stages: each token predicts one cell, want 1, got %v", m.Scales)
		}
		if !slices.Contains([]float64{4, 2, 1, 0.5}, s) {
			return wrong("mim.scales", "want 4, 2, 1 or 0.5 cells along a side of a token, got %v", m.Scales)
		}
	}
	return nil
}

// checkMask: units divide the image, and some are masked and some not.
func (c *Config) checkMask() *problem {
	m, size := c.MIM, c.Data.ImageSize
	least, why := c.Model.PatchSize, "patches of"
	if c.Model.Name == "swin" {
		least <<= len(c.Model.Depths) - 1
		why = "tokens of the last stage, of"
	}
	if m.MaskUnit < least || m.MaskUnit%least != 0 {
		return wrong("mim.mask_unit", "want a multiple of %d, as a unit consists of whole %s %d pixels; got %d", least, why, least, m.MaskUnit)
	}
	if c.Model.Name == "vit" && (m.MaskUnit != least || m.MaskPer != "sample") {
		if m.MaskUnit != least {
			return wrong("mim.mask_unit", "a ViT is masked by patches: want patch_size (%d), got %d", least, m.MaskUnit)
		}
		return wrong("mim.mask_per", "a ViT is masked per sample, got %q", m.MaskPer)
	}
	if size%m.MaskUnit != 0 {
		return wrong("mim.mask_unit", "an image of %d pixels is not divided by units of %d", size, m.MaskUnit)
	}
	if m.MaskRatio <= 0 || m.MaskRatio >= 1 {
		return wrong("mim.mask_ratio", "want a number above 0 and below 1, got %v", m.MaskRatio)
	}
	side, visible := c.MIMUnits()
	if visible < 1 {
		return wrong("mim.mask_ratio", "%v of the %d×%d = %d units (data.image_size %d / mim.mask_unit %d) leaves none visible", m.MaskRatio, side, side, side*side, size, m.MaskUnit)
	}
	if visible >= side*side {
		return wrong("mim.mask_ratio", "%v of the %d×%d = %d units (data.image_size %d / mim.mask_unit %d) masks none", m.MaskRatio, side, side, side*side, size, m.MaskUnit)
	}
	return nil
}

// checkPretraining: what goes with labels does not go with masks.
func (c *Config) checkPretraining() *problem {
	switch {
	case c.Augment.Mixup > 0:
		return wrong("augment.mixup", "pre-training has no labels to mix: want 0, got %v", c.Augment.Mixup)
	case c.Augment.Cutmix > 0:
		return wrong("augment.cutmix", "pre-training has no labels to mix: want 0, got %v", c.Augment.Cutmix)
	case len(c.Augment.CutmixMinmax) > 0:
		return wrong("augment.cutmix_minmax", "pre-training has no labels to mix: want [], got %v", c.Augment.CutmixMinmax)
	case c.Augment.Erasing.Prob > 0:
		return wrong("augment.erasing.prob", "what is erased would be a target: want 0, got %v", c.Augment.Erasing.Prob)
	case c.Augment.Repeats > 1:
		return wrong("augment.repeats", "an image has one mask in an epoch: want 1, got %d", c.Augment.Repeats)
	case c.Data.MultiScale != "":
		return wrong("data.multi_scale", "targets and masks are for one image size: want none, got %q", c.Data.MultiScale)
	case c.Checkpoint.Monitor != "loss":
		return wrong("checkpoint.monitor", "pre-training has no accuracy: want loss, got %q", c.Checkpoint.Monitor)
	case c.Model.DropPathRate != 0:
		return wrong("model.drop_path_rate", "LocalMIM pre-trains without drop path: want 0, got %v", c.Model.DropPathRate)
	case c.Loss.Name != "ce":
		return wrong("loss.name", "pre-training has its own loss: want ce, the default, got %q", c.Loss.Name)
	case c.Distill.Type != "none":
		return wrong("distill.type", "pre-training has no logits that a teacher could teach: want none, got %q", c.Distill.Type)
	case c.Train.FrozenStages >= 0:
		return wrong("train.frozen_stages", "pre-training trains all of the encoder: want -1, got %d", c.Train.FrozenStages)
	case c.Model.Name == "vit" && c.Model.EmbedDim%4 != 0:
		return wrong("model.embed_dim", "want a multiple of 4 for sine-cosine position embeddings, got %d", c.Model.EmbedDim)
	}
	return nil
}
