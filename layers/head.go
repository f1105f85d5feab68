package layers

import (
	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Head is the classifier of FasterNet: global average pool, 1×1 convolution without norm,
// activation, linear layer.
type Head struct {
	PreHead      *ops.Param // [features, in, 1, 1]
	Act          kernels.Activation
	Weight, Bias *ops.Param // [classes, features], [classes]
	// The same layers in 8 bits, or nil.
	PreHeadInt8, WeightInt8 *ops.Int8Linear
}

// NewHead makes the head for maps of in channels.
func NewHead(s *Store, in, features, classes int, act kernels.Activation) *Head {
	return &Head{
		PreHead: s.Weight("avgpool_pre_head.1.weight", features, in, 1, 1),
		Act:     act,
		Weight:  s.Weight("head.weight", classes, features),
		Bias:    s.Param("head.bias", Constant(0), classes),
	}
}

// Forward maps [batch, height, width, in] to logits [batch, classes].
func (h *Head) Forward(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	x, err := h.features(p, x)
	if err != nil {
		return nil, err
	}
	defer p.Within("head")()
	return dense(p, "head", x, h.Weight, h.Bias, h.WeightInt8)
}

// features returns the inputs of the last layer, [batch, features].
func (h *Head) features(p *Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	defer p.Within("avgpool_pre_head")()
	x, err := ops.GlobalAvgPool(p.Tape, "avgpool_pre_head.0", x)
	if err != nil {
		return nil, err
	}
	p.tap(Pooled, x)
	if x, err = dense(p, "avgpool_pre_head.1", x, h.PreHead, nil, h.PreHeadInt8); err != nil {
		return nil, err
	}
	if x, err = ops.Activate(p.Tape, "avgpool_pre_head.2", x, h.Act); err != nil {
		return nil, err
	}
	p.tap(PreLogits, x)
	return x, nil
}

// dense adds a linear layer, in 8 bits if it has that form.
func dense(p *Pass, name string, x *gorgonia.Node, weight, bias *ops.Param, q *ops.Int8Linear) (*gorgonia.Node, error) {
	if q != nil {
		return ops.LinearInt8(p.Tape, name, x, weight, bias, q)
	}
	return ops.Linear(p.Tape, name, x, weight, bias)
}
