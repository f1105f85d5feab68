package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
)

// vitShapes is shapesOf a ViT. The number of heads is not told.
func vitShapes(ts []formats.Tensor) (m configs.Model, imageSize int, err error) {
	m = configs.DefaultModel("vit")
	all := newShapes("ViT", ts)
	s, err := all.get("patch_embed.proj.weight", 4)
	if err != nil {
		return m, 0, err
	}
	m.EmbedDim, m.InChans, m.PatchSize = s[0], s[1], s[2]
	if m.Depth = all.count(func(i int) string { return fmt.Sprintf("blocks.%d.attn.qkv.weight", i) }); m.Depth == 0 {
		return m, 0, fmt.Errorf("not the weights of a ViT: it has no blocks")
	}
	if s, err = all.get("blocks.0.mlp.fc1.weight", 2); err != nil {
		return m, 0, err
	}
	m.MLPRatio, m.QKVBias = ratio(s[0], m.EmbedDim), all.has("blocks.0.attn.qkv.bias")
	if s, err = all.get("pos_embed", 3); err != nil {
		return m, 0, err
	}
	side := squareRoot(s[1] - 1)
	if side == 0 {
		side = squareRoot(s[1]) // none for the class token
	}
	if side == 0 {
		return m, 0, fmt.Errorf("position embeddings %v are for no square grid and a class token", s)
	}
	// fc_norm is the norm of a mean over the patches; norm usually works on the class token.
	m.GlobalPool, m.NumClasses = all.has("fc_norm.weight") || all.has("decoder.0.mask_token"), classesOf(ts) // or it is of a pre-training
	return m, side * m.PatchSize, nil
}

// swinShapes is shapesOf a Swin. A stage with a table for a smaller window than in other
// stages is one window, which tells the size of the images.
func swinShapes(ts []formats.Tensor) (m configs.Model, imageSize int, err error) {
	m = configs.DefaultModel("swin")
	all := newShapes("Swin", ts)
	prefix := ""
	if all.has("encoder.patch_embed.proj.weight") { // a pre-training
		prefix = "encoder."
	}
	s, err := all.get(prefix+"patch_embed.proj.weight", 4)
	if err != nil {
		return m, 0, err
	}
	m.EmbedDim, m.InChans, m.PatchSize, m.PatchNorm = s[0], s[1], s[2], all.has(prefix+"patch_embed.norm.weight")
	m.Depths, m.NumHeads, m.WindowSize = nil, nil, 0
	var sides []int
	for i := 0; ; i++ {
		block := func(j int, part string) string { return fmt.Sprintf("%slayers.%d.blocks.%d.%s", prefix, i, j, part) }
		depth := all.count(func(j int) string { return block(j, "attn.qkv.weight") })
		if depth == 0 {
			break
		}
		table, err := all.get(block(0, "attn.relative_position_bias_table"), 2)
		if err != nil {
			return m, 0, err
		}
		hidden, err := all.get(block(0, "mlp.fc1.weight"), 2)
		if err != nil {
			return m, 0, err
		}
		span := squareRoot(table[0])
		if span%2 == 0 || hidden[1] != m.EmbedDim<<i {
			return m, 0, fmt.Errorf("not the weights of a Swin: in stage %d a table of position bias %v and a first layer of the MLP %v", i+1, table, hidden)
		}
		m.Depths, m.NumHeads, sides = append(m.Depths, depth), append(m.NumHeads, table[1]), append(sides, (span+1)/2)
		if i == 0 {
			m.MLPRatio, m.QKVBias = ratio(hidden[0], hidden[1]), all.has(block(0, "attn.qkv.bias"))
		}
	}
	if len(sides) == 0 {
		return m, 0, fmt.Errorf("not the weights of a Swin: it has no blocks")
	}
	m.WindowSize, m.NumClasses = slices.Max(sides), classesOf(ts)
	for i, side := range sides {
		if side < m.WindowSize && imageSize == 0 {
			imageSize = side << i * m.PatchSize
		}
	}
	for i, side := range sides {
		if imageSize > 0 && side != min(m.Side(imageSize)>>i, m.WindowSize) {
			return m, 0, fmt.Errorf("a Swin whose stages have windows of different sizes %v: only one size, model.window_size, can be computed", sides)
		}
	}
	return m, imageSize, nil
}

// windowsOf are the sides of the windows that the tables of a Swin's stages are for.
func windowsOf(ts []formats.Tensor) (sides []int) {
	all := newShapes("Swin", ts)
	for i := 0; ; i++ {
		table, ok := all.of[fmt.Sprintf("layers.%d.blocks.0.attn.relative_position_bias_table", i)]
		if !ok || len(table) == 0 {
			return sides
		}
		sides = append(sides, (squareRoot(table[0])+1)/2)
	}
}

// inferTransformer returns what names tell of a transformer, as settings on top of a
// preset, and asks for the rest.
func (s *source) inferTransformer(m *configs.Model, size *int, told, settings []string) ([]string, error) {
	told = append(told, fmt.Sprintf("model.qkv_bias=%v", m.QKVBias))
	if m.Name == "vit" {
		if !m.GlobalPool && !setsKey(settings, "model.global_pool") {
			s.note("the tensors have norm and not fc_norm: the classifier is taken to see the class token (model.global_pool=false)")
		}
		return append(told, fmt.Sprintf("model.global_pool=%v", m.GlobalPool), fmt.Sprintf("data.image_size=%d", *size)), nil
	}
	code := s.swinCode()
	if code == nil {
		for _, set := range settings {
			switch key, value, _ := strings.Cut(set, "="); {
			case key == "model.norm_before_pool" && value == "true":
				code = &microsoft
			case key == "model.norm_before_pool" && value == "false":
				code = &localMIM
			}
		}
	}
	if code == nil && !s.pretrained() {
		return nil, fmt.Errorf("%s: %w%s: true is for Microsoft's Swin, which timm had before 0.8 (eps %g), false for LocalMIM's fine-tuning (eps %g); model.norm_eps and model.norm2_eps say another eps",
			s.path, ErrVariant, s.ways.ask("model.norm_before_pool=true or false"), microsoft.eps, localMIM.eps)
	}
	if code != nil {
		m.NormBeforePool, m.NormEps, m.Norm2Eps = code.normBeforePool, code.eps, code.eps2
		told = append(told, code.settings()...)
	}
	if *size == 0 { // the multiple of a whole number of windows that is nearest to 224
		unit := m.PatchSize * m.WindowSize << (len(m.Depths) - 1)
		*size = unit * max(1, (224+unit/2)/unit)
		if !setsKey(settings, "data.image_size") {
			s.note("the tensors do not tell the size of images: %d px is taken (data.image_size)", *size)
		}
	}
	return append(told, fmt.Sprintf("model.patch_norm=%v", m.PatchNorm), fmt.Sprintf("data.image_size=%d", *size)), nil
}

// unsupported names a part of a transformer that ours do not have. Its tensors would be
// unexpected in any case, but the name of the part says more.
func unsupported(family torch.Family, ts []formats.Tensor) error {
	if family != torch.ViT && family != torch.Swin {
		return nil
	}
	for _, t := range ts {
		for _, u := range []struct{ part, what string }{
			{".ls1.", "layer scale"}, {".gamma_1", "layer scale"}, {"norm_pre.", "a norm before the blocks"}, {"reg_token", "register tokens"},
			{".q_norm.", "norms of queries and keys"}, {"dist_token", "a distillation token"}, {"attn_pool.", "attention pooling"},
			{".mlp.norm.", "a norm within the MLPs"}, {".mlp.w12.", "gated MLPs"}, {"patch_embed.backbone.", "a convolutional network for the patches"},
			{"absolute_pos_embed", "absolute position embeddings"}, {"rope.", "rotary position embeddings"}, {".attns.", "parallel blocks"}, {"pre_logits.", "a layer before the classifier (representation_size)"},
		} {
			if strings.Contains("."+t.Name, u.part) || strings.HasPrefix(t.Name, u.part) {
				return fmt.Errorf("a %s with %s (%s): such a model cannot be computed", familyName(family), u.what, clip(t.Name))
			}
		}
	}
	if family == torch.ViT && !slices.ContainsFunc(ts, func(t formats.Tensor) bool { return t.Name == "cls_token" }) {
		return fmt.Errorf("a ViT without a class token (cls_token): such a model cannot be computed")
	}
	return nil
}

func familyName(f torch.Family) string {
	return map[torch.Family]string{torch.FasterNet: "FasterNet", torch.ViT: "ViT", torch.Swin: "Swin"}[f]
}
