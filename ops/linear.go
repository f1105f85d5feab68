package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Linear adds y = x·Wᵀ + b on x [rows, in]; the result is [rows, out]. The weight is [out, in] or, for a
// 1×1 convolution, [out, in, 1, 1]. bias may be nil.
//
// It is made for few rows, as in the head of a classifier: workers share the columns, not the rows.
// columns, not the rows.
func Linear(t *Tape, name string, x *gorgonia.Node, weight, bias *Param) (*gorgonia.Node, error) {
	s := x.Shape()
	out, in, kh, kw := weight.dims()
	if s.Dims() != 2 || s[1] != in || kh*kw != 1 {
		return nil, fmt.Errorf("ops: linear %q: input %v and weight %v: want [rows, in] and [out, in]",
			name, s, weight.Shape())
	}
	if bias != nil && bias.Size() != out {
		return nil, fmt.Errorf("ops: linear %q: %d biases for %d outputs", name, bias.Size(), out)
	}
	f := &linear{tape: t, name: name, input: x, weight: weight, bias: bias, rows: s[0], in: in, out: out}
	f.w = t.pack(weight, packing{})
	f.parts = max(1, min((out+tile-1)/tile, max(sumParts, t.Pool().Workers())))
	f.forwardTask, f.gradTask = f.forwardPart, f.gradPart
	inputs, wrt := gorgonia.Nodes{x, t.Param(weight)}, []bool{true, true}
	if bias != nil {
		inputs, wrt = append(inputs, t.Param(bias)), append(wrt, true)
	}
	node, err := t.Record(Spec{
		Kind:   KindLinear,
		About:  Dense{Weight: weight, Bias: bias},
		Name:   name,
		Inputs: inputs,
		WRT:    wrt,
		Shape:  tensor.Shape{s[0], out},
		Cost:   product(s[0], out, weight),
		Run:    f.forward,
		Grad:   f.differentiate,
	})
	return node, err
}

type linear struct {
	tape          *Tape
	name          string
	input         *gorgonia.Node
	weight, bias  *Param
	rows, in, out int

	parts                 int // of the outputs, for the gradient of the weight
	x, y, dx, dy          kernels.Matrix
	w, v                  *pack
	forwardTask, gradTask func(worker, part int)
}

func (f *linear) forward(in [][]float32, out []float32) error {
	f.x, f.y = kernels.NewMatrix(in[0], f.rows, f.in), kernels.NewMatrix(out, f.rows, f.out)
	f.tape.Pool().Run(f.w.Panels(), f.forwardTask)
	return nil
}

func (f *linear) forwardPart(_, i int) {
	var d kernels.Matrix
	if f.bias != nil {
		d = kernels.Broadcast(f.bias.Data(), f.rows)
	}
	f.tape.kernels.GemmPanel(f.y, 1, f.x, f.w.Packed, i, d)
}

func (f *linear) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := f.tape
	f.v = t.pack(f.weight, packing{use: PackInput})
	dx, err := t.Record(Spec{
		Kind:   KindLinear + GradSuffix,
		Name:   f.name,
		Inputs: gorgonia.Nodes{dy, f.input},
		Shape:  f.input.Shape().Clone(),
		Run:    f.backward,
	})
	if err != nil {
		return nil, err
	}
	return t.Gradients(dx, f.weight, f.bias)
}

func (f *linear) backward(in [][]float32, out []float32) error {
	pool := f.tape.Pool()
	f.dy, f.dx = kernels.NewMatrix(in[0], f.rows, f.out), kernels.NewMatrix(out, f.rows, f.in)
	pool.Run(f.v.Panels()+f.parts, f.gradTask)
	return nil
}

// gradPart computes a panel of the gradient of the input or, in later tasks, a part of the gradients of
// weight and bias.
func (f *linear) gradPart(worker, i int) {
	if n := f.v.Panels(); i >= n {
		f.weightPart(worker, i-n)
		return
	}
	f.tape.kernels.GemmPanel(f.dx, 1, f.dy, f.v.Packed, i, kernels.Matrix{})
}

// weightPart adds the gradient of the weights of some outputs.
func (f *linear) weightPart(_, i int) {
	from, to := i*f.out/f.parts, (i+1)*f.out/f.parts
	if f.bias != nil {
		f.tape.kernels.ColumnSums(f.dy.Columns(from, to), f.bias.GradData()[from:to])
	}
	dw := kernels.NewMatrix(f.weight.GradData(), f.out, f.in)
	f.tape.kernels.GemmTN(dw.Slice(from, to), f.dy.Columns(from, to), f.x, kernels.FP32)
}
