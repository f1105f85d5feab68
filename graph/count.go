package graph

import (
	"fmt"

	"fasternet/configs"
)

// LayerCount is the cost of a layer for one image. One multiply-add is one MAC.
type LayerCount struct {
	Name                    string
	Height, Width, Channels int // of the output
	Parameters              int
	MACs                    int // of convolutions and linear layers
	Activations             int // values that convolutions and linear layers put out, as fvcore counts
	// Foldable is the number of parameters that vanish when batch norms and
	// layer scale are folded into the convolutions: one a channel of each.
	Foldable int
	// The two products within attention. fvcore counts their results too; tables
	// of models whose attention is one fused operation leave them out.
	AttentionMACs, AttentionActivations int
	// Elements of batch norms, which count 2 each, and inputs of pools, which
	// count 1, in the convention of the paper's Tab. 3 (fvcore, BN not folded).
	NormElements, PoolElements int
}

// Count is part of Model.
func (m *FasterNet) Count(height, width int) []LayerCount {
	return countFasterNet(m.config, m.Folded(), height, width)
}

// Parameters is the number of learned values of the model that a configuration
// describes for images of a size, without making it. Position embeddings count
// also if they are fixed.
func Parameters(c configs.Model, imageSize int, folded bool) int {
	switch c.Name {
	case "vit":
		c.PosEmbed = "learned"
		return Total(countViT(c, [2]int{c.Side(imageSize), c.Side(imageSize)}, 0, 0)).Parameters
	case "swin":
		return Total(countSwin(c, windowSides(c, imageSize), 0, 0)).Parameters
	}
	return Total(countFasterNet(c, folded, 0, 0)).Parameters
}

func countFasterNet(c configs.Model, folded bool, height, width int) []LayerCount {
	norm, perNorm := 1, 2 // 1 for a model with norms; learned values of one a channel
	if folded {
		norm, perNorm = 0, 1
	}
	dims, hs, ws := c.StageDims(), c.StageSides(height), c.StageSides(width)
	conv := func(name string, i, in, size int) LayerCount {
		out := dims[i]
		weights, pixels := in*out*size*size, hs[i]*ws[i]
		return LayerCount{Name: name, Height: hs[i], Width: ws[i], Channels: out,
			Parameters: weights + perNorm*out, MACs: pixels * weights, Activations: pixels * out,
			Foldable: norm * out, NormElements: norm * pixels * out}
	}
	counts := []LayerCount{conv("patch_embed", 0, c.InChans, c.PatchSize)}
	for i, dim := range dims {
		if i > 0 {
			counts = append(counts, conv(fmt.Sprintf("stages.%d", 2*i-1), i, dims[i-1], c.PatchSize2))
		}
		hidden, cp, pixels := int(float64(dim)*c.MLPRatio), dim/c.NDiv, hs[i]*ws[i]
		weights := 2*dim*hidden + 9*cp*cp
		scale := 0
		if c.LayerScaleInitValue > 0 && !folded {
			scale = dim
		}
		for j := range c.Depths[i] {
			counts = append(counts, LayerCount{
				Name: fmt.Sprintf("stages.%d.blocks.%d", 2*i, j), Height: hs[i], Width: ws[i], Channels: dim,
				Parameters: weights + perNorm*hidden + scale, MACs: pixels * weights, Activations: pixels * (cp + hidden + dim),
				Foldable: norm*hidden + scale, NormElements: norm * pixels * hidden,
			})
		}
	}
	last := len(dims) - 1
	pre, head := dims[last]*c.FeatureDim, c.FeatureDim*c.NumClasses
	return append(counts,
		LayerCount{Name: "avgpool_pre_head", Height: 1, Width: 1, Channels: c.FeatureDim, Parameters: pre, MACs: pre, Activations: c.FeatureDim, PoolElements: hs[last] * ws[last] * dims[last]},
		LayerCount{Name: "head", Height: 1, Width: 1, Channels: c.NumClasses, Parameters: head + c.NumClasses, MACs: head, Activations: c.NumClasses},
	)
}

// Total adds the counts up.
func Total(counts []LayerCount) LayerCount {
	t := LayerCount{Name: "total"}
	for _, c := range counts {
		t.Parameters += c.Parameters
		t.MACs += c.MACs
		t.Activations += c.Activations
		t.Foldable += c.Foldable
		t.AttentionMACs += c.AttentionMACs
		t.AttentionActivations += c.AttentionActivations
		t.NormElements += c.NormElements
		t.PoolElements += c.PoolElements
	}
	return t
}

// MACsWithNorm counts batch norms and pools too, as the paper's Tab. 3 does.
func (c LayerCount) MACsWithNorm() int { return c.MACs + 2*c.NormElements + c.PoolElements }

// Folded is the count of the layer with its batch norms and its layer scale
// folded into the convolutions.
func (c LayerCount) Folded() LayerCount {
	c.Parameters -= c.Foldable
	c.Foldable, c.NormElements = 0, 0
	return c
}
