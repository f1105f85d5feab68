package swin

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
)

// weights describes the weights of Swins in other programs.
func weights() foreign.Family {
	return foreign.Family{
		Network:     network,
		Shapes:      shapes,
		ImageSize:   usualImage,
		SameShapes:  sameShapes,
		Told:        told,
		Assumed:     assumed,
		Unsupported: foreign.UnsupportedTransformer,
		Doubts:      doubts,
		Padding:     padding,
		Alike:       alike,
		Differs:     differs,
		Written:     written,
		Added:       shiftMasks,
		Fit:         fit,
		Hub:         hub(),
	}
}

var network = torch.Network{
	Family: Name, Title: "Swin",
	Namings: []torch.Names{
		{Naming: torch.Official},
		{Naming: torch.Timm, Rules: []torch.Rule{
			{Official: "layers.#.downsample.*", Other: "layers.#.downsample.*", P: 1, Q: 1, R: -1},
			{Official: "head.*", Other: "head.fc.*"},
		}},
		{Naming: torch.Torchvision, Rules: []torch.Rule{
			{Official: "patch_embed.proj.*", Other: "features.0.0.*"},
			{Official: "patch_embed.norm.*", Other: "features.0.2.*"},
			{Official: "layers.#.blocks.#.mlp.fc1.*", Other: "features.#.#.mlp.0.*", P: 2, Q: 1, R: -1},
			{Official: "layers.#.blocks.#.mlp.fc2.*", Other: "features.#.#.mlp.3.*", P: 2, Q: 1, R: -1},
			{Official: "layers.#.blocks.#.*", Other: "features.#.#.*", P: 2, Q: 1, R: -1},
			{Official: "layers.#.downsample.*", Other: "features.#.*", P: 2, Q: 1, R: -2},
		}},
		{Naming: torch.Microsoft}, {Naming: torch.LocalMIM},
	},
	Recognise: func(has torch.Has) (torch.Naming, bool) {
		tables := func(prefix string) bool { return has.Between(prefix, ".attn.relative_position_bias_table") }
		switch {
		case has.Name("decoder.0.mask_token") && tables("encoder.layers."):
			return torch.LocalMIM, true
		case tables("features."):
			return torch.Torchvision, true
		case !tables("layers."):
			return "", false
		}
		later := has.Any(func(s string) bool {
			return strings.HasPrefix(s, "layers.") &&
				strings.Contains(s, ".downsample.") &&
				!strings.HasPrefix(s, "layers.0.")
		})
		if has.Between("head.fc.", "") || later && !has.Between("layers.0.downsample.", "") {
			return torch.Timm, true
		}
		return torch.Official, true
	},
}

// shapes reads the sizes. A stage with a table for a smaller window than in other stages is one
// window, which shows the size of the images.
func shapes(all foreign.Shapes) (m configs.Model, imageSize int, err error) {
	m = configs.DefaultModel(Name)
	c := m.Arch.(Config)
	fail := func(err error) (configs.Model, int, error) { return m, 0, err }
	prefix := ""
	if all.Has("encoder.patch_embed.proj.weight") { // a pre-training
		prefix = "encoder."
	}
	s, err := all.Get(prefix+"patch_embed.proj.weight", 4)
	if err != nil {
		return fail(err)
	}
	c.EmbedDim, m.InChans, c.PatchSize, c.PatchNorm = s[0], s[1], s[2], all.Has(prefix+"patch_embed.norm.weight")
	c.Depths, c.NumHeads, c.WindowSize = nil, nil, 0
	var sides []int
	for i := 0; ; i++ {
		block := func(j int, part string) string { return fmt.Sprintf("%slayers.%d.blocks.%d.%s", prefix, i, j, part) }
		depth := all.Count(func(j int) string { return block(j, "attn.qkv.weight") })
		if depth == 0 {
			break
		}
		table, err := all.Get(block(0, "attn.relative_position_bias_table"), 2)
		if err != nil {
			return fail(err)
		}
		hidden, err := all.Get(block(0, "mlp.fc1.weight"), 2)
		if err != nil {
			return fail(err)
		}
		span := foreign.SquareRoot(table[0])
		if span%2 == 0 || hidden[1] != c.EmbedDim<<i {
			return fail(all.Errorf(
				"in stage %d a table of position bias %v and a first layer of the MLP %v", i+1, table, hidden,
			))
		}
		c.Depths, c.NumHeads, sides = append(c.Depths, depth), append(c.NumHeads, table[1]), append(sides, (span+1)/2)
		if i == 0 {
			c.MLPRatio, c.QKVBias = foreign.Ratio(hidden[0], hidden[1]), all.Has(block(0, "attn.qkv.bias"))
		}
	}
	if len(sides) == 0 {
		return fail(all.Errorf("it has no blocks"))
	}
	c.WindowSize, m.NumClasses = slices.Max(sides), all.Classes()
	for i, side := range sides {
		if side < c.WindowSize && imageSize == 0 {
			imageSize = side << i * c.PatchSize
		}
	}
	for i, side := range sides {
		if imageSize > 0 && side != min(c.Side(imageSize)>>i, c.WindowSize) {
			return fail(fmt.Errorf(
				"a Swin whose stages have windows of different sizes %v: "+
					"only one size, model.window_size, can be computed",
				sides,
			))
		}
	}
	m.Arch = c
	return m, imageSize, nil
}

// windowsOf returns the sides of the windows that the tables of the stages are made for.
func windowsOf(all foreign.Shapes) (sides []int) {
	for i := 0; ; i++ {
		table := all.Shape(fmt.Sprintf("layers.%d.blocks.0.attn.relative_position_bias_table", i))
		if len(table) == 0 {
			return sides
		}
		sides = append(sides, (foreign.SquareRoot(table[0])+1)/2)
	}
}

// usualImage returns the multiple of a whole number of windows that is nearest to 224.
func usualImage(m configs.Model) int {
	c, ok := m.Arch.(Config)
	if !ok {
		return 224
	}
	unit := c.unit() * c.WindowSize
	return unit * max(1, (224+unit/2)/unit)
}

// sameShapes ignores what does not change the shapes: the eps, the pool.
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
		slices.Equal(x.NumHeads, y.NumHeads) && x.WindowSize == y.WindowSize && x.PatchNorm == y.PatchNorm
}

func told(w *foreign.Weights, m *configs.Model, imageSize *int) ([]string, error) {
	c, err := configs.ArchOf[Config](*m)
	if err != nil {
		return nil, err
	}
	settings := []string{fmt.Sprintf("model.qkv_bias=%v", c.QKVBias)}
	of := programOf(w)
	if of == nil {
		switch value, _ := w.Setting("model.norm_before_pool"); value {
		case "true":
			of = &microsoft
		case "false":
			of = &localMIM
		}
	}
	if of == nil && !w.Pretrained {
		return nil, fmt.Errorf("%s: %w%s: true is for Microsoft's Swin, which timm had before 0.8 (eps %g), "+
			"false for LocalMIM's fine-tuning (eps %g); for another eps set model.norm_eps and model.norm2_eps",
			w.Path, foreign.ErrVariant, w.Ask("model.norm_before_pool=true or false"), microsoft.eps, localMIM.eps)
	}
	if of != nil {
		c.NormBeforePool, c.NormEps, c.Norm2Eps = of.normBeforePool, of.eps, of.eps2
		m.Arch = c
		settings = append(settings, of.settings()...)
	}
	if *imageSize == 0 {
		*imageSize = usualImage(*m)
		if !w.Sets("data.image_size") {
			w.Note("the tensors do not show the size of images: %d px is taken (data.image_size)", *imageSize)
		}
	}
	return append(
		settings, fmt.Sprintf("model.patch_norm=%v", c.PatchNorm),
		fmt.Sprintf("data.image_size=%d", *imageSize),
	), nil
}

func assumed(m configs.Model, _ bool) []string {
	c, _ := m.Arch.(Config)
	return []string{"the activation (gelu)", fmt.Sprintf("the eps of its norms (%g)", c.NormEps), "the pool (mean)"}
}

// alike accepts other window sizes, because their tables are interpolated.
func alike(key string, _, _ configs.Model) bool { return key == "model.window_size" }

// written adds what other programs want: timm computes the index of positions, torchvision stores
// it flat, and always has a bias of the queries.
func written(n torch.Naming, m configs.Model, t foreign.Tensor) []foreign.Tensor {
	if strings.HasSuffix(t.Name, ".relative_position_index") {
		switch n {
		case torch.Timm:
			return nil
		case torch.Torchvision:
			t.Shape = []int{len(t.I64)}
		}
	}
	if c, ok := m.Arch.(Config); ok && !c.QKVBias && n == torch.Torchvision {
		return foreign.WithBias(t)
	}
	return []foreign.Tensor{t}
}
