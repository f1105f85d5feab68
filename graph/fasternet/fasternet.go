// Package fasternet is the family of FasterNets (Chen et al., "Run, Don't Walk: Chasing Higher
// FLOPS for Faster Neural Networks", CVPR 2023): its section of the configuration, its forward
// pass and folded form, and what it knows about weights of other programs.
package fasternet

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"

	"gorgonia.org/gorgonia"
)

// Model is the backbone of Chen et al., "Run, Don't Walk" (CVPR 2023) with
// its classifier.
type Model struct {
	graph.Base[Config]
	act    kernels.Activation
	embed  *layers.PatchConv
	stages [][]*layers.Block
	merges []*layers.PatchConv // between the stages
	head   *layers.Head
}

// New makes a model with parameters drawn from the seed. The
// configuration must have passed the checks of package configs, and name the
// number of classes.
func New(c configs.Model, seed uint64) (*Model, error) {
	return graph.Make[*Model](Family(), c, 0, layers.NewStore(seed, c.InitStd))
}

func newModel(c configs.Model, _ int, s *layers.Store) (*Model, error) {
	base, err := graph.NewBase[Config](c, s)
	if err != nil {
		return nil, err
	}
	a := base.Arch()
	act, err := kernels.ParseActivation(a.ActLayer)
	if err != nil {
		return nil, fmt.Errorf("fasternet: model.act_layer: %w", err)
	}
	m := &Model{Base: base, act: act}
	dims := a.StageDims()
	rates := layers.DropPathRates(c.DropPathRate, a.Blocks())
	m.embed = layers.NewPatchEmbed(s, c.InChans, dims[0], a.PatchSize, a.PatchStride)
	number := 0
	for i, dim := range dims {
		if i > 0 {
			m.merges = append(m.merges, layers.NewPatchMerging(s, fmt.Sprintf("stages.%d", 2*i-1), dims[i-1], dim, a.PatchSize2, a.PatchStride2))
		}
		var stage []*layers.Block
		for j := range a.Depths[i] {
			stage = append(stage, layers.NewBlock(s, fmt.Sprintf("stages.%d.blocks.%d", 2*i, j), layers.BlockOptions{
				Channels: dim, Hidden: int(float64(dim) * a.MLPRatio), NDiv: a.NDiv, Act: act, LayerScale: a.LayerScaleInitValue,
				DropPath: layers.DropPath{Block: number, Rate: rates[number]},
			}))
			number++
		}
		m.stages = append(m.stages, stage)
	}
	m.head = layers.NewHead(s, dims[len(dims)-1], a.FeatureDim, c.NumClasses, act)
	return m, nil
}

// Forward is part of [graph.Model].
func (m *Model) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	p.Layer(0)
	layer := 0 // see graph.Layers: a merging belongs to the layer before it
	for i, stage := range m.stages {
		enter := m.embed
		if i > 0 {
			enter = m.merges[i-1]
		}
		for j, b := range stage {
			var err error
			if x, err = p.Block(b.Name, func() (*gorgonia.Node, error) {
				y := x
				if j == 0 {
					if y, err = enter.Forward(p, y); err != nil {
						return nil, err
					}
				}
				layer++
				p.Layer(layer)
				return b.Forward(p, y)
			}); err != nil {
				return nil, err
			}
		}
		p.TapStage(i, x)
	}
	p.Layer(layer + 1)
	return m.head.Forward(p, x)
}

// Family is what package graph knows of this kind of model.
func Family() graph.Family {
	return graph.Family{
		Config: family(), Weights: weights(),
		New: graph.Maker(newModel),
	}
}
