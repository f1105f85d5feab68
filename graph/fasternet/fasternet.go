// Package fasternet is the family of FasterNets (Chen et al., "Run, Don't Walk: Chasing Higher
// FLOPS for Faster Neural Networks", CVPR 2023): its section of the configuration, its forward pass
// and folded form, and the formats in which other programs store its weights.
package fasternet

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"

	"gorgonia.org/gorgonia"
)

// Model is the backbone of Chen et al., "Run, Don't Walk" (CVPR 2023), with its classifier.
type Model struct {
	graph.Base[Config]
	Backbone
	head *layers.Head
	int8 *graph.Int8State // nil in float32
}

// Backbone is a FasterNet up to the last stage.
type Backbone struct {
	act    kernels.Activation
	embed  *layers.PatchConv
	stages [][]*layers.Block
	merges []*layers.PatchConv // between the stages
}

// Embed returns the layer before the first stage.
func (b *Backbone) Embed() *layers.PatchConv { return b.embed }

// Stages returns the blocks of each stage.
func (b *Backbone) Stages() [][]*layers.Block { return b.stages }

// Merges returns the layers between the stages: Merges()[i] comes after stage i, counted from 0.
func (b *Backbone) Merges() []*layers.PatchConv { return b.merges }

// New makes a model with parameters drawn from the seed. The configuration must have passed the
// checks of package configs, and have the number of classes.
func New(c configs.Model, seed uint64) (*Model, error) {
	return graph.Make[*Model](Family(), c, 0, layers.NewStore(seed, c.InitStd))
}

func newModel(c configs.Model, _ int, s *layers.Store) (*Model, error) {
	base, err := graph.NewBase[Config](c, s)
	if err != nil {
		return nil, err
	}
	m := &Model{Base: base}
	if m.Backbone, err = NewBackbone(s, base.Arch(), c); err != nil {
		return nil, err
	}
	dims := base.Arch().StageDims()
	m.head = layers.NewHead(s, dims[len(dims)-1], base.Arch().FeatureDim, c.NumClasses, m.act)
	return m, nil
}

// NewBackbone makes the stages of a model, and the layers before and between them.
func NewBackbone(s *layers.Store, a Config, c configs.Model) (b Backbone, err error) {
	if b.act, err = kernels.ParseActivation(a.ActLayer); err != nil {
		return b, fmt.Errorf("fasternet: model.act_layer: %w", err)
	}
	dims := a.StageDims()
	rates := layers.DropPathRates(c.DropPathRate, a.Blocks())
	b.embed = layers.NewPatchEmbed(s, c.InChans, dims[0], a.PatchSize, a.PatchStride)
	number := 0
	for i, dim := range dims {
		if i > 0 {
			b.merges = append(
				b.merges,
				layers.NewPatchMerging(
					s, fmt.Sprintf("stages.%d", 2*i-1), dims[i-1], dim, a.PatchSize2, a.PatchStride2,
				),
			)
		}
		var stage []*layers.Block
		for j := range a.Depths[i] {
			stage = append(stage, layers.NewBlock(s, fmt.Sprintf("stages.%d.blocks.%d", 2*i, j), layers.BlockOptions{
				Channels:   dim,
				Hidden:     int(float64(dim) * a.MLPRatio),
				NDiv:       a.NDiv,
				Act:        b.act,
				LayerScale: a.LayerScaleInitValue,
				GRN:        a.GRN,
				DropPath:   layers.DropPath{Block: number, Rate: rates[number]},
			}))
			number++
		}
		b.stages = append(b.stages, stage)
	}
	return b, nil
}

// Forward implements [graph.Model].
func (m *Model) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	p.Layer(0)
	at := stream{}
	layer := 0 // see graph.Layers: a merging layer belongs to the layer before it
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
					if y, err = at.to(p, y, int8InConv(enter)); err != nil {
						return nil, err
					}
					if y, err = enter.Forward(p, y); err != nil {
						return nil, err
					}
					if at.name = enter.Name; enter.Int8 != nil {
						at.grid = &enter.Int8.Out
					}
				}
				layer++
				p.Layer(layer)
				if y, err = at.to(p, y, int8In(b)); err != nil {
					return nil, err
				}
				if y, err = b.Forward(p, y); b.Int8 != nil {
					at.grid = &b.Int8.Out
				}
				at.name = b.Name
				return y, err
			}); err != nil {
				return nil, err
			}
		}
		if p.Tap != nil || i == len(m.stages)-1 {
			var err error
			if x, err = at.to(p, x, nil); err != nil {
				return nil, err
			}
		}
		p.TapStage(i, x)
	}
	p.Layer(layer + 1)
	return m.head.Forward(p, x)
}

// Family describes FasterNets for package graph.
func Family() graph.Family {
	return graph.Family{
		Config: family(), Weights: weights(),
		New: graph.Maker(newModel),
	}
}
