package graph_test

import (
	"fmt"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
)

// The layers of a FasterNet. Those of ViT and Swin are in the reference values that package train reads.
func TestLayersOf(t *testing.T) {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) { a.EmbedDim, a.Depths, a.FeatureDim = 8, []int{1, 2, 1}, 16 })
	c.NumClasses = 5
	m, err := fasternet.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := graph.LayersOf(m, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		want int
	}{
		{"patch_embed.proj.weight", 0},
		{"patch_embed.norm.bias", 0},
		{"stages.0.blocks.0.mlp.0.weight", 1},
		{"stages.1.reduction.weight", 1},
		{"stages.1.norm.weight", 1},
		{"stages.2.blocks.0.spatial_mixing.partial_conv3.weight", 2},
		{"stages.2.blocks.1.mlp.3.weight", 3},
		{"stages.3.norm.bias", 3},
		{"stages.4.blocks.0.mlp.1.weight", 4},
		{"avgpool_pre_head.1.weight", 5},
		{"head.bias", 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, ok := m.Store().Lookup(test.name); !ok {
				t.Errorf("the model has no %s", test.name)
			}
			if got, last := layers.Of(test.name); got != test.want || last != 5 {
				t.Errorf("%s is in layer %d of %d, want %d of 5", test.name, got, last, test.want)
			}
		})
	}
	// Every layer has parameters.
	seen := map[int]bool{}
	for _, p := range m.Store().Params() {
		layer, _ := layers.Of(p.Name)
		seen[layer] = true
	}
	if fmt.Sprint(seen) != "map[0:true 1:true 2:true 3:true 4:true 5:true]" {
		t.Errorf("layers %v", seen)
	}
	for _, c := range []struct{ stages, want int }{{-1, 0}, {0, 1}, {1, 2}, {2, 4}, {3, 5}} {
		if got, err := layers.Frozen(c.stages); got != c.want || err != nil {
			t.Errorf("%d frozen stages are %d layers, %v, want %d", c.stages, got, err, c.want)
		}
	}
	if _, err := layers.Frozen(4); err == nil {
		t.Error("a fourth stage of three is frozen")
	}
}
