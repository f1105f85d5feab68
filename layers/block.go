package layers

import (
	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// PConv is a partial convolution: 3×3 on the first channels, the others pass.
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
	Bias  *ops.Param // [hidden], of Conv1, in the place of Norm in a folded model
	Act   kernels.Activation
	Conv2 *ops.Param // [c, hidden, 1, 1]
}

// NewMLP makes the MLP of a block; the indices in the names are those of the
// reference's Sequential.
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
}

// BlockOptions are the sizes of a block.
type BlockOptions struct {
	Channels, Hidden, NDiv int
	Act                    kernels.Activation
	LayerScale             float64 // initial value; 0 for none
	DropPath               DropPath
}

// NewBlock makes a block. Its parameters are registered in the order of the
// reference's state dict, which is not that of execution.
func NewBlock(s *Store, prefix string, o BlockOptions) *Block {
	b := &Block{Name: prefix, DropPath: o.DropPath}
	if o.LayerScale > 0 && !s.Folded {
		b.LayerScale = s.Param(prefix+".layer_scale", Constant(float32(o.LayerScale)), o.Channels)
	}
	b.MLP = NewMLP(s, prefix+".mlp", o.Channels, o.Hidden, o.Act)
	b.PConv = NewPConv(s, prefix+".spatial_mixing", o.Channels, o.NDiv)
	return b
}

// Forward keeps the shape [batch, height, width, channels].
func (b *Block) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within(b.Name)()
	return p.Block(b.Name, func() (*gorgonia.Node, error) {
		return ops.FasterNetBlock(p.Tape, x, ops.Block{
			Name: b.Name, PConv: b.PConv.Weight, Conv1: b.MLP.Conv1, Norm: b.MLP.Norm, Bias: b.MLP.Bias, Act: b.MLP.Act, Conv2: b.MLP.Conv2,
			LayerScale: b.LayerScale, Keep: b.DropPath.Forward(p, x.Shape()[0]),
		})
	})
}
