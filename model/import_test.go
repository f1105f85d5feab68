package model_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/model"
)

var gelu = []string{"model.act_layer=gelu"}

// Import weights of PyTorch with shapes of no preset.
func ExampleOpen() {
	path := filepath.Join("..", "testdata", "golden", "fasternet_small_gelu_lightning.ckpt")
	_, err := model.Open(path, model.LoadOptions{})
	fmt.Println(errors.Is(err, model.ErrActivation))
	l, err := model.Open(path, model.LoadOptions{
		Settings: []string{"model.act_layer=gelu"},
		Report:   func(t model.Table) { fmt.Println(t.Summary()) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	arch := l.Config.Model.Arch.(fasternet.Config)
	fmt.Println(arch.EmbedDim, arch.Depths, l.Model.Classes())
	// Output:
	// true
	// 67 loaded
	// 16 [1 1 2 1] 10
}

// A model from any container gives the logits of the reference.
func TestGoldenLogits(t *testing.T) {
	t.Parallel()
	want := golden.Tensors(t, "fasternet_small_gelu.safetensors")["eval_logits"]
	images := golden.ToNHWC(golden.Image("input", 1, 4*3*64*64), 4, 3, 64, 64)
	pool := kernels.NewPool(2)
	defer pool.Close()
	for _, c := range []struct {
		name      string
		tolerance float64
	}{
		{"fasternet_small_gelu.pth", 3e-5},
		{"fasternet_small_gelu_legacy.pth", 3e-5},
		{"fasternet_small_gelu_weights.safetensors", 3e-5},
		{"fasternet_small_gelu_nested_model.pth", 3e-5},
		{"fasternet_small_gelu_lightning.ckpt", 3e-5},
		{"fasternet_small_gelu_half.pth", 1e-2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := model.Open(golden.Path(t, c.name), model.LoadOptions{Settings: gelu})
			if err != nil {
				t.Error(err)
				return
			}
			p, err := graph.NewRunner(l.Model, pool).Program(graph.Shape{Batch: 4, Height: 64, Width: 64})
			if err != nil {
				t.Fatal(err)
			}
			logits, err := p.Forward(images)
			if err != nil {
				t.Fatal(err)
			}
			golden.CheckRel(t, c.name, logits, want.Data, c.tolerance)
		})
	}
}

// randomised returns a model of a preset with random values everywhere.
func randomised(t *testing.T, preset string, settings ...string) (graph.Model, *configs.Config) {
	t.Helper()
	c, err := configs.Load(preset, settings...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, max(c.Model.NumClasses, 10))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, e := range m.Store().Entries {
		switch {
		case e.Counter != nil:
			*e.Counter = r.Int64N(1000)
		case e.Buffer != nil:
			for i := range e.Buffer {
				e.Buffer[i] = r.Float32()
			}
		case len(e.Shape) == 1:
			for i := range e.Param.Data() {
				e.Param.Data()[i] = r.Float32()
			}
		}
	}
	return m, c
}

func sameState(t *testing.T, got, want graph.Model) {
	t.Helper()
	for i, w := range model.Tensors(want.Store()) {
		g := model.Tensors(got.Store())[i]
		if g.Name != w.Name ||
			!slices.Equal(g.Shape, w.Shape) ||
			!slices.Equal(g.F32, w.F32) ||
			!slices.Equal(g.I64, w.I64) {
			t.Errorf("%s differs", w.Name)
		}
	}
}

// The shapes tell an architecture of one's own.
func TestInfer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	for _, settings := range [][]string{
		{"model.embed_dim=8", "model.depths=[1,3]", "model.feature_dim=20", "model.mlp_ratio=3"},
		{"model.embed_dim=12", "model.depths=[2,1,1,1]", "model.n_div=3", "model.mlp_ratio=1.6"},
		{
			"model.embed_dim=4", "model.depths=[1,1,1]", "model.n_div=2", "model.layer_scale_init_value=0.5",
			"model.num_classes=17",
		},
		{
			"model.embed_dim=8", "model.depths=[1,1]", "model.patch_size2=3", "model.patch_stride2=3",
			"model.in_chans=3", "data.mean=[0,0,0]", "data.std=[1,1,1]",
		},
	} {
		want, c := randomised(t, "quickstart", settings...)
		if err := checkpoints.Write(path, checkpoints.File{Tensors: model.Tensors(want.Store())}); err != nil {
			t.Fatal(err)
		}
		if _, err := model.Open(path, model.LoadOptions{}); !errors.Is(err, model.ErrActivation) ||
			!errors.As(err, new(model.ConfigError)) {
			t.Errorf("%v: the activation is not asked for: %v", settings, err)
		}
		l, err := model.Open(path, model.LoadOptions{Settings: []string{"model.act_layer=gelu", "data.image_size=64"}})
		if err != nil {
			t.Errorf("%v: %v", settings, err)
			continue
		}
		got, m := l.Config.Model, c.Model
		m.NumClasses, m.DropPathRate, m.InitStd = want.Classes(), 0, got.InitStd
		configs.Change(&m, func(a *fasternet.Config) {
			a.MLPRatio = got.Arch.(fasternet.Config).MLPRatio
			if a.LayerScaleInitValue > 0 {
				a.LayerScaleInitValue = 1
			}
		})
		if fmt.Sprint(got) != fmt.Sprint(m) {
			t.Errorf("%v: got %+v, want %+v", settings, got, m)
		}
		if l.Config.Data.Name != "imagefolder" || l.Config.Data.ImageSize != 64 || len(l.Classes) != 0 {
			t.Errorf("%v: got %+v, classes %v", settings, l.Config.Data, l.Classes)
		}
		sameState(t, l.Model, want)
	}
}

func tensorsOf(m graph.Model) []formats.Tensor {
	var ts []formats.Tensor
	for _, t := range model.Tensors(m.Store()) {
		w := formats.Tensor{Name: t.Name, DType: formats.Float32, Shape: t.Shape, F32: t.F32, I64: t.I64}
		if t.I64 != nil {
			w.DType = formats.Int64
		}
		ts = append(ts, w)
	}
	return ts
}

func TestImport(t *testing.T) {
	size := []string{"model.embed_dim=8", "model.depths=[1,1]", "model.feature_dim=16"}
	give, _ := randomised(t, "quickstart", size...)
	all := tensorsOf(give)
	const conv = "stages.0.blocks.0.mlp.0.weight"
	edit := func(name string, change func(x *formats.Tensor)) []formats.Tensor {
		ts := slices.Clone(all)
		change(&ts[slices.IndexFunc(ts, func(x formats.Tensor) bool { return x.Name == name })])
		return ts
	}
	without := func(suffix string) []formats.Tensor {
		return slices.DeleteFunc(slices.Clone(all), func(x formats.Tensor) bool {
			return strings.HasSuffix(x.Name, suffix)
		})
	}
	for _, c := range []struct {
		name       string
		tensors    []formats.Tensor
		allow      bool
		summary    string
		err, taken string // taken: the name of a tensor that must have the file's values, or -name if it must not
	}{
		{"all", all, false, "31 loaded", "", "head.weight"},
		{"no counters", without("num_batches_tracked"), false, "27 loaded", "", "head.weight"},
		{
			"missing", without("reduction.weight"), false,
			"30 loaded, 1 missing (stages.1.reduction.weight)",
			"do not fit the model", "-head.weight",
		},
		{
			"missing allowed", without("reduction.weight"), true,
			"30 loaded, 1 missing (stages.1.reduction.weight)",
			"", "head.weight",
		},
		{
			"unexpected",
			append(slices.Clone(all), formats.Tensor{Name: "norm.weight"}),
			false, "31 loaded, 1 unexpected (norm.weight)", "--allow-missing goes on", "-head.weight",
		},
		{
			"unexpected allowed", append(slices.Clone(all), all[0]), true,
			"31 loaded, 1 unexpected (patch_embed.proj.weight)",
			"", "head.weight",
		},
		{"counters of another type", edit("patch_embed.norm.num_batches_tracked", func(x *formats.Tensor) {
			*x = formats.Tensor{Name: x.Name, DType: formats.Float16, Shape: x.Shape, F32: []float32{7}}
		}), false, "31 loaded", "", "head.weight"},
		{
			"linear",
			edit(conv, func(x *formats.Tensor) { x.Shape = x.Shape[:2] }),
			false, "30 loaded, 1 reshaped", "", conv,
		},
		{
			"turned",
			edit(conv, func(x *formats.Tensor) { x.Shape = []int{x.Shape[1], x.Shape[0], 1, 1} }),
			true,
			"30 loaded, 1 mismatched (" + conv + " [8 16 1 1], want [16 8 1 1])",
			"to another model", "-head.weight",
		},
		{"integer", edit("head.bias", func(x *formats.Tensor) {
			*x = formats.Tensor{Name: x.Name, DType: formats.Int64, Shape: x.Shape, I64: make([]int64, 10)}
		}), true, "30 loaded, 1 mismatched (head.bias is int64)", "to another model", "-head.weight"},
		{
			"head",
			edit("head.weight", func(x *formats.Tensor) { x.Shape, x.F32 = []int{3, 16}, x.F32[:48] }),
			false,
			"29 loaded, 2 dropped (head.weight [3 16], want [10 16], head.bias)",
			"", "-head.bias",
		},
		{"nothing", []formats.Tensor{{Name: "x"}}, true, "", "no tensor fits", "-head.weight"},
	} {
		settings := append(slices.Clone(size), "seed=9")
		cfg, err := configs.Load("quickstart", settings...)
		if err != nil {
			t.Fatal(err)
		}
		take, err := model.New(cfg, 10)
		if err != nil {
			t.Fatal(err)
		}
		table, err := model.Import(take.Store(), c.tensors, c.allow)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
		if got := table.Summary(); c.summary != "" && got != c.summary {
			t.Errorf("%s: %s, want %s", c.name, got, c.summary)
		}
		name, not := strings.CutPrefix(c.taken, "-")
		got, _ := take.Store().Lookup(name)
		want, _ := give.Store().Lookup(name)
		if same := slices.Equal(got.Param.Data(), want.Param.Data()); same == not {
			t.Errorf("%s: %s has the values of the file: %v", c.name, name, same)
		}
	}
}

// A model trained here can start one with other classes.
func TestStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "own.safetensors")
	save(t, path, small(t, "seed=3"), formats.Tensor{Name: "optimizer.step", Shape: []int{}, I64: []int64{3}})
	given, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c := small(t, "model.drop_path_rate=0.3") // does not change what the weights compute
	net, err := model.New(c, 5)
	if err != nil {
		t.Fatal(err)
	}
	var table model.Table
	if err := model.Start(net, c, path, model.LoadOptions{Report: func(m model.Table) { table = m }}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := table.Write(&out, 3); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"own.safetensors: checkpoint, official names", "not used: state of the training", "loaded: 29",
		"… and 26 more", "dropped: 2", "[2 16], model [5 16]",
		"note: the classifier is for 2 classes, the model for 5",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	a, _ := net.Store().Lookup("stages.1.reduction.weight")
	b, _ := given.Model.Store().Lookup("stages.1.reduction.weight")
	if !slices.Equal(a.Param.Data(), b.Param.Data()) {
		t.Error("the weights were not used")
	}
	for _, test := range []struct{ setting, want string }{
		{
			"model.act_layer=relu",
			path + " belongs to another model: model.act_layer is gelu in the checkpoint and relu in the configuration",
		},
		{"model.mlp_ratio=3", "model.mlp_ratio is 2 in the checkpoint and 3 in the configuration"},
		{"model.layer_scale_init_value=0.1", "model.layer_scale_init_value is 0 in"},
	} {
		t.Run(test.setting, func(t *testing.T) {
			c := small(t, test.setting)
			net, err := model.New(c, 2)
			if err != nil {
				t.Fatal(err)
			}
			if err := model.Start(net, c, path, model.LoadOptions{}); err == nil ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.setting, err, test.want)
			}
		})
	}
}

// Training starts from the averaged weights if there are any and the user wants them.
func TestStartFromAverage(t *testing.T) {
	dir, c := t.TempDir(), small(t)
	plain, both := filepath.Join(dir, "plain.safetensors"), filepath.Join(dir, "both.safetensors")
	save(t, plain, c)
	first := mustLoad(t, plain)
	var average []formats.Tensor
	for _, x := range model.Tensors(first.Model.Store()) {
		if x.F32 != nil {
			x.Name, x.F32 = checkpoints.EMAPrefix+x.Name, slices.Clone(x.F32)
			for i := range x.F32 {
				x.F32[i] += 1
			}
			average = append(average, x)
		}
	}
	save(t, both, c, average...)
	const name = "stages.1.reduction.weight"
	e, _ := first.Model.Store().Lookup(name)
	for _, k := range []struct {
		path   string
		choice torch.Choice
		ema    bool
	}{
		{both, torch.Auto, true},
		{both, "", true},
		{both, torch.EMA, true},
		{both, torch.Plain, false},
		{plain, torch.Auto, false},
		{plain, torch.Plain, false},
	} {
		net, err := model.New(small(t, "seed=8"), 2)
		if err != nil {
			t.Fatal(err)
		}
		var table model.Table
		if err := model.Start(net, c, k.path, model.LoadOptions{
			Weights: k.choice,
			Report:  func(m model.Table) { table = m },
		}); err != nil {
			t.Fatal(err)
		}
		got, _ := net.Store().Lookup(name)
		want := e.Param.Data()[0]
		if k.ema {
			want++
		}
		if table.EMA != k.ema || got.Param.Data()[0] != want {
			t.Errorf("%s, choice %s: averaged %v, a weight is %v, want %v",
				filepath.Base(k.path), k.choice, table.EMA, got.Param.Data()[0], want)
		}
	}
	// The keys of PyTorch's files say which weights they hold.
	if err := model.Start(
		mustLoad(t, plain).Model,
		c,
		golden.Path(t, "fasternet_small_gelu.pth"),
		model.LoadOptions{Weights: torch.EMA},
	); !errors.Is(err, torch.ErrNoEMA) {
		t.Errorf("a file without averages: %v", err)
	}
}

func TestOpenOptions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "own.safetensors")
	save(t, path, small(t))
	l, err := model.Open(path, model.LoadOptions{Settings: []string{"data.image_size=64"}})
	if err != nil || l.Config.Data.ImageSize != 64 || len(l.Classes) != 2 {
		t.Errorf("a setting on top of a checkpoint: %v", err)
	}
	l, err = model.Open(path, model.LoadOptions{Settings: []string{"model.num_classes=1"}})
	if err != nil || l.Model.Classes() != 1 || len(l.Classes) != 0 {
		t.Errorf("fewer classes: %v", err)
	}
	bare := filepath.Join(dir, "bare.safetensors")
	headless := slices.DeleteFunc(model.Tensors(mustLoad(t, path).Model.Store()), func(x formats.Tensor) bool {
		return strings.HasPrefix(x.Name, "head.")
	})
	if err := checkpoints.Write(bare, checkpoints.File{Tensors: headless}); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(dir, "torn.safetensors")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, raw[:len(raw)-9], 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, want string
		o          model.LoadOptions
	}{
		{path, "to another model", model.LoadOptions{Settings: []string{"model.embed_dim=16"}}},
		{path, "no averaged weights", model.LoadOptions{Weights: torch.EMA}},
		{path, "unknown key", model.LoadOptions{Settings: []string{"modle.x=1"}}},
		{path, "no preset is called", model.LoadOptions{Config: "fasternet_t9"}},
		{torn, "damaged checkpoint", model.LoadOptions{}},
		{bare, "has no classifier; fine-tune it first", model.LoadOptions{Settings: gelu}},
		{
			bare, "has no classifier; fine-tune it first",
			model.LoadOptions{Settings: append([]string{"model.num_classes=4"}, gelu...)},
		},
		{dir, "holds no checkpoint", model.LoadOptions{}},
	} {
		if _, err := model.Open(c.path, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want something with %q", c.o, err, c.want)
		}
	}
}

func mustLoad(t *testing.T, path string) *model.Loaded {
	t.Helper()
	l, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
