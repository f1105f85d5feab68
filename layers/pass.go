package layers

import (
	"fmt"

	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Pass is a forward pass under construction: the tape it is recorded on, and the random inputs that
// every run needs.
type Pass struct {
	*ops.Tape
	Drops []Drop
	// Frozen is the number of frozen layers, from the input on. In a graph for training they are
	// built as for evaluation.
	Frozen int
	// Recompute makes the blocks keep only their input for the backward pass, which computes the
	// rest again.
	Recompute bool
	// Units is set if maps are the visible units of masked images; nil for whole images.
	Units *ops.Units
	// Similarity, if set, gets a measure of how alike the hidden channels of each block of a
	// FasterNet are, in an evaluation: see [ops.ChannelSimilarity].
	Similarity func(block string, n *gorgonia.Node)
	// Watch, if set, gets values within the blocks in an evaluation: see [ops.Block.Watch],
	// [ops.Attention.Watch], [ops.MLP.Watch] and [ops.Merging.Watch].
	Watch func(block string, part ops.BlockPart, rows kernels.Matrix)
	// Tap, if set, gets values within the model by their names.
	Tap func(name string, n *gorgonia.Node)
}

// Layer assigns the following ops to layer i, as graph.Layers numbers them.
func (p *Pass) Layer(i int) {
	p.SetLayer(i)
	if p.Frozen > 0 {
		p.Train = i >= p.Frozen
	}
}

// Block adds a block, whose ops build adds, to the graph; or a block and the layers before it. A
// block within another is a part of it.
func (p *Pass) Block(name string, build func() (*gorgonia.Node, error)) (*gorgonia.Node, error) {
	if !p.Recompute {
		return build()
	}
	return p.Tape.Recompute(name, build)
}

// watchAs returns Watch for the parts of an op, which have their own names within a block.
func (p *Pass) watchAs(
	block string,
	names map[ops.BlockPart]ops.BlockPart,
) func(part ops.BlockPart, rows kernels.Matrix) {
	if p.Watch == nil {
		return nil
	}
	return func(part ops.BlockPart, rows kernels.Matrix) { p.Watch(block, names[part], rows) }
}

// tap passes a value to Tap.
func (p *Pass) tap(name string, n *gorgonia.Node) {
	if p.Tap != nil {
		p.Tap(name, n)
	}
}

// TapStage passes on the map at the end of stage i, counted from 0.
func (p *Pass) TapStage(i int, x *gorgonia.Node) { p.tap(StageName(i), x) }

// TapPooled passes on the mean over the tokens, or the class token.
func (p *Pass) TapPooled(x *gorgonia.Node) { p.tap(Pooled, x) }

// TapTokens passes on the input of the last block of a transformer.
func (p *Pass) TapTokens(x *gorgonia.Node) { p.tap(Tokens, x) }

// TapMap passes on the map that Grad-CAM explains, [batch, height, width, C], or tokens [batch, 1 +
// height·width, C] with the class token first. Without it Grad-CAM explains the last value of
// TapStage or TapTokens.
func (p *Pass) TapMap(x *gorgonia.Node) { p.tap(Map, x) }

// The names of values within a model.
const (
	Map       = "map"       // [batch, height, width, C]: see Pass.TapMap
	Tokens    = "tokens"    // [batch, tokens, C]: the input of the last block of a ViT
	Pooled    = "pooled"    // [batch, in]: the mean over the last map
	PreLogits = "prelogits" // [batch, features]: the input of the last linear layer
)

// StageName returns the name of the map at the end of stage i, counted from 0: "stage1" is the first.
func StageName(i int) string { return fmt.Sprintf("%s%d", StagePrefix, i+1) }

// StagePrefix begins the names of the maps at the ends of stages.
const StagePrefix = "stage"

// Drop is an input of factors for the branch of a block: 0 for a dropped sample, 1/(1-Rate) for a
// kept one.
type Drop struct {
	Node  *gorgonia.Node // [batch]
	Block int            // number of the block in the model
	Rate  float64
}

// DropPath is stochastic depth (Huang et al., 2016) by sample. In training, the branch of a block
// is left out with probability Rate, and otherwise scaled by 1/(1-Rate).
type DropPath struct {
	Block int // number of the block in the model, for its own random numbers
	Rate  float64
}

// Branch returns the pass for branch i of a block that has two.
func (d DropPath) Branch(i int) DropPath { return DropPath{Block: 2*d.Block + i, Rate: d.Rate} }

// Forward returns the factors for a batch, or nil if nothing is dropped.
func (d DropPath) Forward(p *Pass, batch int) *gorgonia.Node {
	if !p.Train || d.Rate == 0 {
		return nil
	}
	n := p.Input(fmt.Sprintf("drop_path.%d", d.Block), batch)
	p.Drops = append(p.Drops, Drop{Node: n, Block: d.Block, Rate: d.Rate})
	return n
}

// DropPathRates returns the rates of n blocks: they rise linearly from 0 to rate.
func DropPathRates(rate float64, n int) []float64 {
	rates := make([]float64, n)
	for i := 1; i < n; i++ {
		rates[i] = rate * float64(i) / float64(n-1)
	}
	return rates
}
