package swin

import (
	"fmt"
	"regexp"
	"slices"

	"fasternet/configs"
	"fasternet/graph/foreign"
)

var architecture = regexp.MustCompile(`^swin_(tiny|small|base|large)_patch\d+_window\d+_\d+$`)

func hub() *foreign.Hub {
	names := map[string]string{
		"swin_tiny":  "swin_tiny_patch4_window7_224",
		"swin_small": "swin_small_patch4_window7_224",
		"swin_base":  "swin_base_patch4_window7_224",
		"swin_large": "swin_large_patch4_window7_224",
	}
	return &foreign.Hub{
		Architecture: architecture.MatchString, Described: "swin_*_window*", Args: args, Write: describe,
		Preset:  func(preset string, _, _ configs.Model) string { return names[preset] },
		Default: func(configs.Model) string { return names["swin_tiny"] },
	}
}

// args compares the windows with the tables of the stages.
func args(a *foreign.Args, m *configs.Model, w *foreign.Weights) {
	c := m.Arch.(Config)
	defer func() {
		c.NormBeforePool, c.NormEps, c.Norm2Eps = microsoft.normBeforePool, microsoft.eps, microsoft.eps2
		m.Arch = c
	}()
	windows := windowsOf(w.Shapes)
	a.Common(c.EmbedDim, m.InChans, c.PatchSize)
	a.Integers("depths", c.Depths)
	a.Integers("num_heads", c.NumHeads)
	said := a.Sides("window_size", len(c.Depths))
	for i, side := range said {
		// If the map of a stage is smaller than a window, its table is smaller too.
		if i < len(windows) && (side < windows[i] || side != slices.Max(said) && side != windows[i]) {
			a.Fail("window_size", "it is %d in stage %d, the tensors have %d", side, i+1, windows[i])
		}
		c.WindowSize = max(c.WindowSize, side)
	}
	if size := a.ImageSize(); size > 0 {
		for i, have := range windows {
			if want := min(c.Side(size)>>i, c.WindowSize); want != have {
				a.Fail(
					"window_size",
					"in stage %d of images of %d pixels the windows would be %d×%[3]d, "+
						"and the tables are for %[4]d×%[4]d",
					i+1, size, want, have,
				)
				break
			}
		}
	}
	a.Only("head_dim", "null")
	a.Only("always_partition", "false")
	a.Only("global_pool", `"avg"`)
	a.Only("qkv_bias", fmt.Sprint(c.QKVBias))
	a.Finish()
}

func describe(m configs.Model, imageSize int) foreign.Description {
	c := m.Arch.(Config)
	return foreign.Description{
		Args: map[string]any{
			"embed_dim": c.EmbedDim, "mlp_ratio": c.MLPRatio, "patch_size": c.PatchSize,
			"depths": c.Depths, "num_heads": []int(c.NumHeads), "img_size": imageSize, "qkv_bias": c.QKVBias,
			"window_size": c.WindowSize, "global_pool": "avg",
		},
		GlobalPool:     "avg",
		NumFeatures:    c.EmbedDim << (len(c.Depths) - 1),
		Classifier:     "head.fc",
		FirstConv:      "patch_embed.proj",
		FixedInputSize: true,
	}
}
