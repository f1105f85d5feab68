package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

func fold(t *testing.T, m *fasternet.Model) *fasternet.Model {
	t.Helper()
	f, err := m.Fold()
	if err != nil {
		t.Fatal(err)
	}
	return f.(*fasternet.Model)
}

// folded counts the convolutions that have gained a bias.
func folded(m *fasternet.Model) int {
	n := 0
	for _, e := range m.Store().Entries {
		if strings.HasSuffix(e.Name, ".bias") && e.Name != "head.bias" {
			n++
		}
	}
	return n
}

// checkFolded checks the folded form of an official size, by its index among the variants: state dict,
// folded pairs, parameters, MACs and logits.
func checkFolded(t *testing.T, i int, m *fasternet.Model, ref reference, images, unfolded, want []float32) {
	t.Helper()
	f := fold(t, m)
	checkStateDict(t, f, ref.FusedStateDict)
	if n := folded(f); n != []int{17, 17, 17, 22, 32, 32}[i] {
		t.Errorf("%d folded pairs", n)
	}
	parameters := []int{3900660, 7587624, 14971272, 31160424, 53488488, 93421224}[i]
	total := graph.Total(counted(t, f, 224, 224))
	if f.Store().Parameters() != parameters ||
		total.Parameters != parameters ||
		total.MACs != ref.MACs ||
		total.NormElements != 0 {
		t.Errorf("%d parameters (%d counted), %d MACs, %d elements of norms; want %d, %d and 0",
			f.Store().Parameters(), total.Parameters, total.MACs, total.NormElements, parameters, ref.MACs)
	}
	got, err := program(t, newRunner(t, f), graph.Shape{Batch: 1, Height: 224, Width: 224}).Forward(images)
	if err != nil {
		t.Fatal(err)
	}
	golden.CheckRel(t, "logits of the folded model", got, want, 3e-5)
	golden.CheckRel(t, "folded against unfolded", got, unfolded, 1e-5)
}

// Every folded tensor equals the reference.
func TestFoldTensors(t *testing.T) {
	var ref reference
	golden.JSON(t, "fasternet_small_gelu.json", &ref)
	want := golden.Tensors(t, "fasternet_small_gelu.safetensors")
	m := newModel(t, ref, ref.Config.Seed)
	f := fold(t, m)
	checkStateDict(t, f, ref.FusedStateDict)
	for _, e := range f.Store().Entries {
		w, ok := want["fused/"+e.Name]
		if !ok {
			t.Errorf("no reference for %s", e.Name)
			continue
		}
		golden.CheckRel(t, e.Name, e.Param.Data(), w.Data, 1e-6)
	}
	if again := fold(t, f); again != f {
		t.Error("a folded model was folded once more")
	}
}

// Other sizes, with random statistics, in every variant of the kernels.
func TestFoldOwnSizes(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *configs.Model)
	}{
		{"plain", func(c *configs.Model) {}},
		{"grey", func(c *configs.Model) { c.InChans = 1 }},
		{"n_div 2", func(c *configs.Model) { configs.Change(c, func(a *fasternet.Config) { a.NDiv = 2 }) }},
		{"odd widths", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) { a.EmbedDim, a.NDiv, a.MLPRatio = 9, 3, 1.6 })
		}},
		{"overlap", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) {
				a.PatchSize, a.PatchStride, a.PatchSize2, a.PatchStride2 = 7, 4, 3, 2
			})
		}},
		{"layer scale", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) { a.LayerScaleInitValue = 0.1 })
		}},
		{"drop path, relu", func(c *configs.Model) {
			configs.Change(c, func(a *fasternet.Config) { a.ActLayer = "relu" })
			c.DropPathRate = 0.5
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			graphtest.EveryVariant(t, func(t *testing.T, k *kernels.Set) {
				c := smallConfig()
				test.change(&c)
				m, err := fasternet.New(c, 1)
				if err != nil {
					t.Fatal(err)
				}
				graphtest.Fill(m.Store(), 3)
				before := fmt.Sprint(m.Store().Entries[0].Param.Data())
				f := fold(t, m)
				if _, ok := f.Store().Lookup("stages.0.blocks.0.layer_scale"); ok {
					t.Error("layer scale is not folded")
				}
				if got, want := graph.Total(counted(t, f, 40, 52)).Parameters, f.Store().Parameters(); got != want {
					t.Errorf("%d parameters are counted, there are %d", got, want)
				}
				const batch, h, w = 3, 40, 52
				x := graphtest.Random(batch*h*w*c.InChans, 0)
				want, err := program(t, newRunnerOn(t, k, m), graph.Shape{batch, h, w, false}).Forward(x)
				if err != nil {
					t.Fatal(err)
				}
				r := newRunnerOn(t, k, f)
				got, err := program(t, r, graph.Shape{batch, h, w, false}).Forward(x)
				if err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, "logits", got, want, 1e-5)
				if fmt.Sprint(m.Store().Entries[0].Param.Data()) != before {
					t.Error("folding has changed the model")
				}
				if _, err := r.Program(graph.Shape{batch, h, w, true}); err == nil ||
					!strings.Contains(err.Error(), "batch norm is folded") {
					t.Errorf("training a folded model: %v", err)
				}
			})
		})
	}
}
