package layers

import (
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// PatchConv is a convolution without padding and bias, and a batch norm: the patch embedding at the
// start of a network, and the patch merging between stages.
type PatchConv struct {
	Name   string
	Weight *ops.Param // [out, in, size, size]
	Stride int
	Norm   *ops.BatchNorm
	Bias   *ops.Param    // [out], instead of Norm in a folded model
	Int8   *ops.Int8Conv // of a folded layer that computes in 8 bits, or nil
	First  bool          // of the network: its input needs no gradient
}

// NewPatchEmbed makes the first layer of a network: proj and norm under "patch_embed".
func NewPatchEmbed(s *Store, in, out, size, stride int) *PatchConv {
	p := newPatchConv(s, "patch_embed", "proj", in, out, size, stride)
	p.First = true
	return p
}

// NewPatchMerging makes the transition between stages: reduction and norm under the prefix, e.g.
// "stages.1".
func NewPatchMerging(s *Store, prefix string, in, out, size, stride int) *PatchConv {
	return newPatchConv(s, prefix, "reduction", in, out, size, stride)
}

func newPatchConv(s *Store, prefix, conv string, in, out, size, stride int) *PatchConv {
	l := &PatchConv{
		Name:   prefix,
		Weight: s.Weight(prefix+"."+conv+".weight", out, in, size, size),
		Stride: stride,
	}
	if s.Folded {
		l.Bias = s.Param(prefix+"."+conv+".bias", Constant(0), out)
	} else {
		l.Norm = NewBatchNorm(s, prefix+".norm", out)
	}
	return l
}

// Forward maps [batch, height, width, in] to [batch, (height-size)/stride+1,
// (width-size)/stride+1, out].
func (l *PatchConv) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within(l.Name)()
	return ops.PatchConvNorm(p.Tape, x, ops.PatchConv{
		Name:        l.Name,
		Weight:      l.Weight,
		Stride:      l.Stride,
		Norm:        l.Norm,
		Bias:        l.Bias,
		Int8:        l.Int8,
		NoInputGrad: l.First,
		Units:       p.Units != nil,
	})
}
