package onnxgraph

import (
	"fasternet/formats/onnx"
	"fasternet/ops"
)

// patchConv adds a convolution of patches.
func patchConv(b *Builder, r Op, p ops.PatchConv) (Value, error) {
	x, err := r.Input(b, MapLayout)
	if err != nil {
		return Value{}, err
	}
	if p.Norm != nil {
		return Value{}, errUnfolded
	}
	if q := p.Int8; q != nil {
		int8 := Convolution{Weight: p.Weight, Int8: q.Weight, In: q.In, Stride: p.Stride}
		v := b.Conv(layerName(p.Weight), x.Name, int8)
		return Value{Name: b.round(p.Name, v, q.Out), Layout: MapLayout}, nil
	}
	return Value{
		Name:   b.Conv(layerName(p.Weight), x.Name, Convolution{Weight: p.Weight, Bias: p.Bias, Stride: p.Stride}),
		Layout: MapLayout,
	}, nil
}

// fasterNetBlock adds a partial convolution and an MLP, with a residual.
func fasterNetBlock(b *Builder, r Op, o ops.Block) (Value, error) {
	x, err := r.Input(b, MapLayout)
	if err != nil {
		return Value{}, err
	}
	if o.Norm != nil || o.LayerScale != nil {
		return Value{}, errUnfolded
	}
	if o.Int8 != nil {
		return b.int8Block(r, x.Name, o), nil
	}
	v := b.pconv(o.PConv, x.Name, r.Shape[3])
	v = b.Conv(layerName(o.Conv1), v, Convolution{Weight: o.Conv1, Bias: o.Bias, Stride: 1})
	v = b.Activation(o.Name+".mlp.2", v, o.Act)
	if o.GRN != nil {
		v = b.responseNorm(o.Name+".mlp.grn", v, o.GRN)
	}
	v = b.Conv(layerName(o.Conv2), v, Convolution{Weight: o.Conv2, Stride: 1})
	return Value{Name: b.Node("Add", b.Name(o.Name), []string{x.Name, v}), Layout: MapLayout}, nil
}

// responseNorm adds global response normalisation of a map.
func (b *Builder) responseNorm(name, x string, g *ops.GRN) string {
	channels := g.Weight.Size()
	weight := b.Reshape(name+".weights", b.Param(g.Weight), 1, channels, 1, 1)
	bias := b.Reshape(name+".biases", b.Param(g.Bias), 1, channels, 1, 1)
	norms := b.reduce("ReduceL2", name+".norms", x, 1, 2, 3)
	mean := b.reduce("ReduceMean", name+".mean", norms, 1, 1)
	mean = b.Node("Add", name+".epsilon", []string{mean, b.Scalar("grn.epsilon", ops.GRNEps)})
	v := b.Node("Mul", name+".weighted", []string{b.Node("Div", name+".relative", []string{norms, mean}), weight})
	v = b.Node("Add", name+".factor", []string{v, b.Scalar("grn.one", 1)})
	v = b.Node("Mul", name+".scaled", []string{x, v})
	return b.Node("Add", name, []string{v, bias})
}

// pconv adds a partial convolution: 3×3 on the first of c channels.
func (b *Builder) pconv(weight *ops.Param, x string, c int) string {
	conv, cp := layerName(weight), weight.Shape()[0]
	o := Convolution{Weight: weight, Stride: 1, Pad: 1}
	if cp == c {
		return b.Conv(conv, x, o)
	}
	name := parent(conv)
	parts := b.Split(name+".split", x, 1, cp, c-cp)
	return b.Node("Concat", name, []string{b.Conv(conv, parts[0], o), parts[1]}, onnx.Int("axis", 1))
}

// globalAvgPool adds the mean over the pixels of a map, or over tokens.
func globalAvgPool(b *Builder, r Op, _ ops.Pool) (Value, error) {
	x, err := r.Input(b, MapLayout, TokenLayout)
	if err != nil {
		return Value{}, err
	}
	if x.Layout == TokenLayout {
		return Value{Name: b.meanTokens(r.Name, x.Name), Layout: FeatureLayout}, nil
	}
	return Value{Name: b.Node("GlobalAveragePool", b.Name(r.Name), []string{x.Name}), Layout: PixelLayout}, nil
}

func activate(b *Builder, r Op, a ops.Activated) (Value, error) {
	x, err := r.Input(b)
	if err != nil {
		return Value{}, err
	}
	return Value{Name: b.Activation(b.Name(r.Name), x.Name, a.Act), Layout: x.Layout}, nil
}

// linear adds a linear layer on features; as a 1×1 convolution, the result stays a map.
func linear(b *Builder, r Op, d ops.Dense) (Value, error) {
	x, err := r.Input(b, PixelLayout, FeatureLayout)
	if err != nil {
		return Value{}, err
	}
	if d.Int8 != nil {
		return b.int8Linear(r, x, d), nil
	}
	if x.Layout == PixelLayout && d.Weight.Shape().Dims() == 4 {
		return Value{
			Name:   b.Conv(layerName(d.Weight), x.Name, Convolution{Weight: d.Weight, Bias: d.Bias, Stride: 1}),
			Layout: PixelLayout,
		}, nil
	}
	if x.Layout == PixelLayout {
		x = Value{
			Name:   b.Node("Flatten", b.Name("flatten"), []string{x.Name}, onnx.Int("axis", 1)),
			Layout: FeatureLayout,
		}
	}
	inputs := []string{x.Name, b.Param(d.Weight)}
	if d.Bias != nil {
		inputs = append(inputs, b.Param(d.Bias))
	}
	return b.gemm(r, inputs), nil
}

// gemm adds x·Wᵀ + b on features.
func (b *Builder) gemm(r Op, inputs []string) Value {
	v := b.Node("Gemm", b.Name(r.Name), inputs,
		onnx.Float("alpha", 1),
		onnx.Float("beta", 1),
		onnx.Int("transA", 0),
		onnx.Int("transB", 1))
	return Value{Name: v, Layout: FeatureLayout}
}
