package graph_test

import (
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/graphtest"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/internal/golden"
)

// A model that is converted to another size gives the same logits there as before, also if maps become
// smaller than windows.
func TestForSize(t *testing.T) {
	vitConfig := configs.DefaultModel("vit")
	configs.Change(&vitConfig, func(a *vit.Config) {
		a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize = 24, 1, configs.Heads{3}, 8
	})
	vitConfig.NumClasses = 5
	fixed := vitConfig
	configs.Change(&fixed, func(a *vit.Config) { a.PosEmbed = "fixed" })
	swinConfig := configs.DefaultModel("swin")
	configs.Change(&swinConfig, func(a *swin.Config) {
		a.EmbedDim, a.Depths, a.NumHeads, a.WindowSize = 8, []int{2, 2}, configs.Heads{2, 4}, 4
	})
	swinConfig.NumClasses = 5
	for _, c := range []struct {
		name     string
		config   configs.Model
		from, to int
		same     bool // nothing to change
	}{
		{"vit larger", vitConfig, 32, 48, false},
		{"vit smaller", fixed, 32, 16, false},
		{"vit", vitConfig, 32, 32, true},
		{"swin larger", swinConfig, 32, 48, true},
		{"swin smaller", swinConfig, 32, 24, false},
		{"swin smallest", swinConfig, 32, 8, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := newTransformer(c.config, c.from)
			if err != nil {
				t.Fatal(err)
			}
			graphtest.Fill(m.Store(), 1)
			other, err := graph.ForSize(m, c.to)
			if err != nil {
				t.Fatal(err)
			}
			if (other == m) != c.same {
				t.Fatalf("the same model: %v", other == m)
			}
			run := func(m graph.Model) []float32 {
				p := program(t, newRunner(t, m), graph.Shape{2, c.to, c.to, false})
				logits, err := p.Forward(golden.Image("input", 1, 2*3*c.to*c.to))
				if err != nil {
					t.Fatal(err)
				}
				return append([]float32(nil), logits...)
			}
			golden.CheckRel(t, "logits", run(other), run(m), 1e-6)
			fresh, err := newTransformer(c.config, c.to)
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range fresh.Store().Entries {
				if got := other.Store().Entries[i]; got.Name != e.Name || !got.Shape.Eq(e.Shape) {
					t.Errorf("%s %v, want %s %v", got.Name, got.Shape, e.Name, e.Shape)
				}
			}
		})
	}
	m, err := newTransformer(swinConfig, 16)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := graph.ForSize(m, 32); err == nil ||
		!strings.Contains(err.Error(), "windows of stage 2 are of 4×4 tokens") {
		t.Errorf("larger windows than tables: %v", err)
	}
}
