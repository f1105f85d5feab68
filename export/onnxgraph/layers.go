package onnxgraph

import (
	"fmt"

	"fasternet/formats/onnx"
	"fasternet/kernels"
	"fasternet/ops"
)

// Convolution describes [Builder.Conv].
type Convolution struct {
	Weight *ops.Param // [out, in/Groups, size, size]
	Bias   *ops.Param // [out], or nil
	Stride int
	Pad    int // padding on all sides
	Groups int // 0 means 1; the number of channels for a depthwise convolution
	// For 8 bits: the weight, and the grid of the input. The bias belongs to the weight.
	Int8 *ops.Int8Weight
	In   ops.Grid
}

// Conv adds a convolution on a map.
func (b *Builder) Conv(name, x string, c Convolution) string {
	inputs := []string{x, b.Param(c.Weight)}
	if c.Bias != nil {
		inputs = append(inputs, b.Param(c.Bias))
	}
	b.floatOnly(c.Weight, c.Int8)
	if c.Int8 != nil {
		inputs = append([]string{x}, b.int8Inputs(c.Int8, c.In, false)...)
	}
	s := c.Weight.Shape()
	if s.Dims() != 4 {
		b.fail("the weight %s of a convolution has shape %v, want [out, in, height, width]", c.Weight.Name, s)
		return name
	}
	return b.Node("Conv", name, inputs,
		onnx.Ints("dilations", 1, 1),
		onnx.Int("group", max(c.Groups, 1)),
		onnx.Ints("kernel_shape", s[2], s[3]),
		onnx.Ints("pads", c.Pad, c.Pad, c.Pad, c.Pad), onnx.Ints("strides", c.Stride, c.Stride))
}

// floatOnly refuses a weight in 8 bits, unless its form in 8 bits is given.
func (b *Builder) floatOnly(w *ops.Param, given *ops.Int8Weight) {
	if given == nil && b.int8[w] != nil {
		b.fail("its weight %s is in 8 bits, which has no ONNX form there: write a .safetensors file, "+
			"or leave the layer in float32", w.Name)
	}
}

// Linear adds x·Wᵀ + b over the last axis, with a weight [out, in], and a bias [out] or nil. Runtimes
// transpose the weight once, when they load it.
func (b *Builder) Linear(name, x string, weight, bias *ops.Param) string {
	b.floatOnly(weight, nil)
	w := b.Transpose(name+".transposed", b.Param(weight), 1, 0)
	if bias == nil {
		return b.Node("MatMul", name, []string{x, w})
	}
	x = b.Node("MatMul", name+".product", []string{x, w})
	return b.Node("Add", name, []string{x, b.Param(bias)})
}

// LayerNorm adds a layer norm over the last axis. From opset 17 it is an operator; before, it has parts
// in a form that runtimes know and fuse.
func (b *Builder) LayerNorm(name, x string, n *ops.LayerNorm) string {
	weight, bias := b.Param(n.Weight), b.Param(n.Bias)
	if b.opset >= 17 {
		return b.Node("LayerNormalization", name, []string{x, weight, bias}, onnx.Int("axis", -1),
			onnx.Float("epsilon", float32(n.Eps)))
	}
	mean := func(part, x string) string {
		return b.reduce("ReduceMean", name+part, x, 1, -1)
	}
	d := b.Node("Sub", name+".centred", []string{x, mean(".mean", x)})
	v := b.Node("Pow", name+".squares", []string{d, b.Scalar("norm.two", 2)})
	epsilon := b.Scalar(fmt.Sprintf("epsilon.%g", n.Eps), float32(n.Eps))
	v = b.Node("Add", name+".epsilon", []string{mean(".variance", v), epsilon})
	v = b.Node("Sqrt", name+".deviation", []string{v})
	v = b.Node("Div", name+".normal", []string{d, v})
	v = b.Node("Mul", name+".weighted", []string{v, weight})
	return b.Node("Add", name, []string{v, bias})
}

// Activation adds an activation, as the operators of its formula.
func (b *Builder) Activation(name, x string, act kernels.Activation) string {
	f, err := act.Formula()
	if err != nil {
		b.fail("%w", err)
		return x
	}
	values := map[string]string{"x": x}
	for i, step := range f.Steps {
		var operands []string
		for _, o := range step.Operands {
			if v, ok := f.Constants[o]; ok {
				operands = append(operands, b.Scalar(o, v))
			} else {
				operands = append(operands, values[o])
			}
		}
		node := name
		if i+1 < len(f.Steps) {
			node += "." + step.Name
		}
		values[step.Name] = b.Node(step.Operator, node, operands)
		x = values[step.Name]
	}
	return x
}

// meanTokens adds the mean over the tokens of x [batch, tokens, dim].
func (b *Builder) meanTokens(name, x string) string {
	return b.reduce("ReduceMean", name, x, 0, 1)
}
