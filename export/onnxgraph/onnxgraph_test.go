package onnxgraph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"fasternet/configs"
	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/graph"
	_ "fasternet/graph/families"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/layers"
	"fasternet/ops"
)

func small() configs.Model {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) { a.EmbedDim, a.Depths, a.FeatureDim = 8, []int{1, 2}, 16 })
	c.NumClasses = 5
	return c
}

func folded(t testing.TB, c configs.Model) graph.Model {
	t.Helper()
	m, err := fasternet.NewFolded(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func build(t testing.TB, m graph.Model, opset int) *onnx.Model {
	t.Helper()
	g, err := onnxgraph.Build(m, onnxgraph.Options{Opset: opset, Height: 32, Width: 40})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Prints the graph of a small model.
func ExampleBuild() {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) { a.EmbedDim, a.Depths, a.ActLayer = 8, []int{1}, "relu" })
	c.NumClasses = 5
	m, err := fasternet.NewFolded(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := onnxgraph.Build(m, onnxgraph.Options{Opset: 13, Height: 32, Width: 32})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range g.Graph.Nodes {
		fmt.Println(n.Op, n.Name)
	}
	// Output:
	// Conv patch_embed.proj
	// Split stages.0.blocks.0.spatial_mixing.split
	// Conv stages.0.blocks.0.spatial_mixing.partial_conv3
	// Concat stages.0.blocks.0.spatial_mixing
	// Conv stages.0.blocks.0.mlp.0
	// Relu stages.0.blocks.0.mlp.2
	// Conv stages.0.blocks.0.mlp.3
	// Add stages.0.blocks.0
	// GlobalAveragePool avgpool_pre_head.0
	// Conv avgpool_pre_head.1
	// Relu avgpool_pre_head.2
	// Flatten flatten
	// Gemm head
}

// Initializers come in the order of the reference's fused state dict; every value is computed before
// its use, and once.
func TestStructure(t *testing.T) {
	var ref struct {
		FusedStateDict [][2]any `json:"fused_state_dict"`
	}
	golden.JSON(t, "fasternet_t0.json", &ref)
	c, err := configs.Load("fasternet_t0")
	if err != nil {
		t.Fatal(err)
	}
	g := build(t, folded(t, c.Model), 17)
	for i, want := range ref.FusedStateDict {
		x := g.Graph.Initializers[i]
		if got := fmt.Sprintf("%s %v", x.Name, x.Shape); got != fmt.Sprintf("%v %v", want[0], want[1]) {
			t.Errorf("initializer %d is %s, want %v", i, got, want)
		}
	}
	if ops := checkNodes(t, g); ops["Split"] != 13 {
		t.Errorf("%d splits, want one a block", ops["Split"])
	}
}

// GRN is part of the graph, in every block.
func TestGRN(t *testing.T) {
	c := small()
	configs.Change(&c, func(a *fasternet.Config) { a.GRN = true })
	if ops := checkNodes(t, build(t, folded(t, c), 17)); ops["ReduceL2"] != 3 || ops["ReduceMean"] != 3 {
		t.Errorf("nodes %v, want a norm of channels in each of 3 blocks", ops)
	}
}

// checkNodes checks the flow of values, and counts the nodes by operator.
func checkNodes(t *testing.T, g *onnx.Model) map[string]int {
	t.Helper()
	known, used, ops := map[string]bool{"": true, "input": true}, map[string]bool{}, map[string]int{}
	for _, x := range g.Graph.Initializers {
		if known[x.Name] {
			t.Errorf("two initializers %s", x.Name)
		}
		known[x.Name] = true
	}
	for _, n := range g.Graph.Nodes {
		for _, in := range n.Inputs {
			if !known[in] {
				t.Errorf("%s reads %s, which is not there", n.Name, in)
			}
			used[in] = true
		}
		for _, out := range n.Outputs {
			if known[out] {
				t.Errorf("%s is computed twice", out)
			}
			known[out] = true
		}
		ops[n.Op]++
	}
	for name := range known {
		if !used[name] && name != "logits" && name != "" {
			t.Errorf("%s is not used", name)
		}
	}
	if !known["logits"] {
		t.Error("there are no logits")
	}
	return ops
}

func TestCheck(t *testing.T) {
	c := small()
	m := folded(t, c)
	for opset := 13; opset <= onnx.LastOpset; opset++ {
		g := build(t, m, opset)
		if err := onnxgraph.Check(g, m); err != nil {
			t.Errorf("opset %d: %v", opset, err)
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
			t.Errorf("opset %d, read back: %v", opset, err)
		}
		if onnxgraph.Checksum(&back.Graph, "") != onnxgraph.Checksum(&g.Graph, "") {
			t.Error("the checksum is another after reading back")
		}
	}
	for _, test := range []struct {
		want   string
		change func(g *onnx.Model)
	}{
		{"a field functions", func(g *onnx.Model) { g.Unknown = []string{"functions"} }},
		{"it has 0 inputs", func(g *onnx.Model) { g.Graph.Inputs = nil }},
		{"its input is 0×40", func(g *onnx.Model) { g.Graph.Inputs[0].Shape[2] = onnx.Dim{Name: "height"} }},
		{"opset 12", func(g *onnx.Model) { g.Opset = 12 }},
		{"IR version", func(g *onnx.Model) { g.IRVersion = 3 }},
		{"its input 0", func(g *onnx.Model) { g.Graph.Inputs[0].Shape[1].Size = 1 }},
		{"its output 0", func(g *onnx.Model) { g.Graph.Outputs[0].Shape[0] = onnx.Dim{Size: 1} }},
		{"Sigmoid", func(g *onnx.Model) { g.Graph.Nodes[5].Op = "Sigmoid" }},
		{"want missing", func(g *onnx.Model) { g.Graph.Nodes = append(g.Graph.Nodes, onnx.Node{Op: "Softmax"}) }},
		{"is missing", func(g *onnx.Model) { g.Graph.Nodes = g.Graph.Nodes[:7] }},
		{"its initializer 0 is", func(g *onnx.Model) { g.Graph.Initializers[0].Shape = []int{8, 3, 16, 1} }},
		{"gelu.half", func(g *onnx.Model) { g.Graph.Initializers[len(g.Graph.Initializers)-2].F32 = []float32{0.25} }},
		{"Name:other", func(g *onnx.Model) { g.Graph.Initializers[2].Name = "other" }},
		{"images of 2×40 pixels", func(g *onnx.Model) { g.Graph.Inputs[0].Shape[2].Size = 2 }},
	} {
		t.Run(test.want, func(t *testing.T) {
			g := build(t, m, 17)
			g.Graph.Nodes = slices.Clone(g.Graph.Nodes)
			test.change(g)
			if err := onnxgraph.Check(g, m); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	g := build(t, m, 17)
	before := onnxgraph.Checksum(&g.Graph, "")
	g.Graph.Initializers[3].F32[0]++
	if onnxgraph.Checksum(&g.Graph, "") == before {
		t.Error("the checksum does not see a weight that changes")
	}
	g.Graph.Initializers[3].F32[0]--
}

func TestBuildErrors(t *testing.T) {
	unfolded, err := fasternet.New(small(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		try  func() error
	}{
		{"not in folded form", func() error {
			_, err := onnxgraph.Build(unfolded, onnxgraph.Options{Opset: 17, Height: 32, Width: 32})
			return err
		}},
		{"opset 29", func() error {
			_, err := onnxgraph.Build(folded(t, small()), onnxgraph.Options{Opset: 29, Height: 32, Width: 32})
			return err
		}},
		{"smaller than a patch", func() error {
			_, err := onnxgraph.Build(folded(t, small()), onnxgraph.Options{Opset: 17, Height: 32, Width: 3})
			return err
		}},
		{"batch norm or layer scale is not folded", func() error {
			_, err := onnxgraph.Build(hidden{unfolded}, onnxgraph.Options{Opset: 17, Height: 32, Width: 32})
			return err
		}},
		{`AvgPoolTokens "pool" has no ONNX form`, func() error {
			_, err := onnxgraph.Build(other{unfolded}, onnxgraph.Options{Opset: 17, Height: 32, Width: 32})
			return err
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			if err := c.try(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// hidden is a model that hides that it can be folded.
type hidden struct{ graph.Model }

// other is a model with an op that has no ONNX form.
type other struct{ graph.Model }

func (other) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	return ops.AvgPoolTokens(p.Tape, "pool", x, 0, 32, 32)
}
