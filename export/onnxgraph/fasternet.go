package onnxgraph

import (
	"errors"
	"fmt"

	"fasternet/formats/onnx"
	"fasternet/kernels"
	"fasternet/ops"
)

// errUnfolded says that a model is exported in folded form only.
var errUnfolded = errors.New("its batch norm or layer scale is not folded, and has no ONNX form")

// patchConv is a convolution of patches.
func patchConv(b *builder, r ops.Recorded, x value) (value, error) {
	p := r.About.(ops.PatchConv)
	if err := x.want(mapLayout); err != nil {
		return value{}, err
	}
	if p.Norm != nil {
		return value{}, errUnfolded
	}
	return value{b.conv(layerName(p.Weight), x.name, p.Weight.Shape()[2], p.Stride, 0), mapLayout}, nil
}

// fasterNetBlock is a partial convolution and an MLP, with a residual.
func fasterNetBlock(b *builder, r ops.Recorded, x value) (value, error) {
	o := r.About.(ops.Block)
	if err := x.want(mapLayout); err != nil {
		return value{}, err
	}
	if o.Norm != nil || o.LayerScale != nil {
		return value{}, errUnfolded
	}
	v := b.pconv(layerName(o.PConv), x.name, r.Shape[3], o.PConv.Shape()[0])
	v = b.conv(layerName(o.Conv1), v, 1, 1, 0)
	v, err := b.activation(o.Name+".mlp.2", v, o.Act)
	if err != nil {
		return value{}, err
	}
	v = b.conv(layerName(o.Conv2), v, 1, 1, 0)
	return value{b.node("Add", o.Name, []string{x.name, v}), mapLayout}, nil
}

// pconv adds a partial convolution: 3×3 on the first cp of c channels.
func (b *builder) pconv(conv, x string, c, cp int) string {
	if cp == c {
		return b.conv(conv, x, 3, 1, 1)
	}
	name := parent(conv)
	parts := b.split(name+".split", x, 1, cp, c-cp)
	return b.node("Concat", name, []string{b.conv(conv, parts[0], 3, 1, 1), parts[1]}, onnx.Int("axis", 1))
}

// globalAvgPool is the mean over the pixels of a map, or over tokens.
func globalAvgPool(b *builder, r ops.Recorded, x value) (value, error) {
	if x.layout == tokenLayout {
		return value{b.meanTokens(r.Name, x.name), featureLayout}, nil
	}
	if err := x.want(mapLayout); err != nil {
		return value{}, err
	}
	return value{b.node("GlobalAveragePool", r.Name, []string{x.name}), pixelLayout}, nil
}

func activate(b *builder, r ops.Recorded, x value) (value, error) {
	name, err := b.activation(r.Name, x.name, r.About.(ops.Activated).Act)
	return value{name, x.layout}, err
}

// activation adds an activation.
func (b *builder) activation(name, x string, act kernels.Activation) (string, error) {
	switch act {
	case kernels.GELU:
		return b.gelu(name, x), nil
	case kernels.ReLU:
		return b.node("Relu", name, []string{x}), nil
	}
	return "", fmt.Errorf("activation %v has no ONNX form", act)
}

// linear is a layer on features; as a 1×1 convolution it stays a map.
func linear(b *builder, r ops.Recorded, x value) (value, error) {
	d := r.About.(ops.Dense)
	if err := x.want(pixelLayout, featureLayout); err != nil {
		return value{}, err
	}
	if x.layout == pixelLayout && d.Weight.Shape().Dims() == 4 {
		return value{b.conv(layerName(d.Weight), x.name, 1, 1, 0), pixelLayout}, nil
	}
	if x.layout == pixelLayout {
		x = value{b.node("Flatten", "flatten", []string{x.name}, onnx.Int("axis", 1)), featureLayout}
	}
	inputs := []string{x.name, d.Weight.Name}
	if d.Bias != nil {
		inputs = append(inputs, d.Bias.Name)
	}
	return value{b.node("Gemm", r.Name, inputs,
		onnx.Float("alpha", 1), onnx.Float("beta", 1), onnx.Int("transA", 0), onnx.Int("transB", 1)), featureLayout}, nil
}
