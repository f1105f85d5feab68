package graph_test

import (
	"fmt"
	"math"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	_ "fasternet/graph/families"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

// reference is a JSON file of the reference values.
type reference struct {
	Config struct {
		Seed        int
		EmbedDim    int `json:"embed_dim"`
		Depths      []int
		MLPRatio    float64 `json:"mlp_ratio"`
		NDiv        int     `json:"n_div"`
		FeatureDim  int     `json:"feature_dim"`
		Act         string
		ActLayer    string `json:"act_layer"`
		Image       []int
		Classes     int
		Batch       int
		DropPath    float64 `json:"drop_path"`
		DropPathAll float64 `json:"drop_path_rate"`
	}
	Seed            int
	Parameters      int
	StateDict       [][2]any `json:"state_dict"`
	FusedStateDict  [][2]any `json:"fused_state_dict"`
	MACs            int      `json:"macs_conv_linear_224"`
	Losses          []float64
	LossesNoDecay1D []float64 `json:"losses_nodecay1d"`
	GradNorm        float64   `json:"grad_norm"`
	NumClasses      int       `json:"num_classes"`
	RatesPositive   []float64 `json:"drop_path_rates_positive"`
	DropPathRates   []float64 `json:"drop_path_rates"`
}

func modelConfig(r reference) configs.Model {
	c := configs.Default().Model
	configs.Change(&c, func(a *fasternet.Config) {
		a.EmbedDim = r.Config.EmbedDim
		a.Depths = r.Config.Depths
		a.MLPRatio = r.Config.MLPRatio
		a.NDiv = r.Config.NDiv
		a.FeatureDim = r.Config.FeatureDim
		if a.ActLayer = "gelu"; r.Config.Act+r.Config.ActLayer == "RELU" {
			a.ActLayer = "relu"
		}
	})
	c.NumClasses = r.Config.Classes + r.NumClasses
	c.DropPathRate = r.Config.DropPath + r.Config.DropPathAll
	return c
}

func newModel(t *testing.T, r reference, seed int) *fasternet.Model {
	t.Helper()
	m, err := fasternet.New(modelConfig(r), 0)
	if err != nil {
		t.Fatal(err)
	}
	graphtest.Fill(m.Store(), seed)
	return m
}

func newRunner(t *testing.T, m graph.Model) *graph.Runner {
	return newRunnerOn(t, kernels.Default(), m)
}

func newRunnerOn(t *testing.T, k *kernels.Set, m graph.Model) *graph.Runner {
	return graph.NewRunner(m, graphtest.Pool(t, k))
}

func program(t *testing.T, r *graph.Runner, s graph.Shape) *graph.Program {
	t.Helper()
	p, err := r.Program(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var variants = []string{"t0", "t1", "t2", "s", "m", "l"}

// The six official sizes, unfolded and folded, have the reference's state dict, parameters, MACs and
// logits.
func TestFullSizeVariants(t *testing.T) {
	t.Parallel()
	for i, name := range variants {
		t.Run(name, func(t *testing.T) {
			var ref reference
			golden.JSON(t, "fasternet_"+name+".json", &ref)
			if testing.Short() && ref.Parameters > 8e6 {
				t.Skip("a large model: left out of short tests")
			}
			m := newModel(t, ref, ref.Seed)
			checkStateDict(t, m, ref.StateDict)
			total := graph.Total(counted(t, m, 224, 224))
			if m.Store().Parameters() != ref.Parameters ||
				total.Parameters != ref.Parameters ||
				total.MACs != ref.MACs {
				t.Errorf("%d parameters (%d counted), %d MACs; want %d and %d",
					m.Store().Parameters(), total.Parameters, total.MACs, ref.Parameters, ref.MACs)
			}
			want := golden.Tensors(t, "fasternet_"+name+"_logits.safetensors")
			images := golden.ToNHWC(golden.Image("input224", ref.Seed, 3*224*224), 1, 3, 224, 224)
			p := program(t, newRunner(t, m), graph.Shape{Batch: 1, Height: 224, Width: 224})
			got, err := p.Forward(images)
			if err != nil {
				t.Fatal(err)
			}
			golden.CheckRel(t, "logits", got, want["logits_224"].Data, 3e-5)
			checkFolded(t, i, m, ref, images, got, want["logits_fused_224"].Data)
		})
	}
}

func checkStateDict(t *testing.T, m graph.Model, want [][2]any) {
	t.Helper()
	entries := m.Store().Entries
	if len(entries) != len(want) {
		t.Fatalf("%d tensors, the reference has %d", len(entries), len(want))
	}
	for i, want := range want {
		e := entries[i]
		if got := fmt.Sprintf("%s %v", e.Name, []int(e.Shape)); got != fmt.Sprintf("%v %v", want[0], want[1]) {
			t.Errorf("tensor %d is %s, want %v %v", i, got, want[0], want[1])
		}
	}
}

// The parts of T0 have the parameters of the specification.
func TestPartsOfT0(t *testing.T) {
	c, err := configs.Load("fasternet_t0")
	if err != nil {
		t.Fatal(err)
	}
	m, err := fasternet.New(c.Model, 0)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]int{}
	for _, l := range counted(t, m, 224, 224) {
		name := l.Name
		if len(name) > 8 && name[:7] == "stages." {
			name = name[:8]
		}
		parts[name] += l.Parameters
	}
	want := map[string]int{
		"patch_embed":      2000,
		"stages.0":         7460,
		"stages.1":         12960,
		"stages.2":         59040,
		"stages.3":         51520,
		"stages.4":         939520,
		"stages.5":         205440,
		"stages.6":         936960,
		"avgpool_pre_head": 409600,
		"head":             1281000,
	}
	if fmt.Sprint(parts) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", parts, want)
	}
}

func smoothed(labels []int, classes int) []float32 {
	targets := make([]float32, len(labels)*classes)
	for i := range targets {
		targets[i] = 0.1 / float32(classes)
	}
	for i, l := range labels {
		targets[i*classes+l] += 0.9
	}
	return targets
}

// The small models equal the reference: evaluation, one training step with every gradient and the
// running statistics, and three steps of AdamW.
func TestSmallModels(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fasternet_small_gelu", "fasternet_small_relu"} {
		t.Run(name, func(t *testing.T) {
			graphtest.EveryVariant(t, func(t *testing.T, k *kernels.Set) {
				var ref reference
				golden.JSON(t, name+".json", &ref)
				want := golden.Tensors(t, name+".safetensors")
				m := newModel(t, ref, ref.Config.Seed)
				checkStateDict(t, m, ref.StateDict)
				r := newRunnerOn(t, k, m)
				c := ref.Config
				images := golden.ToNHWC(
					golden.Image("input", c.Seed, c.Batch*3*c.Image[0]*c.Image[1]), c.Batch, 3,
					c.Image[0], c.Image[1],
				)
				targets := smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes)

				logits, err := program(t, r, graph.Shape{c.Batch, c.Image[0], c.Image[1], false}).Forward(images)
				if err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, "eval logits", logits, want["eval_logits"].Data, 3e-5)
				train := program(t, r, graph.Shape{c.Batch, c.Image[0], c.Image[1], true})
				checkTraining(t, k, m, train, ref, want, images, targets, false)
				graphtest.Fill(m.Store(), c.Seed)
				checkTraining(t, k, m, train, ref, want, images, targets, true)
			})
		})
	}
}

// checkTraining runs three steps of AdamW. noDecay1D is the second recipe, of which fewer values are
// stored.
func checkTraining(
	t *testing.T,
	k *kernels.Set,
	m *fasternet.Model,
	p *graph.Program,
	ref reference,
	want map[string]golden.Tensor,
	images, targets []float32,
	noDecay1D bool,
) {
	t.Helper()
	params := m.Store().Params()
	moments := map[string][2][]float32{}
	losses := ref.Losses
	if noDecay1D {
		losses = ref.LossesNoDecay1D
	}
	for step := 1; step <= 3; step++ {
		for _, q := range params {
			clear(q.GradData())
		}
		loss, err := p.Gradients(images, targets, graph.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(loss)-losses[step-1]) > 1e-5*losses[step-1] {
			t.Errorf("loss of step %d: %v, want %v", step, loss, losses[step-1])
		}
		if step == 1 && !noDecay1D {
			golden.CheckRel(t, "train logits", p.Logits(), want["train_logits"].Data, 3e-5)
			checkGradients(t, m, want)
			var norm float64
			for _, q := range params {
				norm += k.SumSquares(q.GradData())
			}
			if norm = math.Sqrt(norm); math.Abs(norm-ref.GradNorm) > 5e-5*ref.GradNorm {
				t.Errorf("gradient norm %v, want %v", norm, ref.GradNorm)
			}
			checkBuffers(t, m, want, "bn1/", 1e-5)
		}
		for _, q := range params {
			mv, ok := moments[q.Name]
			if !ok {
				mv = [2][]float32{make([]float32, q.Size()), make([]float32, q.Size())}
				moments[q.Name] = mv
			}
			s := kernels.AdamWStep{
				LR:          1e-3,
				WeightDecay: 0.05,
				Beta1:       0.9,
				Beta2:       0.999,
				Eps:         1e-8,
				Step:        step,
				GradScale:   1,
			}
			if noDecay1D && q.Shape().Dims() == 1 {
				s.WeightDecay = 0
			}
			k.AdamW(q.Data(), q.GradData(), mv[0], mv[1], s)
			q.Changed()
		}
	}
	prefix := "param3/"
	if noDecay1D {
		prefix = "param3_nodecay1d/"
	} else {
		checkBuffers(t, m, want, "bn3/", 1e-4)
	}
	checked := 0
	for _, q := range params {
		w, ok := want[prefix+q.Name]
		if !ok {
			continue
		}
		grad := want["grad/"+q.Name].Data
		var top float64
		for _, g := range grad {
			top = max(top, math.Abs(float64(g)))
		}
		for i, v := range w.Data {
			// if the true gradient is 0, AdamW steps by its rounding error
			if math.Abs(float64(grad[i])) <= max(1e-6, 1e-3*top) {
				continue
			}
			checked++
			if d := math.Abs(float64(q.Data()[i]) - float64(v)); !(d <= 3e-5) {
				t.Errorf("%s%s[%d] = %v, want %v", prefix, q.Name, i, q.Data()[i], v)
				break
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d elements of %s were compared", checked, prefix)
	}
}

func checkGradients(t *testing.T, m graph.Model, want map[string]golden.Tensor) {
	t.Helper()
	for _, q := range m.Store().Params() {
		w, ok := want["grad/"+q.Name]
		if !ok {
			t.Errorf("no reference for the gradient of %s", q.Name)
			continue
		}
		golden.CheckRel(t, "gradient of "+q.Name, q.GradData(), w.Data, 2e-4)
	}
}

func checkBuffers(t *testing.T, m graph.Model, want map[string]golden.Tensor, prefix string, tol float64) {
	t.Helper()
	checked := 0
	for _, e := range m.Store().Entries {
		if w, ok := want[prefix+e.Name]; ok && e.Buffer != nil {
			golden.CheckRel(t, prefix+e.Name, e.Buffer, w.Data, tol)
			checked++
		}
	}
	if checked == 0 {
		t.Errorf("no reference under %s", prefix)
	}
}

func TestDropPath(t *testing.T) {
	graphtest.EveryVariant(t, func(t *testing.T, k *kernels.Set) {
		var ref reference
		golden.JSON(t, "fasternet_small_droppath.json", &ref)
		want := golden.Tensors(t, "fasternet_small_droppath.safetensors")
		m := newModel(t, ref, ref.Config.Seed)
		c := ref.Config
		p := program(t, newRunnerOn(t, k, m), graph.Shape{c.Batch, c.Image[0], c.Image[1], true})
		if len(p.Drops()) != len(ref.RatesPositive) {
			t.Fatalf("%d blocks drop, want %d", len(p.Drops()), len(ref.RatesPositive))
		}
		// The reference's decisions instead of our own.
		for i, d := range p.Drops() {
			if math.Abs(d.Rate-ref.RatesPositive[i]) > 1e-7 {
				t.Errorf("rate %d is %v, want %v", i, d.Rate, ref.RatesPositive[i])
			}
			for b := range d.Keep {
				d.Keep[b] = want["keep"].Data[i*c.Batch+b] / float32(1-d.Rate)
			}
		}
		images := golden.ToNHWC(
			golden.Image("input", c.Seed, c.Batch*3*c.Image[0]*c.Image[1]), c.Batch, 3, c.Image[0], c.Image[1],
		)
		loss, err := p.RunAs(images, smoothed(golden.Labels(c.Seed, c.Batch, c.Classes), c.Classes))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(loss)-ref.Losses[0]) > 1e-5*ref.Losses[0] {
			t.Errorf("loss %v, want %v", loss, ref.Losses[0])
		}
		golden.CheckRel(t, "train logits", p.Logits(), want["train_logits"].Data, 3e-5)
		checkGradients(t, m, want)
		checkBuffers(t, m, want, "bn1/", 1e-5)
	})
}
