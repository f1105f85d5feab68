package fasternet

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
)

// weights describes the weights of FasterNets in other programs.
func weights() foreign.Family {
	return foreign.Family{
		Network: network, Shapes: shapes, ImageSize: func(configs.Model) int { return 224 }, SameShapes: sameShapes,
		Untold: untold, Assumed: assumed, Alike: alike, Trained: trained, Differs: differs,
		Hub: &foreign.Hub{
			Architecture: architecture.MatchString, Described: "fasternet_*", Args: args, Write: describe,
			Preset: func(preset string, of, m configs.Model) string {
				if of.Arch.(Config).ActLayer != m.Arch.(Config).ActLayer { // it follows from the architecture
					return ""
				}
				return architecture.FindString(preset)
			},
			Default: func(m configs.Model) string {
				return map[string]string{"gelu": "fasternet_t0", "relu": "fasternet_t2"}[m.Arch.(Config).ActLayer]
			},
		},
	}
}

// pretrainedPrefix begins the names of the encoder in a LocalMIM.
const pretrainedPrefix = "encoder."

// network has the names. In the official network stages and merging layers take turns in one list;
// in timm a merging layer belongs to the stage after it.
var network = torch.Network{
	Family: Name, Title: "FasterNet",
	Namings: []torch.Names{
		{Naming: torch.Official},
		{Naming: torch.Timm, Rules: []torch.Rule{
			{Official: "avgpool_pre_head.1.*", Other: "conv_head.*"},
			{Official: "head.*", Other: "classifier.*"},
			{Official: "stages.#.*", Other: "stages.#.downsample.*", P: 1, Q: 2, R: -1},
			{Official: "stages.#.*", Other: "stages.#.*", P: 1, Q: 2},
		}},
	},
	Recognise: func(has torch.Has) (torch.Naming, bool) {
		switch {
		case has.Name("decoder.0.mask_token") &&
			has.Between(pretrainedPrefix+"stages.", ".spatial_mixing.partial_conv3.weight"):
			return torch.Official, true // a LocalMIM of this project
		case !has.Between("stages.", ".spatial_mixing.partial_conv3.weight"):
			return "", false
		case has.Between("conv_head.", "") || has.Between("classifier.", "") || has.Part(".downsample."):
			return torch.Timm, true
		}
		return torch.Official, true
	},
}

// shapes reads the sizes. It assumes that a convolution of patches steps by its own size.
func shapes(all foreign.Shapes) (m configs.Model, imageSize int, err error) {
	m = configs.DefaultModel(Name)
	c := m.Arch.(Config)
	fail := func(err error) (configs.Model, int, error) { return m, 0, err }
	prefix := ""
	if all.Has(pretrainedPrefix + "patch_embed.proj.weight") {
		prefix = pretrainedPrefix
	}
	s, err := all.Get(prefix+"patch_embed.proj.weight", 4)
	if err != nil {
		return fail(err)
	}
	c.EmbedDim, m.InChans, c.PatchSize = s[0], s[1], s[2]
	c.Depths, c.MLPRatio = nil, 0
	for dim := c.EmbedDim; ; dim *= 2 {
		i := len(c.Depths)
		block := func(j int) string { return fmt.Sprintf("%sstages.%d.blocks.%d.mlp.0.weight", prefix, 2*i, j) }
		if !all.Has(block(0)) && i > 0 {
			break
		}
		s, err := all.Get(block(0), 2)
		if err != nil {
			return fail(err)
		}
		if s[1] != dim {
			return fail(all.Errorf("%s has shape %v, want %d channels", block(0), s, dim))
		}
		// A ratio with a fraction leaves different remainders; the largest one fits all stages.
		c.MLPRatio = max(c.MLPRatio, foreign.Ratio(s[0], dim))
		if i > 0 {
			merge := fmt.Sprintf("%sstages.%d.reduction.weight", prefix, 2*i-1)
			if s, err = all.Get(merge, 4); err != nil {
				return fail(err)
			}
			if s[0] != dim {
				return fail(all.Errorf("%s has shape %v, want %d channels", merge, s, dim))
			}
			c.PatchSize2 = s[2]
		}
		c.Depths = append(c.Depths, all.Count(block))
	}
	if s, err = all.Get(prefix+"stages.0.blocks.0.spatial_mixing.partial_conv3.weight", 4); err != nil {
		return fail(err)
	}
	if c.NDiv = c.EmbedDim / s[0]; c.NDiv < 1 {
		return fail(all.Errorf("a partial convolution of %d channels in a model of %d", s[0], c.EmbedDim))
	}
	if prefix == "" { // a pre-training has no classifier
		if s, err = all.Get("avgpool_pre_head.1.weight", 2); err != nil {
			return fail(err)
		}
		c.FeatureDim, m.NumClasses = s[0], all.Classes()
	}
	c.PatchStride, c.PatchStride2 = c.PatchSize, c.PatchSize2
	if all.Has(prefix + "stages.0.blocks.0.layer_scale") {
		c.LayerScaleInitValue = 1 // the values are in the file
	}
	c.GRN = all.Has(prefix + "stages.0.blocks.0.mlp.grn.weight")
	m.Arch = c
	return m, 0, nil
}

// sameShapes ignores the strides and the activation, which no tensor shows.
func sameShapes(a, b configs.Model) bool {
	x, okX := a.Arch.(Config)
	y, okY := b.Arch.(Config)
	return okX &&
		okY &&
		x.EmbedDim == y.EmbedDim &&
		slices.Equal(x.Depths, y.Depths) &&
		x.MLPRatio == y.MLPRatio &&
		a.InChans == b.InChans &&
		x.PatchSize == y.PatchSize &&
		x.NDiv == y.NDiv &&
		x.FeatureDim == y.FeatureDim &&
		x.PatchSize2 == y.PatchSize2 &&
		(x.LayerScaleInitValue > 0) == (y.LayerScaleInitValue > 0) &&
		x.GRN == y.GRN
}

func untold(w *foreign.Weights, m configs.Model) error {
	c, err := configs.ArchOf[Config](m)
	if err != nil || w.Sets("model.act_layer") {
		return err
	}
	return fmt.Errorf("%s is a FasterNet of an unknown size (embed_dim %d, depths %v, %d classes): %w%s",
		w.Path, c.EmbedDim, c.Depths, m.NumClasses, foreign.ErrActivation, w.Ask("model.act_layer=gelu or relu"))
}

func assumed(_ configs.Model, preset bool) (what []string) {
	if preset {
		what = append(what, "the activation")
	}
	return append(what, "the pool (mean)")
}

// alike ignores the initial value of a layer scale, because its values are in the weights.
func alike(key string, weights, config configs.Model) bool {
	x, okX := weights.Arch.(Config)
	y, okY := config.Arch.(Config)
	return okX &&
		okY &&
		key == "model.layer_scale_init_value" &&
		x.LayerScaleInitValue != 0 &&
		y.LayerScaleInitValue != 0
}

func trained(weights, config configs.Model) []string {
	x, okX := weights.Arch.(Config)
	y, okY := config.Arch.(Config)
	if !okX || !okY || x.ActLayer == y.ActLayer {
		return nil
	}
	return []string{fmt.Sprintf("the weights were trained with %s, the model has %s", x.ActLayer, y.ActLayer)}
}

func differs(n torch.Naming, m configs.Model, _ int, folded bool) (settings, other []string) {
	c, ok := m.Arch.(Config)
	if !ok || n != torch.Timm {
		return nil, nil
	}
	if c.PatchStride != c.PatchSize || c.PatchStride2 != c.PatchSize2 {
		other = append(other, "patches that do not overlap (model.patch_stride, model.patch_stride2)")
	}
	if c.GRN {
		other = append(other, "no global response normalisation (model.grn)")
	}
	if folded {
		other = append(other, "batch norms, which are folded into the convolutions here")
	}
	return nil, other
}

var architecture = regexp.MustCompile(`^fasternet_(t0|t1|t2|s|m|l)$`)

// args reads the arguments of timm. The activation follows from the architecture.
func args(a *foreign.Args, m *configs.Model, _ *foreign.Weights) {
	c := m.Arch.(Config)
	c.ActLayer = "relu"
	if strings.HasPrefix(a.Architecture, "fasternet_t0") || strings.HasPrefix(a.Architecture, "fasternet_t1") {
		c.ActLayer = "gelu"
	}
	m.Arch = c
	a.Common(c.EmbedDim, m.InChans, c.PatchSize)
	a.Integers("depths", c.Depths)
	a.Integer("n_div", c.NDiv)
	a.Integer("feature_dim", c.FeatureDim)
	if p := a.Square("merge_size"); p != 0 && p != c.PatchSize2 {
		a.Fail("merge_size", "it is %d, the tensors have %d", p, c.PatchSize2)
	}
	a.Only("global_pool", `"avg"`)
	a.Only("patch_norm", "true")
	a.Without("layer_scale_init_value", "pconv_fw_type")
	a.Finish()
}

func describe(m configs.Model, _ int) foreign.Description {
	c := m.Arch.(Config)
	return foreign.Description{
		Args: map[string]any{
			"embed_dim": c.EmbedDim, "mlp_ratio": c.MLPRatio, "patch_size": c.PatchSize,
			"depths": c.Depths, "n_div": c.NDiv, "feature_dim": c.FeatureDim, "merge_size": c.PatchSize2,
			"layer_scale_init_value": c.LayerScaleInitValue, "global_pool": "avg",
		},
		GlobalPool:  "avg",
		NumFeatures: c.EmbedDim << (len(c.Depths) - 1),
		Classifier:  "classifier",
		FirstConv:   "patch_embed.proj",
	}
}
