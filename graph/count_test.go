package graph_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
)

func preset(t *testing.T, variant string, scale float64) *fasternet.Model {
	t.Helper()
	c, err := configs.Load("fasternet_" + variant)
	if err != nil {
		t.Fatal(err)
	}
	configs.Change(&c.Model, func(a *fasternet.Config) { a.LayerScaleInitValue = scale })
	m, err := fasternet.New(c.Model, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// counted returns the counts of a model.
func counted(t *testing.T, m graph.Model, height, width int) []graph.LayerCount {
	t.Helper()
	counts, err := graph.Count(m, height, width)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// The exact figures of the official models, and those published with one to
// three digits.
func TestCounts(t *testing.T) {
	t.Parallel()
	for i, name := range variants {
		m := preset(t, name, 0)
		at224, at192 := graph.Total(counted(t, m, 224, 224)), graph.Total(counted(t, m, 192, 192))
		parameters := []int{3905500, 7595368, 14982888, 31181032, 53521464, 93465192}
		folded := []int{3900660, 7587624, 14971272, 31160424, 53488488, 93421224}
		for _, c := range []struct {
			what string
			got  int
			want []int
		}{
			{"parameters in the store", m.Store().Parameters(), parameters},
			{"parameters", at224.Parameters, parameters},
			{"norm channels", normChannels(m), []int{4840, 7744, 11616, 20608, 32976, 43968}},
			{"norm channels that fold", at224.Foldable, []int{4840, 7744, 11616, 20608, 32976, 43968}},
			{"parameters, folded", at224.Folded().Parameters, folded},
			{"parameters at 192", at192.Folded().Parameters, folded},
		} {
			if c.got != c.want[i] {
				t.Errorf("%s: %s: %d, want %d", name, c.what, c.got, c.want[i])
			}
		}
		for _, c := range []struct {
			what     string
			got      int
			want     []float64
			unit, by float64
		}{
			{"MACs", at224.MACs,
				[]float64{0.335423, 0.850512, 1.904335, 4.549741, 8.721938, 15.494384}, 1e9, 1e-6},
			{"MACs, folded", at224.Folded().MACs,
				[]float64{0.335423, 0.850512, 1.904335, 4.549741, 8.721938, 15.494384}, 1e9, 1e-6},
			{"MACs with norms", at224.MACsWithNorm(),
				[]float64{0.338041, 0.854702, 1.910619, 4.560127, 8.741526, 15.520500}, 1e9, 1e-6},
			{"MACs at 192", at192.MACs,
				[]float64{0.246881, 0.625379, 1.399704, 3.343354, 6.408686, 11.384490}, 1e9, 1e-6},
			{"paper's table 3", at224.MACsWithNorm(),
				[]float64{0.34, 0.85, 1.91, 4.56, 8.74, 15.52}, 1e9, 1e-2},
			{"paper's table 8", at224.Folded().MACsWithNorm(),
				[]float64{0.34, 0.85, 1.90, 4.55, 8.72, 15.49}, 1e9, 1e-2},
			{"activations", at224.Activations,
				[]float64{1.97, 3.15, 4.73, 7.93, 15.34, 20.46}, 1e6, 1e-2},
		} {
			if got := float64(c.got) / c.unit; math.Abs(got-c.want[i]) > c.by/2*(1+1e-9) {
				t.Errorf("%s: %s: %v, want %v", name, c.what, got, c.want[i])
			}
		}
		// The closed form of norms and pool at both sizes: 2 for each element of a norm, which folding
		// removes, and 1 for each input of the pool.
		for _, test := range []struct {
			side  int
			total graph.LayerCount
		}{{224, at224}, {192, at192}} {
			t.Run(fmt.Sprint(test.side), func(t *testing.T) {
				norms, pool := normElements(m, test.side), test.side*test.side/1024*m.Arch().StageDims()[3]
				if test.total.MACsWithNorm() != test.total.MACs+2*norms+pool ||
					test.total.Folded().MACsWithNorm() != test.total.MACs+pool {
					t.Errorf("%s at %d: %d MACs with norms, folded %d, convolutions %d; "+
						"want %d elements of norms and %d of the pool",
						name, test.side, test.total.MACsWithNorm(), test.total.Folded().MACsWithNorm(),
						test.total.MACs, norms, pool)
				}
			})
		}
	}
}

// normElements returns Σ pixels·channels of the batch norms, from the structure of the network.
func normElements(m *fasternet.Model, side int) int {
	n := 0
	for i, dim := range m.Arch().StageDims() {
		pixels := (side >> (2 + i)) * (side >> (2 + i))
		n += pixels * (dim + 2*dim*m.Arch().Depths[i])
	}
	return n
}

func normChannels(m graph.Model) int {
	n := 0
	for _, e := range m.Store().Entries {
		if e.Buffer != nil {
			n += e.Shape[0]
		}
	}
	return n / 2 // mean and variance
}

// The count of the folded form equals the count of the folded model.
func TestFoldedCounts(t *testing.T) {
	m := preset(t, "t0", 0.1)
	f, err := m.Fold()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := graph.Total(counted(t, f, 192, 224)), graph.Total(counted(t, m, 192, 224)).Folded(); got != want ||
		got.Parameters != f.Store().Parameters() ||
		got.Folded() != got {
		t.Errorf("the folded model has %+v and %d parameters, want %+v", got, f.Store().Parameters(), want)
	}
}

// Layer scale folds too.
func TestFoldedLayerScale(t *testing.T) {
	t.Parallel()
	without, with := preset(t, "t0", 0), preset(t, "t0", 0.1)
	a, b := graph.Total(counted(t, without, 224, 224)), graph.Total(counted(t, with, 224, 224))
	if b.Parameters-a.Parameters != 40+2*80+8*160+2*320 || b.Folded() != a.Folded() {
		t.Errorf("without layer scale %+v, with it %+v", a, b)
	}
}

// The outputs of the convolutions and linear layers of transformers: for each block 3 + 1 + 4 + 1
// times the channels of its tokens.
func TestTransformerActivations(t *testing.T) {
	t.Parallel()
	vitConfig, swinConfig := configs.DefaultModel("vit"), configs.DefaultModel("swin")
	configs.Change(&vitConfig, func(a *vit.Config) {
		a.PatchSize, a.EmbedDim, a.Depth, a.MLPRatio, a.NumHeads = 16, 192, 12, 4, configs.Heads{3}
	})
	configs.Change(&swinConfig, func(a *swin.Config) {
		a.PatchSize, a.EmbedDim, a.Depths, a.NumHeads, a.WindowSize = 4, 96, []int{2, 2}, []int{3, 6}, 7
	})
	vitConfig.NumClasses, swinConfig.NumClasses = 1000, 1000
	for _, c := range []struct {
		config configs.Model
		want   int
	}{
		{vitConfig, 196*192 + 12*197*9*192 + 1000},
		{swinConfig, 3136*96 + 2*3136*9*96 + 784*192 + 2*784*9*192 + 1000},
	} {
		m, err := graph.New(c.config, 224, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := graph.Total(counted(t, m, 224, 224)).Activations; got != c.want {
			t.Errorf("%s: %d, want %d", c.config.Name, got, c.want)
		}
	}
}

// Parameters are counted without making the model.
func TestParameters(t *testing.T) {
	t.Parallel()
	for _, name := range configs.Presets() {
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Model.Arch.(configs.Sized).Outputs(224) > 2.5e6 {
			continue
		}
		c.Model.NumClasses = 7
		m, err := graph.New(c.Model, c.Data.ImageSize, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := m.Store().Parameters()
		if e, ok := m.Store().Lookup("pos_embed"); ok && e.Buffer != nil {
			want += len(e.Buffer)
		}
		if got, err := graph.Parameters(c.Model, c.Data.ImageSize, false); got != want || err != nil {
			t.Errorf("%s: %d parameters, %v, want %d", name, got, err, want)
		}
	}
	if _, err := graph.Parameters(configs.Model{Name: "resnet"}, 224, false); err == nil ||
		!strings.Contains(err.Error(), `got "resnet"`) {
		t.Errorf("a model that is not there: %v", err)
	}
}
