package onnxgraph

import (
	"encoding/binary"
	"math"
	"strings"

	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"
)

// A model in 8 bits has a pair of QuantizeLinear and DequantizeLinear after each rounded value. Runtimes
// find the pairs around an operator, and compute it in integers. Weights and biases are integers in the
// file, with a scale for each output.

// The endings of names for the parts of a weight, and of a value in 8 bits. Except for biasScale and
// weightZero, they are the same as in safetensors files.
const (
	WeightScale = "_scale"             // [out]
	WeightBias  = "_bias"              // int32, [out]
	biasScale   = "_bias_scale"        // [out]
	weightZero  = "_zero_point"        // [out]
	GridScale   = ".output_scale"      // a number
	GridZero    = ".output_zero_point" // a byte
)

// int8Weights returns the weights in 8 bits of a model, and the biases that they replace.
func int8Weights(m graph.Model) (weights map[*ops.Param]*ops.Int8Weight, replaced map[*ops.Param]bool) {
	weights, replaced = map[*ops.Param]*ops.Int8Weight{}, map[*ops.Param]bool{}
	q, ok := m.(graph.Int8Model)
	if !ok || q.Int8() == nil {
		return weights, replaced
	}
	for _, u := range q.Int8Units() {
		if !q.Int8().Has(u) {
			continue
		}
		for i, w := range u.Weights {
			weights[w] = q.Int8().Weight(w)
			if u.Biases[i] != nil {
				replaced[u.Biases[i]] = true
			}
		}
	}
	return weights, replaced
}

// addInt8 adds a weight in 8 bits as an initializer.
func (b *Builder) addInt8(e layers.Entry, w *ops.Int8Weight) {
	q := w.Integers()
	raw := make([]byte, len(q))
	for i, v := range q {
		raw[i] = byte(v)
	}
	b.Constant(onnx.Tensor{Name: e.Name, Shape: append([]int{}, e.Shape...), Type: onnx.Int8, Raw: raw})
}

// int8Values adds the values of a weight, in its own shape, or as a matrix [out, in].
func (b *Builder) int8Values(w *ops.Int8Weight, matrix bool) string {
	name, vector := b.Param(w.Param), []int{len(w.Scale)}
	integers := name
	if matrix && w.Param.Shape().Dims() > 2 { // reshape the integers, which runtimes do once
		integers = b.Reshape(b.Name(name+".matrix"), name, len(w.Scale), w.Param.Size()/len(w.Scale))
	}
	scale := b.Constant(onnx.Tensor{Name: name + WeightScale, Shape: vector, F32: w.Scale})
	zeros := make([]byte, len(w.Scale))
	zero := b.Constant(onnx.Tensor{Name: name + weightZero, Shape: vector, Type: onnx.Int8, Raw: zeros})
	return b.Node("DequantizeLinear", b.Name(name+".values"), []string{integers, scale, zero}, onnx.Int("axis", 0))
}

// int8Inputs returns weight and bias of an operator whose input is on a grid; the weight as a matrix if the
// operator needs one.
func (b *Builder) int8Inputs(w *ops.Int8Weight, in ops.Grid, matrix bool) []string {
	name, out := b.Param(w.Param), len(w.Scale)
	steps, biases := make([]float32, out), make([]byte, 0, 4*out)
	for o, v := range w.Bias {
		steps[o] = graph.BiasStep(in, w.Scale[o])
		n := math.RoundToEven(float64(v) / float64(steps[o]))
		if !(math.Abs(n) <= math.MaxInt32) {
			b.fail("the bias %g of output %d of %s does not fit into 32 bits with a step of %g", v, o, name, steps[o])
		}
		biases = binary.LittleEndian.AppendUint32(biases, uint32(int32(n)))
	}
	vector := []int{out}
	values := b.int8Values(w, matrix)
	bias := b.Constant(onnx.Tensor{Name: name + WeightBias, Shape: vector, Type: onnx.Int32, Raw: biases})
	step := b.Constant(onnx.Tensor{Name: name + biasScale, Shape: vector, F32: steps})
	return []string{
		values, b.Node("DequantizeLinear", b.Name(name+".biases"), []string{bias, step}, onnx.Int("axis", 0)),
	}
}

// linear adds a linear layer over the last axis, in 8 bits if it has the form q: see [Builder.Linear].
//
// The input is rounded next to the product, and the weight transposed after DequantizeLinear: then ONNX
// Runtime and OpenVINO both multiply integers. In the other order, they do not. The result
// and the bias are float32, so that the product ends in a sum, or in GELU, which they fuse with it.
func (b *Builder) linear(name, x string, weight, bias *ops.Param, q *ops.Int8Linear) string {
	if q == nil {
		return b.Linear(name, x, weight, bias)
	}
	v := b.round(q.Name, x, q.In)
	w := b.Transpose(name+".transposed", b.int8Values(q.Weight, true), 1, 0)
	v = b.Node("MatMul", name+".product", []string{v, w})
	sum := b.Constant(onnx.Tensor{Name: weight.Name + WeightBias, Shape: []int{len(q.Weight.Bias)}, F32: q.Weight.Bias})
	return b.Node("Add", name, []string{v, sum})
}

// round adds the nodes that round x to a grid, and names their constants after the grid.
func (b *Builder) round(grid, x string, g ops.Grid) string {
	scale := b.Constant(onnx.Tensor{Name: grid + GridScale, Shape: []int{}, F32: []float32{g.Scale}})
	zero := b.Constant(onnx.Tensor{Name: grid + GridZero, Shape: []int{}, Type: onnx.Uint8, Raw: []byte{g.Zero}})
	q := b.Node("QuantizeLinear", b.Name(grid+".bytes"), []string{x, scale, zero})
	v := b.Node("DequantizeLinear", b.Name(grid+".values"), []string{q, scale, zero})
	b.grids[v] = grid
	return v
}

// quantise rounds a map to a grid with the name of its source.
func quantise(b *Builder, r Op, q ops.Quantised) (Value, error) {
	x, err := r.Input(b)
	if err != nil {
		return Value{}, err
	}
	return Value{Name: b.round(strings.TrimSuffix(r.Name, graph.BytesSuffix), x.Name, q.Grid), Layout: x.Layout}, nil
}

// dequantise does nothing: in the graph, a value in 8 bits is a rounded value in float32.
func dequantise(b *Builder, r Op, _ ops.Dequantised) (Value, error) {
	return r.Input(b)
}

// int8Block adds a block of a FasterNet. Each operator has roundings before and after it.
func (b *Builder) int8Block(r Op, x string, o ops.Block) Value {
	q, c, cp := o.Int8, r.Shape[3], o.PConv.Shape()[0]
	in, ok := b.grids[x]
	if !ok {
		b.fail("its input %s is not rounded", x)
	}
	conv := Convolution{Weight: o.PConv, Int8: q.PConv, In: q.In, Stride: 1, Pad: 1}
	name, mixed := layerName(o.PConv), ""
	if cp == c {
		mixed = b.round(in, b.Conv(name, x, conv), q.In)
	} else {
		parts := b.Split(parent(name)+".split", x, 1, cp, c-cp)
		first := b.round(in, b.Conv(name, b.round(in, parts[0], q.In), conv), q.In)
		joined := b.Node("Concat", parent(name), []string{first, b.round(in, parts[1], q.In)}, onnx.Int("axis", 1))
		mixed = b.round(in, joined, q.In)
	}
	name = layerName(o.Conv1)
	v := b.Conv(name, mixed, Convolution{Weight: o.Conv1, Int8: q.Conv1, In: q.In, Stride: 1})
	after := o.Name + ".mlp.2"
	// otherwise one rounding is enough, because values below 0 are not on the grid
	if o.Act != kernels.ReLU || q.Before != q.After {
		v = b.round(name, v, q.Before)
	}
	if o.Act == kernels.GELU && b.opset >= 20 { // runtimes do not fuse the formula between roundings
		v = b.Node("Gelu", after+".exact", []string{v})
	} else {
		v = b.Activation(after+".exact", v, o.Act)
	}
	v = b.round(after, v, q.After)
	name = layerName(o.Conv2)
	v = b.round(name, b.Conv(name, v, Convolution{Weight: o.Conv2, Int8: q.Conv2, In: q.After, Stride: 1}), q.Branch)
	sum := b.Node("Add", b.Name(o.Name), []string{x, v})
	return Value{Name: b.round(o.Name, sum, q.Out), Layout: MapLayout}
}

// int8Linear adds a linear layer on features, whose input is rounded. It is a Gemm even for a 1×1 convolution
// of a pixel: runtimes compute a Conv in integers only if its result is rounded too.
func (b *Builder) int8Linear(r Op, x Value, d ops.Dense) Value {
	v := x.Name
	if x.Layout == PixelLayout {
		v = b.Node("Flatten", b.Name("flatten"), []string{v}, onnx.Int("axis", 1))
	}
	v = b.round(d.Int8.Name, v, d.Int8.In)
	return Value{
		Name: b.Node("Gemm", b.Name(r.Name), append([]string{v}, b.int8Inputs(d.Int8.Weight, d.Int8.In, true)...),
			onnx.Float("alpha", 1), onnx.Float("beta", 1), onnx.Int("transA", 0), onnx.Int("transB", 1)),
		Layout: FeatureLayout,
	}
}
