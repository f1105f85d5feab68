package vit

import (
	"fmt"
	"regexp"
	"strings"

	"fasternet/configs"
	"fasternet/graph/foreign"
)

var architecture = regexp.MustCompile(`^(` +
	`vit_(tiny|small|base|large|huge|giant|gigantic)_patch\d+_\d+(_miil)?|` +
	`deit_(tiny|small|base)_patch\d+_\d+|` +
	`eva_large_patch\d+_\d+|` +
	`test_vit)$`)

// timmSizes maps timm's word for the size of a ViT to its channels and attention heads.
var timmSizes = map[string]struct{ channels, heads int }{
	"tiny":     {192, 3},
	"small":    {384, 6},
	"base":     {768, 12},
	"large":    {1024, 16},
	"huge":     {1280, 16},
	"giant":    {1408, 16},
	"gigantic": {1664, 16},
}

func hub() *foreign.Hub {
	names := map[string]string{
		"vit_tiny":  "vit_tiny_patch16_224",
		"vit_small": "vit_small_patch16_224",
		"vit_base":  "vit_base_patch16_224",
		"vit_large": "vit_large_patch16_224",
	}
	return &foreign.Hub{
		Architecture:   architecture.MatchString,
		Described:      "vit_*_patch*, deit_*_patch*",
		FixedImageSize: true,
		Args:           args,
		Write:          describe,
		Preset:         func(preset string, _, _ configs.Model) string { return names[preset] },
		Default:        func(configs.Model) string { return names["vit_base"] },
	}
}

// args also reads the number of heads, and whether the final norm comes before the pool, which
// tensors do not show.
func args(a *foreign.Args, m *configs.Model, w *foreign.Weights) {
	c := m.Arch.(Config)
	defer func() { m.Arch = c }()
	a.Common(c.EmbedDim, m.InChans, c.PatchSize)
	a.Integer("depth", c.Depth)
	var heads int
	usual, known := timmSizes[strings.Split(a.Architecture+"_", "_")[1]]
	switch {
	case a.Get("num_heads", &heads):
		c.NumHeads = configs.Heads{heads}
	case known && (a.Said("embed_dim") || usual.channels == c.EmbedDim):
		c.NumHeads = configs.Heads{usual.heads}
	case w.Sets("model.num_heads"):
	case known:
		a.Fail(
			"num_heads",
			"it is not there, and %s has %d channels where the tensors have %d%s",
			a.Architecture, usual.channels, c.EmbedDim, w.Ask("model.num_heads=N"),
		)
	default:
		a.Fail("num_heads", "it is not there, and the tensors do not show it%s", w.Ask("model.num_heads=N"))
	}
	pool := "token"
	a.Get("global_pool", &pool)
	fcNorm := !c.NormBeforePool && c.GlobalPool // the tensors have fc_norm
	switch pool {
	case "token":
		if fcNorm {
			a.Fail("global_pool", `it is "token", but the tensors have fc_norm, the norm of a mean`)
		}
		c.GlobalPool, c.NormBeforePool = false, false
	case "avg":
		c.GlobalPool, c.NormBeforePool = true, !fcNorm
	default:
		a.Fail("global_pool", `it is %q, and only "token" or "avg" can be computed`, foreign.Clip(pool))
	}
	a.Only("fc_norm", fmt.Sprint(fcNorm))
	a.Only("class_token", "true")
	a.Only("pos_embed", `"learn"`)
	a.Only("reg_tokens", "0")
	for _, key := range []string{"qk_norm", "scale_attn_norm", "scale_mlp_norm", "pre_norm", "pool_include_prefix"} {
		a.Only(key, "false")
	}
	a.Only("final_norm", "true")
	a.Only("proj_bias", "true")
	a.Only("qkv_bias", fmt.Sprint(c.QKVBias))
	a.Only("act_layer", `"gelu"`)
	a.Only("norm_layer", `"layernorm"`) // of timm: eps 1e-6
	a.Without("no_embed_class", "fix_init")
	a.Finish()
}

func describe(m configs.Model, imageSize int) foreign.Description {
	c := m.Arch.(Config)
	pool := "avg"
	if !c.GlobalPool {
		pool = "token"
	}
	return foreign.Description{
		Args: map[string]any{
			"embed_dim": c.EmbedDim, "mlp_ratio": c.MLPRatio, "patch_size": c.PatchSize,
			"depth": c.Depth, "num_heads": c.NumHeads[0], "img_size": imageSize, "qkv_bias": c.QKVBias,
			"global_pool": pool, "class_token": true, "fc_norm": c.GlobalPool && !c.NormBeforePool,
		},
		GlobalPool:     pool,
		NumFeatures:    c.EmbedDim,
		Classifier:     "head",
		FirstConv:      "patch_embed.proj",
		FixedInputSize: true,
	}
}
