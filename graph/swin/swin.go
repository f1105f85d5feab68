// Package swin is the family of Swin transformers (Liu et al., 2021): its section of the
// configuration, its forward pass, bias tables for other window sizes, and the formats in which
// other programs store its weights.
package swin

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Model is the shifted-window transformer of Liu et al. (2021) as LocalMIM fine-tunes it: the mean
// over the tokens comes before the final norm, or after it (norm_before_pool) as in the original.
type Model struct {
	graph.Base[Config]
	graph.Int8Layers
	embed  *layers.TokenEmbed
	stages []Stage
	norm   *ops.LayerNorm
	head   *layers.Classifier
}

// Stage holds the blocks between two mergings.
type Stage struct {
	Side   int // of the windows that the bias tables are made for
	Blocks []*layers.Transformer
	Merge  *layers.TokenMerging // after the blocks; nil in the last stage
}

// The names of the last norm, and of the op that takes the mean of the tokens.
const (
	finalNorm = "norm"
	pool      = "avgpool"
)

// New makes a model with parameters drawn from the seed. If a stage is not larger than a window for
// images of the given size, it becomes one window of its own size, and its tables of position bias are
// made for that size. The configuration must have passed the checks of package configs, and have the
// number of classes.
//
// Initialisation as in the original: linear layers and tables truncated normal, the patch embedding
// as PyTorch's convolutions.
func New(c configs.Model, imageSize int, seed uint64) (*Model, error) {
	return graph.Make[*Model](Family(), c, imageSize, layers.NewStore(seed, c.InitStd))
}

func newModel(c configs.Model, imageSize int, s *layers.Store) (*Model, error) {
	base, err := graph.NewBase[Config](c, s)
	if err != nil {
		return nil, err
	}
	a := base.Arch()
	m := &Model{Base: base}
	normal := layers.TruncatedNormal(c.InitStd)
	conv := layers.FanIn(c.InChans * a.PatchSize * a.PatchSize)
	eps := 0.0
	if a.PatchNorm {
		eps = a.NormEps
	}
	m.embed = layers.NewTokenEmbed(s, c.InChans, a.EmbedDim, a.PatchSize, conv, conv, eps)
	stages, err := NewStages(s, a, c.DropPathRate, imageSize, normal)
	if err != nil {
		return nil, err
	}
	m.stages = stages
	last := a.EmbedDim << (len(a.Depths) - 1)
	m.norm = layers.NewLayerNorm(s, finalNorm, last, a.NormEps)
	m.head = layers.NewClassifier(s, last, c.NumClasses, normal)
	return m, nil
}

// NewStages makes the blocks and the merging layers, with linear layers initialised as given.
func NewStages(s *layers.Store, a Config, dropPathRate float64, imageSize int, weights layers.Init) ([]Stage, error) {
	var stages []Stage
	rates, number, sides := layers.DropPathRates(dropPathRate, a.Blocks()), 0, windowSides(a, imageSize)
	for i, dim := range a.StageDims() {
		if sides[i] < 1 {
			return nil, fmt.Errorf("swin: images of %d pixels leave no token in stage %d", imageSize, i+1)
		}
		stage := Stage{Side: sides[i]}
		for j := range a.Depths[i] {
			name := fmt.Sprintf("layers.%d.blocks.%d", i, j)
			stage.Blocks = append(stage.Blocks, layers.NewTransformer(s, name, layers.TransformerOptions{
				Channels: dim,
				Hidden:   int(float64(dim) * a.MLPRatio),
				Heads:    a.NumHeads[i],
				QKVBias:  a.QKVBias,
				Window:   stage.Side,
				Eps1:     a.NormEps,
				Eps2:     a.Norm2Eps,
				DropPath: layers.DropPath{Block: number, Rate: rates[number]},
				Weights:  weights,
			}))
			number++
		}
		if i+1 < len(a.Depths) {
			stage.Merge = layers.NewTokenMerging(s, fmt.Sprintf("layers.%d.downsample", i), dim, weights, a.NormEps)
		}
		stages = append(stages, stage)
	}
	return stages, nil
}

// windowSides returns the sides of the windows of each stage for an image size.
func windowSides(a Config, imageSize int) []int {
	sides := make([]int, len(a.Depths))
	for i := range sides {
		sides[i] = min(a.Side(imageSize)>>i, a.WindowSize)
	}
	return sides
}

// Shift returns the shift of every second block, for a map of a stage: 0 if the map is one window.
func (s Stage) Shift(height, width int) int {
	if min(height, width) <= s.Side {
		return 0
	}
	return s.Side / 2
}

// windows returns the windows of its blocks, in turn, for a map of that shape.
func (s Stage) windows(shape tensor.Shape) [2]*ops.Windows {
	images, h, w := shape[0], shape[1], shape[2]
	plain := ops.ShiftedWindows(images, h, w, s.Side, 0)
	if shift := s.Shift(h, w); shift > 0 {
		return [2]*ops.Windows{plain, ops.ShiftedWindows(images, h, w, s.Side, shift)}
	}
	return [2]*ops.Windows{plain, plain}
}

// Window returns the side of the windows of a stage, and the shift of every second block on a map
// of height × width tokens.
func (m *Model) Window(stage, height, width int) (side, shift int) {
	s := m.stages[stage]
	return s.Side, s.Shift(height, width)
}

// Forward implements [graph.Model].
func (m *Model) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	p.Layer(0)
	layer := 0
	enter := m.embed.Forward // the layers before the blocks of a stage
	for i, stage := range m.stages {
		var windows [2]*ops.Windows
		for j, b := range stage.Blocks {
			var err error
			if x, err = p.Block(b.Name, func() (*gorgonia.Node, error) {
				y := x
				if j == 0 {
					if y, err = enter(p, y); err != nil {
						return nil, err
					}
					windows = stage.windows(y.Shape())
				}
				layer++
				p.Layer(layer)
				return b.Forward(p, y, windows[j%2])
			}); err != nil {
				return nil, err
			}
		}
		p.TapStage(i, x)
		if stage.Merge != nil {
			enter = stage.Merge.Forward
		}
	}
	var err error
	p.Layer(layer + 1)
	defer p.Within("head")()
	norm := func() { x, err = ops.Normalise(p.Tape, finalNorm, x, m.norm) }
	if m.Arch().NormBeforePool {
		if norm(); err != nil {
			return nil, err
		}
	}
	if x, err = ops.GlobalAvgPool(p.Tape, pool, x); err != nil {
		return nil, err
	}
	p.TapPooled(x)
	if !m.Arch().NormBeforePool {
		if norm(); err != nil {
			return nil, err
		}
	}
	return m.head.Forward(p, x)
}

// Family describes Swin transformers for package graph.
func Family() graph.Family {
	return graph.Family{
		Config: family(), Weights: weights(),
		New: graph.Maker(newModel),
	}
}
