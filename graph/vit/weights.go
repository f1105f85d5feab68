package vit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
	"fasternet/ops"
)

// Eps is the eps of the norms of ViT in all programs whose names are known.
const Eps = 1e-6

// weights describes the weights of ViTs in other programs.
func weights() foreign.Family {
	return foreign.Family{
		Network:     network,
		Shapes:      shapes,
		SameShapes:  sameShapes,
		Told:        told,
		Untold:      untold,
		Assumed:     assumed,
		Unsupported: unsupported,
		Doubts:      doubts,
		Alike:       alike,
		Differs:     differs,
		Written:     written,
		Fit:         fit,
		Hub:         hub(),
	}
}

var network = torch.Network{
	Family: Name, Title: "ViT",
	Namings: []torch.Names{
		{Naming: torch.Official}, {Naming: torch.Timm},
		{Naming: torch.Torchvision, Rules: []torch.Rule{
			{Official: "cls_token", Other: "class_token"},
			{Official: "pos_embed", Other: "encoder.pos_embedding"},
			{Official: "patch_embed.proj.*", Other: "conv_proj.*"},
			{Official: "blocks.#.norm1.*", Other: "encoder.layers.encoder_layer_#.ln_1.*"},
			{
				Official: "blocks.#.attn.qkv.weight",
				Other:    "encoder.layers.encoder_layer_#.self_attention.in_proj_weight",
			},
			{Official: "blocks.#.attn.qkv.bias", Other: "encoder.layers.encoder_layer_#.self_attention.in_proj_bias"},
			{Official: "blocks.#.attn.proj.*", Other: "encoder.layers.encoder_layer_#.self_attention.out_proj.*"},
			{Official: "blocks.#.norm2.*", Other: "encoder.layers.encoder_layer_#.ln_2.*"},
			{Official: "blocks.#.mlp.fc1.*", Other: "encoder.layers.encoder_layer_#.mlp.0.*"},
			{Official: "blocks.#.mlp.fc2.*", Other: "encoder.layers.encoder_layer_#.mlp.3.*"},
			{Official: "norm.*", Other: "encoder.ln.*"},
			{Official: "head.*", Other: "heads.head.*"},
			// As the first releases had them; the program never writes them.
			{Official: "blocks.#.mlp.fc1.*", Other: "encoder.layers.encoder_layer_#.mlp.linear_1.*"},
			{Official: "blocks.#.mlp.fc2.*", Other: "encoder.layers.encoder_layer_#.mlp.linear_2.*"},
		}},
		{Naming: torch.LocalMIM},
	},
	Recognise: func(has torch.Has) (torch.Naming, bool) {
		ours := has.Name("blocks.0.attn.qkv.weight")
		switch {
		case has.Name("decoder.0.mask_token") && ours:
			return torch.LocalMIM, true
		case has.Between("encoder.layers.encoder_layer_", "") && has.Between("conv_proj.", ""):
			return torch.Torchvision, true
		case has.Name("patch_embed.proj.weight") && ours:
			return torch.Official, true
		}
		return "", false
	},
}

// shapes reads the sizes. Tensors do not show the number of heads: it is 1, which always fits.
func shapes(all foreign.Shapes) (m configs.Model, imageSize int, err error) {
	m = configs.DefaultModel(Name)
	c := m.Arch.(Config)
	fail := func(err error) (configs.Model, int, error) { return m, 0, err }
	s, err := all.Get("patch_embed.proj.weight", 4)
	if err != nil {
		return fail(err)
	}
	c.NumHeads = configs.Heads{1}
	c.EmbedDim, m.InChans, c.PatchSize = s[0], s[1], s[2]
	if c.Depth = all.Count(func(i int) string { return fmt.Sprintf("blocks.%d.attn.qkv.weight", i) }); c.Depth == 0 {
		return fail(all.Errorf("it has no blocks"))
	}
	if s, err = all.Get("blocks.0.mlp.fc1.weight", 2); err != nil {
		return fail(err)
	}
	c.MLPRatio, c.QKVBias = foreign.Ratio(s[0], c.EmbedDim), all.Has("blocks.0.attn.qkv.bias")
	if s, err = all.Get("pos_embed", 3); err != nil {
		return fail(err)
	}
	side := foreign.SquareRoot(s[1] - 1)
	if side == 0 {
		side = foreign.SquareRoot(s[1]) // none for the class token
	}
	if side == 0 {
		return fail(fmt.Errorf("position embeddings %v do not fit a square grid and a class token", s))
	}
	// fc_norm is the norm of a mean over the patches, while norm usually works on the class token; in a
	// pre-training there is no pool yet.
	c.GlobalPool, m.NumClasses = all.Has("fc_norm.weight") || all.Has("decoder.0.mask_token"), all.Classes()
	m.Arch = c
	return m, side * c.PatchSize, nil
}

// sameShapes ignores what does not change the shapes: the number of heads, the eps.
func sameShapes(a, b configs.Model) bool {
	x, okX := a.Arch.(Config)
	y, okY := b.Arch.(Config)
	return okX &&
		okY &&
		x.EmbedDim == y.EmbedDim &&
		x.Depth == y.Depth &&
		x.MLPRatio == y.MLPRatio &&
		a.InChans == b.InChans &&
		x.PatchSize == y.PatchSize
}

func told(w *foreign.Weights, m *configs.Model, imageSize *int) ([]string, error) {
	c, err := configs.ArchOf[Config](*m)
	if err != nil {
		return nil, err
	}
	if !c.GlobalPool && !w.Sets("model.global_pool") {
		w.Note("the tensors have norm and not fc_norm: " +
			"the classifier is taken to see the class token (model.global_pool=false)")
	}
	return []string{
		fmt.Sprintf("model.qkv_bias=%v", c.QKVBias),
		fmt.Sprintf("model.global_pool=%v", c.GlobalPool),
		fmt.Sprintf("data.image_size=%d", *imageSize),
	}, nil
}

func untold(w *foreign.Weights, m configs.Model) error {
	c, err := configs.ArchOf[Config](m)
	if err != nil || w.Sets("model.num_heads") {
		return err
	}
	return fmt.Errorf("%s is a ViT of an unknown size (embed_dim %d, depth %d): %w%s",
		w.Path, c.EmbedDim, c.Depth, foreign.ErrHeads, w.Ask("model.num_heads=N"))
}

func assumed(m configs.Model, preset bool) (what []string) {
	c, ok := m.Arch.(Config)
	if preset {
		what = append(what, "the number of attention heads")
	}
	what = append(what, "the activation (gelu)", fmt.Sprintf("the eps of its norms (%g)", c.NormEps))
	if ok && c.GlobalPool { // else there is a note about the class token
		what = append(what, "the pool (mean)")
	}
	return what
}

func unsupported(s foreign.Shapes) error {
	if err := foreign.UnsupportedTransformer(s); err != nil {
		return err
	}
	if !s.Has("cls_token") {
		return errors.New("a ViT without a class token (cls_token): such a model cannot be computed")
	}
	return nil
}

func doubts(w *foreign.Weights, m configs.Model) {
	if c, ok := m.Arch.(Config); ok && c.NormEps != Eps {
		w.Note("a ViT with such names has norms with eps %g, and the configuration says %g (model.norm_eps)",
			Eps, c.NormEps)
	}
}

// alike accepts both orders of norm and pool for the class token: for one token they are the same.
func alike(key string, weights, config configs.Model) bool {
	x, okX := weights.Arch.(Config)
	y, okY := config.Arch.(Config)
	return okX && okY && key == "model.norm_before_pool" && !x.GlobalPool && !y.GlobalPool
}

func differs(n torch.Naming, m configs.Model, _ int, _ bool) (settings, other []string) {
	c, ok := m.Arch.(Config)
	if !ok {
		return nil, nil
	}
	if c.NormEps != Eps {
		settings = append(settings, fmt.Sprintf("model.norm_eps=%g", Eps))
	}
	if n == torch.Torchvision && c.GlobalPool {
		settings = append(settings, "model.global_pool=false")
	}
	if (n == torch.Official || n == torch.LocalMIM) && c.GlobalPool && c.NormBeforePool {
		settings = append(settings, "model.norm_before_pool=false")
	}
	return settings, nil
}

// written adds a bias of the queries, which torchvision always has.
func written(n torch.Naming, m configs.Model, t foreign.Tensor) []foreign.Tensor {
	if c, ok := m.Arch.(Config); ok && !c.QKVBias && n == torch.Torchvision {
		return foreign.WithBias(t)
	}
	return []foreign.Tensor{t}
}

// fit interpolates position embeddings [1, 1 + side², C] for the grid of the model. If the class
// token has none it gets zeros, which is the same.
func fit(t foreign.Tensor, want []int, antialias bool) (fitted foreign.Tensor, note string, ok bool) {
	if t.Name != "pos_embed" || len(t.Shape) != 3 || t.Shape[0] != 1 || t.Shape[2] != want[2] {
		return t, "", false
	}
	c := t.Shape[2]
	from, to := foreign.SquareRoot(t.Shape[1]-1), foreign.SquareRoot(want[1]-1)
	var notes []string
	if side := foreign.SquareRoot(t.Shape[1]); from == 0 && side > 0 {
		from = side
		t.F32, t.Shape = slices.Concat(make([]float32, c), t.F32), []int{1, 1 + side*side, c}
		notes = append(notes, "the class token has no position embedding: it gets zeros, which is the same")
	}
	if from > 0 && to > 0 && from != to {
		how := ops.Pointwise
		if antialias {
			how = ops.Antialiased
		}
		t.F32 = ops.ResizePositions(t.F32, 1, c, [2]int{from, from}, [2]int{to, to}, how)
		t.Shape = slices.Clone(want)
		notes = append(
			notes,
			fmt.Sprintf("position embeddings of a %d×%[1]d grid are interpolated for %d×%[2]d", from, to),
		)
	}
	return t, strings.Join(notes, "\n"), len(notes) > 0
}
