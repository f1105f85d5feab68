package onnxgraph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
)

func smallTransformer(t testing.TB, family string) graph.Model {
	t.Helper()
	c := configs.DefaultModel(family)
	c.NumClasses = 5
	var m graph.Model
	var err error
	if family == "vit" {
		configs.Change(&c, func(a *vit.Config) {
			a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize = 24, 2, configs.Heads{3}, 8
			a.PosEmbed, a.MLPRatio = "fixed", 2
		})
		m, err = vit.New(c, 32, 1)
	} else {
		configs.Change(&c, func(a *swin.Config) {
			a.EmbedDim, a.Depths, a.NumHeads, a.WindowSize, a.MLPRatio = 8, []int{2, 2}, configs.Heads{2, 4}, 4, 2
		})
		m, err = swin.New(c, 32, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The state dict comes first, values flow from the input to the logits, and the operators exist in the
// operator set.
func TestTransformerStructure(t *testing.T) {
	for _, c := range []struct {
		family string
		norms  int
	}{{"vit", 5}, {"swin", 11}} {
		t.Run(c.family, func(t *testing.T) {
			m := smallTransformer(t, c.family)
			for opset := 13; opset <= 17; opset++ {
				g, err := onnxgraph.Build(m, onnxgraph.Options{Opset: opset, Height: 32, Width: 48})
				if err != nil {
					t.Fatal(err)
				}
				for i, e := range m.Store().Entries {
					x := g.Graph.Initializers[i]
					if x.Name != e.Name || !slices.Equal(x.Shape, e.Shape) {
						t.Errorf("%s: initializer %d is %s %v, want %s %v",
							c.family, i, x.Name, x.Shape, e.Name, e.Shape)
					}
				}
				ops := checkNodes(t, g)
				whole, parts := c.norms, 0
				if opset < 17 {
					whole, parts = 0, c.norms
				}
				if ops["LayerNormalization"] != whole || ops["Sqrt"] != parts {
					t.Errorf("%s, opset %d: %d layer norms and %d in parts, want %d and %d",
						c.family, opset, ops["LayerNormalization"], ops["Sqrt"], whole, parts)
				}
				for _, n := range g.Graph.Nodes {
					if n.Op != "Reshape" {
						continue
					}
					if shape, ok := g.Graph.Lookup(n.Inputs[1]); !ok || shape.I64[0] != 0 {
						t.Errorf("%s: %s loses the batch: %v", c.family, n.Name, shape.I64)
					}
				}
			}
		})
	}
}

// A shifted window is masked if the roll has put distant tokens together: in the last window of 2×2, most
// tokens come from different quarters.
func TestMask(t *testing.T) {
	g, err := onnxgraph.Build(smallTransformer(t, "swin"), onnxgraph.Options{Opset: 17, Height: 32, Width: 32})
	if err != nil {
		t.Fatal(err)
	}
	mask, ok := g.Graph.Lookup("mask.8x8.4.2")
	if !ok || !slices.Equal(mask.Shape, []int{4, 1, 16, 16}) {
		t.Fatalf("mask of shape %v", mask.Shape)
	}
	for window, want := range []int{256, 128, 128, 64} {
		open := 0
		for _, v := range mask.F32[window*256 : (window+1)*256] {
			if v == 0 {
				open++
			}
		}
		if open != want {
			t.Errorf("window %d: %d pairs attend to each other, want %d", window, open, want)
		}
	}
}

func TestCheckTransformers(t *testing.T) {
	for _, c := range []struct {
		family  string
		changes map[string]func(g *onnx.Graph)
	}{
		{"vit", map[string]func(g *onnx.Graph){
			"its node": func(g *onnx.Graph) {
				g.Nodes[len(g.Nodes)-1].Inputs = []string{"input", "head.weight", "head.bias"}
			},
			"resize.4x4.4x6": func(g *onnx.Graph) { changeConstant(g, "resize.4x4.4x6") },
		}},
		{"swin", map[string]func(g *onnx.Graph){
			"mask.8x12.4.2":             func(g *onnx.Graph) { changeConstant(g, "mask.8x12.4.2") },
			"relative_position_index.4": func(g *onnx.Graph) { changeConstant(g, "relative_position_index.4") },
		}},
	} {
		t.Run(c.family, func(t *testing.T) {
			m := smallTransformer(t, c.family)
			build := func() *onnx.Model {
				g, err := onnxgraph.Build(m, onnxgraph.Options{Opset: 15, Height: 32, Width: 48})
				if err != nil {
					t.Fatal(err)
				}
				return g
			}
			raw, err := onnx.Marshal(build())
			if err != nil {
				t.Fatal(err)
			}
			back, err := onnx.Unmarshal(raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := onnxgraph.Check(back, m); err != nil {
				t.Errorf("%s, read back: %v", c.family, err)
			}
			for want, change := range c.changes {
				g := build()
				change(&g.Graph)
				if err := onnxgraph.Check(g, m); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %q", c.family, err, want)
				}
			}
		})
	}
	for _, test := range []struct {
		family string
		size   [2]int
	}{{"vit", [2]int{32, 7}}, {"swin", [2]int{32, 20}}} {
		t.Run(test.family, func(t *testing.T) {
			o := onnxgraph.Options{Opset: 17, Height: test.size[0], Width: test.size[1]}
			_, err := onnxgraph.Build(smallTransformer(t, test.family), o)
			want := fmt.Sprintf("images of %d×%d pixels", test.size[0], test.size[1])
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", test.family, err, want)
			}
		})
	}
}

func changeConstant(g *onnx.Graph, name string) {
	for _, x := range g.Initializers {
		switch {
		case x.Name == name && x.F32 != nil:
			x.F32[len(x.F32)-1]++
		case x.Name == name:
			x.I64[0]++
		}
	}
}
