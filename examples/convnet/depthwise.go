package main

import (
	"fmt"

	"fasternet/export/onnxgraph"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

const (
	kind = "convnet.Depthwise"
	side = 7 // of the filters
	taps = side * side
)

// depthwise is a 7×7 convolution with stride 1 and zero padding: one filter for each channel.
type depthwise struct {
	Name         string
	Weight, Bias *ops.Param // [C, 1, 7, 7], [C]
}

// add adds the op to the graph, for a map x [batch, height, width, C]. It keeps the shape.
func (d depthwise) add(t *ops.Tape, x *gorgonia.Node) (*gorgonia.Node, error) {
	s := x.Shape()
	if s.Dims() != 4 || d.Weight.Size() != s[3]*taps || d.Bias.Size() != s[3] {
		return nil, fmt.Errorf("depthwise convolution %q: weight %v and bias %v on a map %v",
			d.Name, d.Weight.Shape(), d.Bias.Shape(), s)
	}
	height, width, c := s[1], s[2], s[3]
	lines := s[0] * height
	// products pairs the pixels of a line with the pixels that a tap of the filters sees from
	// them. It calls f with the places of the two pixels, unless the second is outside the image.
	products := func(line, tap int, f func(at, seen int)) {
		down, right := tap/side-side/2, tap%side-side/2
		if y := line%height + down; y < 0 || y >= height {
			return
		}
		for x := max(0, -right); x < min(width, width-right); x++ {
			f((line*width+x)*c, ((line+down)*width+x+right)*c)
		}
	}
	var in, out, dy, dx []float32     // of the current run
	turned := make([]float32, taps*c) // the weights, with the channels of a tap side by side
	sums := make([]float32, taps*c)
	forward := func(_, line int) {
		for x := range width {
			copy(out[(line*width+x)*c:], d.Bias.Data())
		}
		for tap := range taps {
			products(line, tap, func(at, seen int) {
				addProduct(out[at:at+c], turned[tap*c:], in[seen:])
			})
		}
	}
	inputGrad := func(_, line int) { // the same with the filters turned by 180°
		clear(dx[line*width*c : (line+1)*width*c])
		for tap := range taps {
			products(line, tap, func(at, seen int) {
				addProduct(dx[at:at+c], turned[(taps-1-tap)*c:], dy[seen:])
			})
		}
	}
	// A task sums one tap of all filters. So the order of a sum does not depend on the workers.
	weightGrad := func(_, tap int) {
		sum := sums[tap*c : (tap+1)*c]
		clear(sum)
		for line := range lines {
			products(line, tap, func(at, seen int) {
				addProduct(sum, dy[at:], in[seen:])
			})
		}
		for k, v := range sum {
			d.Weight.GradData()[k*taps+tap] += v
		}
	}
	turn := func() {
		for i, w := range d.Weight.Data() {
			turned[i%taps*c+i/taps] = w
		}
	}
	run := func(v [][]float32, o []float32) error {
		in, out = v[0], o
		turn()
		t.Pool().Run(lines, forward)
		return nil
	}
	return t.Record(ops.Spec{
		Kind: kind, Name: d.Name, About: d, Shape: s.Clone(),
		Inputs: gorgonia.Nodes{x, t.Param(d.Weight), t.Param(d.Bias)}, WRT: []bool{true, true, true},
		Cost: ops.Cost{MACs: s.TotalSize() * taps, Activations: s.TotalSize()},
		Run:  run, Again: ops.Repeat(run), // Again is for train.grad_checkpointing
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(ops.Spec{
				Kind: kind + ops.GradSuffix, Name: d.Name, Inputs: gorgonia.Nodes{grad, x}, Shape: s.Clone(),
				Run: func(v [][]float32, o []float32) error {
					dy, in, dx = v[0], v[1], o
					turn()
					t.Pool().Run(lines, inputGrad)
					t.Pool().Run(taps, weightGrad)
					for i, v := range dy {
						d.Bias.GradData()[i%c] += v
					}
					return nil
				},
			})
			if err != nil {
				return nil, err
			}
			return t.Gradients(n, d.Weight, d.Bias)
		},
	})
}

// addProduct adds x·y to sum, value by value.
func addProduct(sum, x, y []float32) {
	x, y = x[:len(sum)], y[:len(sum)]
	for i := range sum {
		sum[i] += x[i] * y[i]
	}
}

// onnxForm returns the op in ONNX, for export.
func onnxForm(b *onnxgraph.Builder, op onnxgraph.Op, d depthwise) (onnxgraph.Value, error) {
	x, err := op.Input(b, onnxgraph.MapLayout)
	if err != nil {
		return onnxgraph.Value{}, err
	}
	v := b.Conv(b.Name(d.Name), x.Name, onnxgraph.Convolution{
		Weight: d.Weight,
		Bias:   d.Bias,
		Stride: 1,
		Pad:    side / 2,
		Groups: d.Weight.Shape()[0],
	})
	return onnxgraph.Value{Name: v, Layout: onnxgraph.MapLayout}, nil
}
