package layers

import (
	"fmt"

	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Pass is the forward pass of a model that is being built: the tape it goes
// to, and the random inputs that it will need in every run.
type Pass struct {
	*ops.Tape
	Drops []Drop
	// Frozen is the number of layers that are frozen, from the input on: they are
	// built as for evaluation in a graph for training.
	Frozen int
	// Recompute has the blocks keep nothing but their input for the backward pass,
	// which computes the rest again.
	Recompute bool
	// Units says that maps are the visible units of masked images; nil for whole images.
	Units *ops.Units
	// Similarity is told how alike the hidden channels of each block of a FasterNet are, in an
	// evaluation, where it is set: see [ops.ChannelSimilarity].
	Similarity func(block string, n *gorgonia.Node)
	// Watch is told of values within the blocks of a FasterNet, in an evaluation, where it is set:
	// see [ops.Block.Watch].
	Watch func(block string, part ops.BlockPart, rows kernels.Matrix)
	// Tap is told of values within the model by their names, where it is set.
	Tap func(name string, n *gorgonia.Node)
}

// Layer says that what follows belongs to layer i, as graph.Layers numbers them.
func (p *Pass) Layer(i int) {
	p.SetLayer(i)
	if p.Frozen > 0 {
		p.Train = i >= p.Frozen
	}
}

// Block adds a block to the graph, whose ops build adds, or a block and what comes
// before it: a block within another is a part of it.
func (p *Pass) Block(name string, build func() (*gorgonia.Node, error)) (*gorgonia.Node, error) {
	if !p.Recompute {
		return build()
	}
	return p.Tape.Recompute(name, build)
}

// tap shows a value to who wants it.
func (p *Pass) tap(name string, n *gorgonia.Node) {
	if p.Tap != nil {
		p.Tap(name, n)
	}
}

// TapStage shows the map at the end of stage i, counted from 0.
func (p *Pass) TapStage(i int, x *gorgonia.Node) { p.tap(StageName(i), x) }

// TapPooled shows the mean over the tokens, or the class token.
func (p *Pass) TapPooled(x *gorgonia.Node) { p.tap(Pooled, x) }

// TapTokens shows what the last block of a transformer gets.
func (p *Pass) TapTokens(x *gorgonia.Node) { p.tap(Tokens, x) }

// TapMap shows the map that Grad-CAM explains, [batch, height, width, C], or tokens [batch,
// 1 + height·width, C], the class token first. Without it that is what TapStage or TapTokens
// showed last.
func (p *Pass) TapMap(x *gorgonia.Node) { p.tap(Map, x) }

// The names of values within a model.
const (
	Map       = "map"       // [batch, height, width, C]: see Pass.TapMap
	Tokens    = "tokens"    // [batch, tokens, C]: what the last block of a ViT gets
	Pooled    = "pooled"    // [batch, in]: the mean over the last map
	PreLogits = "prelogits" // [batch, features]: what the last linear layer gets
)

// StageName is the name of the map at the end of stage i, counted from 0:
// "stage1" is the first.
func StageName(i int) string { return fmt.Sprintf("%s%d", StagePrefix, i+1) }

// StagePrefix begins the names of the maps at the ends of stages.
const StagePrefix = "stage"

// Drop is an input of factors for the branch of a block: 0 for a sample that
// is dropped, 1/(1-Rate) for one that is kept.
type Drop struct {
	Node  *gorgonia.Node // [batch]
	Block int            // number of the block in the model
	Rate  float64
}

// DropPath is stochastic depth (Huang et al., 2016) by sample: in training, the
// branch of a block is left out with probability Rate, and scaled by 1/(1-Rate)
// otherwise.
type DropPath struct {
	Block int // number of the block in the model, for its own random numbers
	Rate  float64
}

// Branch returns the pass for branch i of a block that has two.
func (d DropPath) Branch(i int) DropPath { return DropPath{Block: 2*d.Block + i, Rate: d.Rate} }

// Forward returns the factors for a batch, or nil where nothing is dropped.
func (d DropPath) Forward(p *Pass, batch int) *gorgonia.Node {
	if !p.Train || d.Rate == 0 {
		return nil
	}
	n := p.Input(fmt.Sprintf("drop_path.%d", d.Block), batch)
	p.Drops = append(p.Drops, Drop{Node: n, Block: d.Block, Rate: d.Rate})
	return n
}

// DropPathRates are the rates of n blocks: they rise linearly from 0 to rate.
func DropPathRates(rate float64, n int) []float64 {
	rates := make([]float64, n)
	for i := 1; i < n; i++ {
		rates[i] = rate * float64(i) / float64(n-1)
	}
	return rates
}
