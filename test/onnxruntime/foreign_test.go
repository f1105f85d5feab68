package onnxruntime_test

import (
	"fmt"
	"testing"

	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/internal/golden"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// smooth is an op of another package: a depthwise 3×3 convolution on maps, with zero padding.
type smooth struct {
	Name         string
	Weight, Bias *ops.Param // [C, 1, 3, 3], [C]
}

func (s smooth) add(t *ops.Tape, x *gorgonia.Node) (*gorgonia.Node, error) {
	shape := x.Shape()
	h, w, c := shape[1], shape[2], shape[3]
	return t.Record(ops.Spec{
		Kind: "test.Smooth", Name: s.Name, About: s,
		Inputs: gorgonia.Nodes{x, t.Param(s.Weight), t.Param(s.Bias)}, Shape: shape.Clone(),
		Run: func(in [][]float32, out []float32) error {
			at := func(image, y, x, k int) int { return ((image*h+y)*w+x)*c + k }
			for i := range out {
				k, x, y, image := i%c, i/c%w, i/c/w%h, i/c/w/h
				sum := s.Bias.Data()[k]
				for tap := range 9 {
					if v, u := y+tap/3-1, x+tap%3-1; v >= 0 && v < h && u >= 0 && u < w {
						sum += s.Weight.Data()[k*9+tap] * in[0][at(image, v, u, k)]
					}
				}
				out[i] = sum
			}
			return nil
		},
	})
}

func init() {
	onnxgraph.Register("test.Smooth", func(b *onnxgraph.Builder, op onnxgraph.Op, s smooth) (onnxgraph.Value, error) {
		x, err := op.Input(b, onnxgraph.MapLayout)
		if err != nil {
			return onnxgraph.Value{}, err
		}
		v := b.Conv(b.Name(s.Name), x.Name,
			onnxgraph.Convolution{Weight: s.Weight, Bias: s.Bias, Stride: 1, Pad: 1, Groups: s.Weight.Shape()[0]})
		return onnxgraph.Value{Name: v, Layout: onnxgraph.MapLayout}, nil
	})
}

// mixed is a model with that op and ours: values go from maps to tokens, back to maps, and on.
type mixed struct {
	store         *layers.Store
	first, second smooth
	mlp           ops.MLP
	norm          *ops.LayerNorm
	weight, bias  *ops.Param
}

func newMixed() *mixed {
	const c = 6
	m := &mixed{store: layers.NewStore(1, 0.02)}
	w := m.store.Weight
	m.first = smooth{"first", w("first.weight", 3, 1, 3, 3), w("first.bias", 3)}
	m.second = smooth{"second", w("second.weight", 3, 1, 3, 3), w("second.bias", 3)}
	m.mlp = ops.MLP{
		Name: "block.mlp",
		Norm: &ops.LayerNorm{Weight: w("block.norm.weight", 3), Bias: w("block.norm.bias", 3), Eps: 1e-6},
		Fc1:  w("block.mlp.fc1.weight", c, 3), Fc1Bias: w("block.mlp.fc1.bias", c),
		Fc2: w("block.mlp.fc2.weight", 3, c), Fc2Bias: w("block.mlp.fc2.bias", 3),
	}
	m.norm = &ops.LayerNorm{Weight: w("norm.weight", 3), Bias: w("norm.bias", 3), Eps: 1e-6}
	m.weight, m.bias = w("head.weight", 4, 3), w("head.bias", 4)
	for _, p := range m.store.Params() {
		copy(p.Data(), golden.Weight(p.Name, 1, p.Shape()))
		p.Changed()
	}
	return m
}

func (m *mixed) Store() *layers.Store { return m.store }
func (m *mixed) Channels() int        { return 3 }
func (m *mixed) Classes() int         { return 4 }

func (m *mixed) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	t := p.Tape
	residual := func(x *gorgonia.Node) (*gorgonia.Node, error) {
		x, side, err := ops.Branch(t, "residual", x)
		if err != nil {
			return nil, err
		}
		if x, err = m.second.add(t, x); err != nil {
			return nil, err
		}
		return ops.Add(t, "residual", x, side)
	}
	for _, add := range []func(x *gorgonia.Node) (*gorgonia.Node, error){
		func(x *gorgonia.Node) (*gorgonia.Node, error) { return m.first.add(t, x) },
		func(x *gorgonia.Node) (*gorgonia.Node, error) { return ops.MLPBlock(t, x, m.mlp) },
		residual, // a map plus tokens
		func(x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Normalise(t, "norm", x, m.norm) },
		func(x *gorgonia.Node) (*gorgonia.Node, error) { return ops.GlobalAvgPool(t, "pool", x) },
		func(x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Linear(t, "head", x, m.weight, m.bias) },
	} {
		var err error
		if x, err = add(x); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// An op of another package, with its registered form, is exported between our own ops.
func TestForeignOp(t *testing.T) {
	const height, width = 9, 7
	m := newMixed()
	for opset := 13; opset <= 17; opset++ {
		t.Run(fmt.Sprint(opset), func(t *testing.T) {
			g, err := onnxgraph.Build(m, onnxgraph.Options{Opset: opset, Height: height, Width: width})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := onnx.Marshal(g)
			if err != nil {
				t.Fatal(err)
			}
			back, err := onnx.Unmarshal(raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := onnxgraph.Check(back, m); err != nil {
				t.Error(err)
			}
			checkLogits(t, m, save(t, g), height, width, 1, 3)
		})
	}
}
