package configs

func (m Model) checkViT() *problem {
	if p := first(
		atLeast("model.depth", m.Depth, 1),
		oneOf("model.pos_embed", m.PosEmbed, "learned", "sincos", "fixed"),
		within("model.norm_eps", m.NormEps, 1e-12, 1),
	); p != nil {
		return p
	}
	if len(m.NumHeads) != 1 {
		return wrong("model.num_heads", "want one number, got %v", []int(m.NumHeads))
	}
	if m.PosEmbed != "learned" && m.EmbedDim%4 != 0 {
		return wrong("model.embed_dim", "want a multiple of 4 for sine-cosine position embeddings, got %d", m.EmbedDim).with("model.pos_embed")
	}
	return m.checkHeads(0, m.EmbedDim)
}

func (m Model) checkSwin() *problem {
	if p := first(
		m.checkDepths("[2, 2, 6, 2]"),
		atLeast("model.window_size", m.WindowSize, 1),
		within("model.norm_eps", m.NormEps, 1e-12, 1),
		within("model.norm2_eps", m.Norm2Eps, 1e-12, 1),
	); p != nil {
		return p
	}
	if p := m.checkChannels(); p != nil {
		return p
	}
	if len(m.NumHeads) != len(m.Depths) {
		return wrong("model.num_heads", "want a number for each of the %d stages (model.depths), got %v", len(m.Depths), []int(m.NumHeads)).with("model.depths")
	}
	for i, dim := range m.StageDims() {
		if p := m.checkHeads(i, dim); p != nil {
			return p
		}
	}
	return nil
}

// checkHeads: the channels are divided among the heads.
func (m Model) checkHeads(stage, dim int) *problem {
	if h := m.NumHeads[stage]; h < 1 || dim%h != 0 {
		return wrong("model.num_heads", "want a divisor of the %d channels of stage %d, got %d", dim, stage+1, h).with("model.embed_dim", "model.depths")
	}
	return nil
}

// checkTokens says whether an image can be cut into patches, and the patches
// merged as often as there are stages.
func (m Model) checkTokens(key string, size int) *problem {
	unit := m.PatchSize
	if m.Name == "swin" {
		unit <<= len(m.Depths) - 1
	}
	if size < unit || size%unit != 0 {
		if m.Name == "swin" {
			return wrong(key, "want a multiple of %d, got %d: patches of %d pixels (patch_size) are merged 2×2 between %d stages", unit, size, m.PatchSize, len(m.Depths)).with(sideKeys...)
		}
		return wrong(key, "want a multiple of patch_size (%d), got %d", unit, size).with(sideKeys...)
	}
	return nil
}

// Side is the side of the grid of patches of a transformer's first stage, for
// an image of the given height or width.
func (m Model) Side(image int) int { return image / m.PatchSize }
