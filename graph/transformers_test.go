package graph_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/graphtest"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

// transformerReference is a JSON file of the reference values of ViT or Swin.
type transformerReference struct {
	Config struct {
		Seed       int
		Dim        int
		Depth      int
		Heads      any
		Patch      int
		Image      int
		Classes    int
		Batch      int
		GlobalPool bool `json:"global_pool"`
		Embed      int
		Depths     []int
		Window     int
		Tiny       bool
	}
	Parameters int
	StateDict  [][2]any `json:"state_dict"`
	NormEps    map[string]float64
	Loss       float64
	GradNorm   float64 `json:"grad_norm"`
	MACs       int     `json:"macs_conv_linear"`
}

func (r transformerReference) model(t *testing.T) graph.Model {
	t.Helper()
	c := r.Config
	m := configs.DefaultModel("vit")
	if c.Embed > 0 {
		m = configs.DefaultModel("swin")
		configs.Change(&m, func(a *swin.Config) {
			a.EmbedDim, a.Depths, a.WindowSize, a.NumHeads = c.Embed, c.Depths, c.Window, nil
			for _, h := range c.Heads.([]any) {
				a.NumHeads = append(a.NumHeads, int(h.(float64)))
			}
		})
	} else {
		configs.Change(&m, func(a *vit.Config) {
			a.EmbedDim = c.Dim
			a.Depth = c.Depth
			a.PatchSize = c.Patch
			a.GlobalPool = c.GlobalPool
			a.NumHeads = configs.Heads{int(c.Heads.(float64))}
		})
	}
	m.NumClasses = c.Classes
	net, err := newTransformer(m, c.Image)
	if err != nil {
		t.Fatal(err)
	}
	graphtest.Fill(net.Store(), c.Seed)
	if c.Tiny {
		shrink(net)
	}
	return net
}

func newTransformer(c configs.Model, image int) (graph.Model, error) {
	if c.Name == "vit" {
		return vit.New(c, image, 0)
	}
	return swin.New(c, image, 0)
}

// shrink makes the activations small, as in the probes of ε.
func shrink(m graph.Model) {
	for _, q := range m.Store().Params() {
		for _, suffix := range []string{
			"attn.proj.weight", "attn.proj.bias",
			"mlp.fc2.weight", "mlp.fc2.bias",
			"patch_embed.norm.weight", "patch_embed.norm.bias",
			"patch_embed.proj.weight", "patch_embed.proj.bias",
			"downsample.reduction.weight", "pos_embed", "cls_token",
		} {
			if strings.HasSuffix(q.Name, suffix) {
				kernels.Scale(q.Data(), 1.0/128)
				q.Changed()
				break
			}
		}
	}
}

// Logits, loss and every gradient of the small models equal the reference.
func TestSmallTransformers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"vit_small_gap", "vit_small_cls", "vit_eps_probe",
		"swin_small_w4", "swin_small_w7", "swin_eps_probe",
	} {
		t.Run(name, func(t *testing.T) {
			var ref transformerReference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			graphtest.EveryVariant(t, func(t *testing.T, k *kernels.Set) {
				m := ref.model(t)
				checkTransformerState(t, m, ref)
				r, c := newRunnerOn(t, k, m), ref.Config
				images := golden.ToNHWC(
					golden.Image("input", c.Seed, c.Batch*3*c.Image*c.Image), c.Batch, 3, c.Image, c.Image,
				)
				logits, err := program(t, r, graph.Shape{c.Batch, c.Image, c.Image, false}).Forward(images)
				if err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, "logits", logits, want["logits"].Data, 3e-5)
				p := program(t, r, graph.Shape{c.Batch, c.Image, c.Image, true})
				loss, err := p.Gradients(
					images, smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes), graph.Position{},
				)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(float64(loss)-ref.Loss) > 1e-5*ref.Loss {
					t.Errorf("loss %v, want %v", loss, ref.Loss)
				}
				golden.CheckRel(t, "train logits", p.Logits(), want["logits"].Data, 3e-5)
				checkGradients(t, m, want)
				var norm float64
				for _, q := range m.Store().Params() {
					norm += kernels.Default().SumSquares(q.GradData())
				}
				if norm = math.Sqrt(norm); math.Abs(norm-ref.GradNorm) > 5e-5*ref.GradNorm {
					t.Errorf("gradient norm %v, want %v", norm, ref.GradNorm)
				}
			})
		})
	}
}

// checkTransformerState compares the parameters with the state dict, which also has tensors that follow
// from the sizes.
func checkTransformerState(t *testing.T, m graph.Model, ref transformerReference) {
	t.Helper()
	var want, got, computed []string
	for _, e := range ref.StateDict {
		switch s := fmt.Sprintf("%v %v", e[0], e[1]); {
		case strings.Contains(s, "relative_position_index"):
			computed = append(computed, s)
		case !strings.Contains(s, "attn_mask"):
			want = append(want, s)
		}
	}
	for _, e := range m.Store().Entries {
		got = append(got, fmt.Sprintf("%s %v", e.Name, []int(e.Shape)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("state dict:\n%v\nwant\n%v", got, want)
	}
	var index []string
	for _, e := range m.Store().Computed {
		index = append(index, fmt.Sprintf("%s %v", e.Name, e.Shape))
	}
	if !slices.Equal(index, computed) {
		t.Errorf("computed tensors:\n%v\nwant\n%v", index, computed)
	}
	if n := m.Store().Parameters(); n != ref.Parameters {
		t.Errorf("%d parameters, want %d", n, ref.Parameters)
	}
}

// The models of the papers at 224 pixels.
func TestFullSizeTransformers(t *testing.T) {
	// Not in parallel with other tests: it takes 2 GB.
	if testing.Short() {
		t.Skip("large models: left out of short tests")
	}
	for _, c := range []struct {
		name   string
		family string
		change func(m *configs.Model)
	}{
		{"vit_base_patch16_224", "vit", func(*configs.Model) {}},
		{"vit_base_patch16_224_cls", "vit", func(m *configs.Model) {
			configs.Change(m, func(a *vit.Config) { a.GlobalPool = false })
		}},
		{"swin_base_patch4_win7_224", "swin", func(*configs.Model) {}},
		{"swin_t_torchvision", "swin", func(m *configs.Model) {
			configs.Change(m, func(a *swin.Config) {
				a.EmbedDim, a.Depths, a.NumHeads = 96, []int{2, 2, 6, 2}, configs.Heads{3, 6, 12, 24}
				a.NormEps, a.Norm2Eps, a.NormBeforePool = 1e-5, 1e-5, true
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ref transformerReference
			golden.JSON(t, c.name+".json", &ref)
			config := configs.DefaultModel(c.family)
			c.change(&config)
			config.NumClasses = 1000
			m, err := newTransformer(config, 224)
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "swin_t_torchvision" {
				fillTorchvision(m, ref.Config.Seed)
			} else {
				graphtest.Fill(m.Store(), ref.Config.Seed)
				checkTransformerState(t, m, ref)
			}
			total := graph.Total(counted(t, m, 224, 224))
			if total.Parameters != ref.Parameters || m.Store().Parameters() != ref.Parameters {
				t.Errorf("%d parameters counted, %d there, want %d",
					total.Parameters, m.Store().Parameters(), ref.Parameters)
			}
			// For torchvision's Swin the count leaves out the linear layers of attention.
			if ref.MACs != total.MACs && c.name != "swin_t_torchvision" {
				t.Errorf("%d MACs, want %d", total.MACs, ref.MACs)
			}
			images := golden.ToNHWC(golden.Image("input224", ref.Config.Seed, 3*224*224), 1, 3, 224, 224)
			logits, err := program(t, newRunner(t, m), graph.Shape{1, 224, 224, false}).Forward(images)
			if err != nil {
				t.Fatal(err)
			}
			golden.CheckRel(t, "logits", logits, golden.Tensors(t, c.name+"_logits.safetensors")["logits"].Data, 3e-5)
		})
	}
}

// fillTorchvision sets a Swin to the weights under torchvision's names.
func fillTorchvision(m graph.Model, seed int) {
	for _, q := range m.Store().Params() {
		name := q.Name
		var stage, block int
		switch n, _ := fmt.Sscanf(name, "layers.%d.blocks.%d.", &stage, &block); {
		case n == 2:
			_, rest, _ := strings.Cut(strings.TrimPrefix(name, "layers."), "blocks.")
			_, rest, _ = strings.Cut(rest, ".")
			rest = strings.NewReplacer("mlp.fc1", "mlp.0", "mlp.fc2", "mlp.3").Replace(rest)
			name = fmt.Sprintf("features.%d.%d.%s", 2*stage+1, block, rest)
		case strings.Contains(name, "downsample"):
			_, _ = fmt.Sscanf(name, "layers.%d.", &stage)
			_, rest, _ := strings.Cut(name, "downsample.")
			name = fmt.Sprintf("features.%d.%s", 2*stage+2, rest)
		default:
			name = strings.NewReplacer(
				"patch_embed.proj", "features.0.0", "patch_embed.norm", "features.0.2",
			).Replace(name)
		}
		copy(q.Data(), golden.Weight(name, seed, q.Shape()))
		q.Changed()
	}
}

// Parameters of the papers' sizes, and the cost of a forward pass.
func TestTransformerCounts(t *testing.T) {
	for _, c := range []struct {
		preset string
		want   int
		// As timm publishes them, or 0: billions of MACs and millions of activations with the products of
		// attention, and activations without.
		gmacs, with, without float64
	}{
		{"vit_tiny", 5717416, 0, 5.97, 4.1},
		{"vit_small", 22050664, 0, 11.95, 8.2},
		{"vit_base", 86567656, 17.58, 23.90, 16.5},
		{"vit_large", 304326632, 61.60, 63.52, 43.8},
		{"swin_tiny", 28288354, 4.51, 17.06, 0},
		{"swin_small", 49606258, 8.77, 27.47, 0},
		{"swin_base", 87768224, 15.47, 36.63, 0},
		{"swin_large", 196794556, 0, 0, 0}, // published 38.85 GMACs: a last stage of 7×7 padded to windows of 14×14
	} {
		config, err := configs.Load(c.preset)
		if err != nil {
			t.Fatal(err)
		}
		m := config.Model
		if got, err := graph.Parameters(m, 224, false); got != c.want || err != nil {
			t.Errorf("%s: %d parameters, %v, want %d", c.preset, got, err, c.want)
		}
		shape, err := graph.NewShape(m, 224)
		if err != nil {
			t.Fatal(err)
		}
		total := graph.Total(counted(t, shape, 224, 224))
		if got := float64(total.MACs+total.AttentionMACs) / 1e9; c.gmacs > 0 && math.Abs(got-c.gmacs) > 0.005*c.gmacs {
			t.Errorf("%s: %.2f GMACs, published are %.2f", c.preset, got, c.gmacs)
		}
		with, without := float64(total.Activations+total.AttentionActivations)/1e6, float64(total.Activations)/1e6
		if c.with > 0 && math.Abs(with-c.with) > 0.006 || c.without > 0 && math.Abs(without-c.without) > 0.06 {
			t.Errorf("%s: %.2f M activations, %.2f without attention, published are %.2f and %.1f",
				c.preset, with, without, c.with, c.without)
		}
	}
}

// The input of the last layer equals the reference. The other named values have the right shapes.
func TestTransformerFeatures(t *testing.T) {
	for _, test := range []struct {
		name   string
		last   string
		shapes map[string][]int
	}{
		{"vit_small_gap", "act/fc_norm", map[string][]int{
			"tokens":    {2, 65, 48},
			"pooled":    {2, 48},
			"prelogits": {2, 48},
		}},
		{"swin_small_w4", "act/norm", map[string][]int{
			"stage1":    {2, 16, 16, 24},
			"stage2":    {2, 8, 8, 48},
			"stage3":    {2, 4, 4, 96},
			"pooled":    {2, 96},
			"prelogits": {2, 96},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ref transformerReference
			golden.JSON(t, test.name+".json", &ref)
			want := golden.Tensors(t, test.name+".safetensors")
			m, g := ref.model(t), ref.Config
			p, err := newRunner(t, m).Features(graph.Shape{Batch: g.Batch, Height: g.Image, Width: g.Image})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Forward(golden.ToNHWC(
				golden.Image("input", g.Seed, g.Batch*3*g.Image*g.Image), g.Batch, 3, g.Image, g.Image,
			)); err != nil {
				t.Fatal(err)
			}
			if len(p.FeatureNames()) != len(test.shapes) {
				t.Errorf("%s has %v", test.name, p.FeatureNames())
			}
			for feature, shape := range test.shapes {
				if _, got, err := p.Feature(feature); err != nil || !slices.Equal(got, shape) {
					t.Errorf("%s: %s has shape %v, want %v: %v", test.name, feature, got, shape, err)
				}
			}
			last, _, err := p.Feature("prelogits")
			if err != nil {
				t.Fatal(err)
			}
			golden.CheckRel(t, test.name+": prelogits", last[:len(want[test.last].Data)], want[test.last].Data, 3e-5)
		})
	}
}

// A model runs on images of different sizes than it was made for, also in training, and refuses sizes that do
// not divide.
func TestTransformerSizes(t *testing.T) {
	vitConfig, swinConfig := configs.DefaultModel("vit"), configs.DefaultModel("swin")
	configs.Change(&vitConfig, func(a *vit.Config) {
		a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize = 24, 2, configs.Heads{3}, 8
	})
	vitConfig.NumClasses, vitConfig.DropPathRate = 5, 0.2
	configs.Change(&swinConfig, func(a *swin.Config) {
		a.EmbedDim, a.Depths, a.NumHeads, a.WindowSize = 8, []int{2, 2}, configs.Heads{2, 4}, 4
	})
	swinConfig.NumClasses, swinConfig.DropPathRate = 5, 0.2
	fixed, plain := vitConfig, swinConfig
	configs.Change(&fixed, func(a *vit.Config) { a.PosEmbed, a.QKVBias = "fixed", false })
	configs.Change(&plain, func(a *swin.Config) { a.PatchNorm, a.NormBeforePool = false, true })
	early := vitConfig
	configs.Change(&early, func(a *vit.Config) { a.NormBeforePool = true })
	for i, c := range []configs.Model{vitConfig, swinConfig, fixed, plain, early} {
		m, err := newTransformer(c, 32)
		if err != nil {
			t.Fatal(err)
		}
		r := newRunner(t, m)
		for _, size := range []int{32, 48, 64} {
			images, targets := make([]float32, 3*size*size*3), make([]float32, 3*5)
			for j := range images {
				images[j] = float32(j%7) - 3
			}
			for j := range 3 {
				targets[5*j+j] = 1
			}
			if _, err := program(t, r, graph.Shape{3, size, size, true}).Gradients(
				images, targets, graph.Position{},
			); err != nil {
				t.Errorf("model %d at %d: %v", i, size, err)
			}
			logits, err := program(t, r, graph.Shape{3, size, size, false}).Forward(images)
			if err != nil {
				t.Errorf("model %d at %d: %v", i, size, err)
			}
			for _, v := range logits {
				if math.IsNaN(float64(v)) {
					t.Fatalf("model %d at %d: NaN", i, size)
				}
			}
		}
		for _, q := range m.Store().Params() {
			if kernels.Default().SumSquares(q.GradData()) == 0 {
				t.Errorf("model %d: %s has no gradient", i, q.Name)
			}
		}
	}
	m, err := swin.New(swinConfig, 32, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newRunner(t, m).Program(graph.Shape{
		Batch:  1,
		Height: 36,
		Width:  36,
	}); err == nil || !strings.Contains(err.Error(), "even") {
		t.Errorf("an odd map is merged: %v", err)
	}
}
