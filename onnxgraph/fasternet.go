package onnxgraph

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/onnx"
)

// fasterNet adds a FasterNet; the last node computes the logits.
func (b *builder) fasterNet(m *graph.FasterNet, o Options) error {
	c := m.Config()
	for _, side := range []int{o.Height, o.Width} {
		if sides := c.StageSides(side); sides[len(sides)-1] < 1 {
			return fmt.Errorf("onnx: images of %d×%d pixels are too small for the model", o.Height, o.Width)
		}
	}
	act, err := b.activation(c)
	if err != nil {
		return err
	}
	x := b.conv("patch_embed.proj", Input, c.PatchSize, c.PatchStride, 0)
	for i, dim := range c.StageDims() {
		if i > 0 {
			x = b.conv(fmt.Sprintf("stages.%d.reduction", 2*i-1), x, c.PatchSize2, c.PatchStride2, 0)
		}
		for j := range c.Depths[i] {
			name := fmt.Sprintf("stages.%d.blocks.%d", 2*i, j)
			u := b.pconv(name+".spatial_mixing", x, dim, dim/c.NDiv)
			u = b.conv(name+".mlp.0", u, 1, 1, 0)
			u = act(name+".mlp.2", u)
			u = b.conv(name+".mlp.3", u, 1, 1, 0)
			x = b.node("Add", name, []string{x, u})
		}
	}
	x = b.node("GlobalAveragePool", "avgpool_pre_head.0", []string{x})
	x = b.conv("avgpool_pre_head.1", x, 1, 1, 0)
	x = act("avgpool_pre_head.2", x)
	x = b.node("Flatten", "flatten", []string{x}, onnx.Int("axis", 1))
	b.classifier(x)
	return nil
}

// pconv adds a partial convolution: 3×3 on the first cp of c channels.
func (b *builder) pconv(name, x string, c, cp int) string {
	conv := name + ".partial_conv3"
	if cp == c {
		return b.conv(conv, x, 3, 1, 1)
	}
	parts := b.split(name+".split", x, 1, cp, c-cp)
	return b.node("Concat", name, []string{b.conv(conv, parts[0], 3, 1, 1), parts[1]}, onnx.Int("axis", 1))
}

// activation returns what adds the activation of a model.
func (b *builder) activation(c configs.Model) (func(name, x string) string, error) {
	act, err := kernels.ParseActivation(c.ActLayer)
	if err != nil {
		return nil, fmt.Errorf("onnx: model.act_layer: %w", err)
	}
	if act == kernels.GELU {
		return b.gelu, nil
	}
	return func(name, x string) string { return b.node("Relu", name, []string{x}) }, nil
}
