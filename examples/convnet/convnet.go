package main

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// config has the keys of the section model that other models do not have.
type config struct {
	Dim       int     `yaml:"dim" doc:"channels"`
	Depth     int     `yaml:"depth" most:"1024" doc:"blocks"`
	PatchSize int     `yaml:"patch_size" most:"1024" doc:"side of a patch, in pixels"`
	MLPRatio  float64 `yaml:"mlp_ratio" most:"64" doc:"hidden channels of the MLPs, as a multiple of dim"`
}

// Check implements configs.Arch. It is the only method that a config needs.
func (c config) Check(configs.Model) *configs.Problem {
	return configs.First(
		configs.AtLeast("model.dim", c.Dim, 1),
		configs.AtLeast("model.depth", c.Depth, 1),
		configs.AtLeast("model.patch_size", c.PatchSize, 1),
		configs.Within("model.mlp_ratio", c.MLPRatio, 1, 64),
	)
}

// CheckImage implements configs.ImageChecker.
func (c config) CheckImage(key string, size int) *configs.Problem {
	return configs.AtLeast(key, size, c.PatchSize)
}

// Stages and Blocks implement configs.Staged, for train.frozen_stages.
func (c config) Stages() (what string, n int) { return "blocks", c.Depth }
func (c config) Blocks() int                  { return c.Depth }

// Outputs implements configs.Sized: the hidden layer of an MLP is the largest output.
func (c config) Outputs(size int) float64 {
	patches := float64(size / c.PatchSize * (size / c.PatchSize))
	return patches * float64(c.Dim) * c.MLPRatio
}

func family() graph.Family {
	return graph.Family{
		Config: configs.Family{Name: "convnet", Title: "ConvNet", Default: func() configs.Model {
			return configs.Model{Arch: config{Dim: 32, Depth: 4, PatchSize: 4, MLPRatio: 2}, InitStd: 0.02, InChans: 3}
		}},
		New: graph.Maker(newModel),
	}
}

// block is x + conv(x), and then x + MLP(norm(x)).
type block struct {
	name string
	conv depthwise
	mlp  ops.MLP
	drop layers.DropPath
}

type model struct {
	graph.Base[config]
	embed  *layers.TokenEmbed
	blocks []block
	norm   *ops.LayerNorm
	head   *layers.Classifier
}

func newModel(c configs.Model, _ int, s *layers.Store) (*model, error) {
	base, err := graph.NewBase[config](c, s)
	if err != nil {
		return nil, err
	}
	a, m := base.Arch(), &model{Base: base}
	const eps = 1e-6
	zero, normal := layers.Constant(0), layers.TruncatedNormal(c.InitStd)
	hidden := int(float64(a.Dim) * a.MLPRatio)
	m.embed = layers.NewTokenEmbed(s, c.InChans, a.Dim, a.PatchSize, normal, zero, eps)
	for i, rate := range layers.DropPathRates(c.DropPathRate, a.Depth) {
		name := fmt.Sprintf("blocks.%d", i)
		m.blocks = append(m.blocks, block{
			name: name,
			drop: layers.DropPath{Block: i, Rate: rate},
			conv: depthwise{
				Name:   name + ".conv",
				Weight: s.Param(name+".conv.weight", layers.FanIn(taps), a.Dim, 1, side, side),
				Bias:   s.Param(name+".conv.bias", zero, a.Dim),
			},
			mlp: ops.MLP{
				Name:    name + ".mlp",
				Norm:    layers.NewLayerNorm(s, name+".norm", a.Dim, eps),
				Fc1:     s.Param(name+".mlp.fc1.weight", normal, hidden, a.Dim),
				Fc1Bias: s.Param(name+".mlp.fc1.bias", zero, hidden),
				Fc2:     s.Param(name+".mlp.fc2.weight", normal, a.Dim, hidden),
				Fc2Bias: s.Param(name+".mlp.fc2.bias", zero, a.Dim),
			},
		})
	}
	m.norm = layers.NewLayerNorm(s, "norm", a.Dim, eps)
	m.head = layers.NewClassifier(s, a.Dim, c.NumClasses, normal)
	return m, nil
}

// Forward adds the model to a graph. Layer and Block are for layer decay, freezing and
// gradient checkpointing.
func (m *model) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	p.Layer(0)
	x, err := m.embed.Forward(p, x)
	if err != nil {
		return nil, err
	}
	for i, b := range m.blocks {
		p.Layer(i + 1)
		if x, err = p.Block(b.name, func() (*gorgonia.Node, error) { return b.forward(p, x) }); err != nil {
			return nil, err
		}
	}
	p.Layer(len(m.blocks) + 1)
	defer p.Within("head")()
	p.TapMap(x)
	if x, err = ops.GlobalAvgPool(p.Tape, "pool", x); err != nil {
		return nil, err
	}
	p.TapPooled(x)
	if x, err = ops.Normalise(p.Tape, "norm", x, m.norm); err != nil {
		return nil, err
	}
	return m.head.Forward(p, x)
}

func (b block) forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within(b.name)()
	x, side, err := ops.Branch(p.Tape, b.name, x)
	if err != nil {
		return nil, err
	}
	if x, err = b.conv.add(p.Tape, x); err != nil {
		return nil, err
	}
	if x, err = ops.Add(p.Tape, b.name, x, side); err != nil {
		return nil, err
	}
	mlp := b.mlp
	mlp.Keep = b.drop.Forward(p, x.Shape()[0])
	return ops.MLPBlock(p.Tape, x, mlp)
}
