package localmim

import (
	"strings"
	"testing"

	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// checkDenseGradients compares the last maps, and the gradients of their sum with weights.
func checkDenseGradients(t *testing.T, m *Model, net *fasternet.Model, images []float32) {
	t.Helper()
	masked, ok := m.backbone.(*visibleFasterNet)
	if !ok {
		t.Fatalf("the backbone is a %T", m.backbone)
	}
	masked.taps = []int{len(masked.Stages())} // only the last one, because a tap must lead to the loss
	size, units := m.config.Data.ImageSize, m.side*m.side
	batch := len(images) / (size * size * 3)
	visible := &Visible{Images: batch, Units: units, Side: m.side}
	got, want := map[string][]float32{}, map[string][]float32{}
	got["the last map"] = lastMap(t, images, batch, size, m.Store(), func(
		p *layers.Pass, x *gorgonia.Node,
	) (*gorgonia.Node, error) {
		taps, err := masked.Forward(p, x, visible)
		if err != nil {
			return nil, err
		}
		return taps[0], visible.set(allUnits(units))
	})
	want["the last map"] = lastMap(t, images, batch, size, net.Store(), func(
		p *layers.Pass, x *gorgonia.Node,
	) (*gorgonia.Node, error) {
		x, err := net.Embed().Forward(p, x)
		for i, stage := range net.Stages() {
			if i > 0 && err == nil {
				x, err = net.Merges()[i-1].Forward(p, x)
			}
			for _, b := range stage {
				if err == nil {
					x, err = b.Forward(p, x)
				}
			}
		}
		return x, err
	})
	for _, q := range net.Store().Params() {
		if strings.HasPrefix(q.Name, "head.") || strings.HasPrefix(q.Name, "avgpool_pre_head.") {
			continue
		}
		e, ok := m.Store().Lookup("encoder." + q.Name)
		if !ok {
			t.Fatalf("no encoder.%s", q.Name)
		}
		got["the gradient of "+q.Name], want["the gradient of "+q.Name] = e.Param.GradData(), q.GradData()
	}
	for name, w := range want {
		golden.CheckRel(t, name, got[name], w, 2e-5)
	}
}

// lastMap runs a backbone forward and backward from a weighted sum.
func lastMap(
	t *testing.T,
	images []float32,
	batch, size int,
	s *layers.Store,
	build func(*layers.Pass, *gorgonia.Node) (*gorgonia.Node, error),
) []float32 {
	t.Helper()
	tape := ops.NewTape(ops.NewWorkspace(graphtest.Pool(t, kernels.Default())), true)
	in := tape.Input("images", batch, size, size, 3)
	x, err := build(&layers.Pass{Tape: tape}, in)
	if err != nil {
		t.Fatal(err)
	}
	tape.Keep(x)
	weights := graphtest.Random(x.Shape().TotalSize(), 7)
	loss, err := tape.Record(ops.Spec{
		Kind: "WeightedSum", Name: "test", Inputs: gorgonia.Nodes{x}, WRT: []bool{true}, Shape: tensor.ScalarShape(),
		Run: func(in [][]float32, out []float32) error {
			out[0] = tape.Kernels().Dot(in[0], weights)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			dx, err := tape.Record(ops.Spec{
				Kind:   "WeightedSumGrad",
				Name:   "test",
				Inputs: gorgonia.Nodes{grad},
				Shape:  x.Shape().Clone(),
				Run: func(_ [][]float32, out []float32) error {
					copy(out, weights)
					return nil
				},
			})
			return gorgonia.Nodes{dx}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var params gorgonia.Nodes
	for _, q := range s.Params() {
		if used := tape.Param(q); strings.Contains(q.Name, "stages.") || strings.Contains(q.Name, "patch_embed.") {
			params = append(params, used)
		}
	}
	if _, err := gorgonia.Grad(loss, params...); err != nil {
		t.Fatal(err)
	}
	if err := tape.Plan(); err != nil {
		t.Fatal(err)
	}
	if err := graph.Bind(in, images); err != nil {
		t.Fatal(err)
	}
	if err := tape.Run(tape.NewMachine()); err != nil {
		t.Fatal(err)
	}
	return tape.Value(x)
}
