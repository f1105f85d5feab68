package layers

import (
	"fmt"

	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// PConv is a partial convolution: 3×3 on the first channels; the others pass unchanged.
type PConv struct {
	Weight *ops.Param // [cp, cp, 3, 3]
}

// NewPConv makes a partial convolution on the first c/n_div of c channels.
func NewPConv(s *Store, prefix string, c, nDiv int) PConv {
	cp := c / nDiv
	return PConv{Weight: s.Weight(prefix+".partial_conv3.weight", cp, cp, 3, 3)}
}

// MLP is two 1×1 convolutions with a batch norm and an activation between them.
type MLP struct {
	Conv1 *ops.Param // [hidden, c, 1, 1]
	Norm  *ops.BatchNorm
	Bias  *ops.Param // [hidden], of Conv1, instead of Norm in a folded model
	Act   kernels.Activation
	GRN   *ops.GRN   // after Act, or nil
	Conv2 *ops.Param // [c, hidden, 1, 1]
}

// NewMLP makes the MLP of a block. The indices in the names come from the reference's Sequential.
func NewMLP(s *Store, prefix string, c, hidden int, act kernels.Activation) MLP {
	m := MLP{Act: act, Conv1: s.Weight(prefix+".0.weight", hidden, c, 1, 1)}
	if s.Folded {
		m.Bias = s.Param(prefix+".0.bias", Constant(0), hidden)
	} else {
		m.Norm = NewBatchNorm(s, prefix+".1", hidden)
	}
	m.Conv2 = s.Weight(prefix+".3.weight", c, hidden, 1, 1)
	return m
}

// Block is a FasterNet block: x + DropPath(scale · MLP(PConv(x))).
type Block struct {
	Name       string
	LayerScale *ops.Param // [c], or nil
	MLP        MLP
	PConv      PConv
	DropPath   DropPath
	Int8       *ops.Int8Block // of a folded block that computes in 8 bits, or nil
}

// BlockOptions are the sizes of a block.
type BlockOptions struct {
	Channels, Hidden, NDiv int
	Act                    kernels.Activation
	LayerScale             float64 // initial value; 0 for none
	GRN                    bool    // global response normalisation after the activation
	DropPath               DropPath
}

// NewBlock makes a block. It registers its parameters in the order of the reference's state dict, which
// differs from the order of execution.
func NewBlock(s *Store, prefix string, o BlockOptions) *Block {
	b := &Block{Name: prefix, DropPath: o.DropPath}
	if o.LayerScale > 0 && !s.Folded {
		b.LayerScale = s.Param(prefix+".layer_scale", Constant(float32(o.LayerScale)), o.Channels)
	}
	b.MLP = NewMLP(s, prefix+".mlp", o.Channels, o.Hidden, o.Act)
	if o.GRN { // zeros: it starts as the identity
		b.MLP.GRN = &ops.GRN{
			Weight: s.Param(prefix+".mlp.grn.weight", Constant(0), o.Hidden),
			Bias:   s.Param(prefix+".mlp.grn.bias", Constant(0), o.Hidden),
		}
	}
	b.PConv = NewPConv(s, prefix+".spatial_mixing", o.Channels, o.NDiv)
	return b
}

// Forward keeps the shape [batch, height, width, channels].
func (b *Block) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within(b.Name)()
	return p.Block(b.Name, func() (*gorgonia.Node, error) {
		block := ops.Block{
			Name:       b.Name,
			PConv:      b.PConv.Weight,
			Conv1:      b.MLP.Conv1,
			Norm:       b.MLP.Norm,
			Bias:       b.MLP.Bias,
			Act:        b.MLP.Act,
			GRN:        b.MLP.GRN,
			Conv2:      b.MLP.Conv2,
			Int8:       b.Int8,
			LayerScale: b.LayerScale,
			Keep:       b.DropPath.Forward(p, x.Shape()[0]),
			Units:      p.Units,
		}
		if p.Watch != nil {
			block.Watch = func(part ops.BlockPart, rows kernels.Matrix) { p.Watch(b.Name, part, rows) }
		}
		if p.Similarity != nil {
			if b.Int8 != nil {
				return nil, fmt.Errorf("%s computes in 8 bits: its hidden channels are compared in "+
					"the model in float32", b.Name)
			}
			n, err := ops.ChannelSimilarity(p.Tape, x, block)
			if err != nil {
				return nil, err
			}
			p.Similarity(b.Name, n)
		}
		return ops.FasterNetBlock(p.Tape, x, block)
	})
}
