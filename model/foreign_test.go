package model_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
	"fasternet/graph/swin"
	"fasternet/internal/golden"
	"fasternet/internal/ramdisk"
	"fasternet/kernels"
	"fasternet/model"
)

// answer returns what a model computes for the images of a foreign program's output: the logits, or the
// input of the last layer.
func answer(t *testing.T, l *model.Loaded, x golden.Tensor, feature string) []float32 {
	t.Helper()
	pool := kernels.NewPool(2)
	defer pool.Close()
	r := graph.NewRunner(l.Model, pool)
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	shape, images := graph.Shape{Batch: n, Height: h, Width: w}, golden.ToNHWC(x.Data, n, c, h, w)
	if feature == "" {
		p, err := r.Program(shape)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := p.Forward(images)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(logits)
	}
	p, err := r.Features(shape)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Forward(images); err != nil {
		t.Fatal(err)
	}
	values, _, err := p.Feature(feature)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(values)
}

// names returns the names of the tensors in a file.
func names(t *testing.T, path string) []string {
	t.Helper()
	s, err := torch.Read(path, torch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range s.Tensors {
		out = append(out, x.Name)
	}
	slices.Sort(out)
	return out
}

// Every folder written by timm is read without a configuration, by its own name or the name of a file in
// it, and gives timm's logits. Written again, it has timm's names, the same config.json, and is the same
// model.
func TestTimmFolders(t *testing.T) {
	t.Parallel()
	folders := golden.TimmFolders(t)
	if len(folders) < 10 {
		t.Fatalf("only %d folders", len(folders))
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			want := golden.TensorsOf(t, filepath.Join(folder, "expected.safetensors"))
			var described struct {
				NumClasses int      `json:"num_classes"`
				LabelNames []string `json:"label_names"`
			}
			read(t, folder, &described)
			o := model.LoadOptions{Headless: described.NumClasses == 0}
			feature := ""
			if o.Headless {
				feature = "prelogits"
				if _, err := model.Open(folder, model.LoadOptions{}); err == nil ||
					!strings.Contains(err.Error(), "has no classifier; fine-tune it first") {
					t.Errorf("without a classifier: %v", err)
				}
			}
			var l *model.Loaded
			for _, file := range []string{"pytorch_model.bin", "model.safetensors", ""} {
				path := filepath.Join(folder, file)
				if _, err := os.Stat(path); err != nil {
					continue
				}
				var err error
				if l, err = model.Open(path, o); err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, file, answer(t, l, want["input"], feature), want["output"].Data, 1e-4)
			}
			if l.Headless != o.Headless || !slices.Equal(l.Classes, described.LabelNames) && !o.Headless || l.Average {
				t.Errorf("headless %v, classes %v, averaged %v", l.Headless, l.Classes, l.Average)
			}
			d := l.Config.Data
			if d.Mean[0] != 0.485 && d.Mean[0] != 0.5 ||
				d.Interpolation != "bicubic" ||
				d.TestCrop != "center" ||
				d.Orientation != "ignore" {
				t.Errorf("images: %+v", d)
			}

			out := filepath.Join(t.TempDir(), "written")
			if note, err := model.WriteHub(l, out); err != nil || note != "" {
				t.Fatal(note, err)
			}
			sameDescription(t, folder, out)
			gotNames := names(t, filepath.Join(out, "model.safetensors"))
			wantNames := names(t, filepath.Join(folder, "model.safetensors"))
			if !slices.Equal(gotNames, wantNames) {
				t.Errorf("names %v\nwant %v", gotNames, wantNames)
			}
			again, err := model.Open(out, o)
			if err != nil {
				t.Fatal(err)
			}
			sameState(t, again.Model, l.Model)
			before := fmt.Sprint(l.Config.Model, l.Config.Data, l.Classes)
			after := fmt.Sprint(again.Config.Model, again.Config.Data, again.Classes)
			if after != before {
				t.Errorf("after writing and reading: got\n%+v\nwant\n%+v", again.Config, l.Config)
			}
		})
	}
}

func read(t *testing.T, folder string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sameDescription compares model and images of two config.json.
func sameDescription(t *testing.T, a, b string) {
	t.Helper()
	type description struct {
		NumClasses  int            `json:"num_classes"`
		NumFeatures int            `json:"num_features"`
		GlobalPool  string         `json:"global_pool"`
		LabelNames  []string       `json:"label_names"`
		ModelArgs   map[string]any `json:"model_args"`
		Pretrained  struct {
			Fixed         bool      `json:"fixed_input_size"`
			Interpolation string    `json:"interpolation"`
			CropPct       float64   `json:"crop_pct"`
			CropMode      string    `json:"crop_mode"`
			Mean          []float64 `json:"mean"`
			Std           []float64 `json:"std"`
			NumClasses    int       `json:"num_classes"`
			FirstConv     string    `json:"first_conv"`
			Classifier    string    `json:"classifier"`
		} `json:"pretrained_cfg"`
	}
	var x, y description
	read(t, a, &x)
	read(t, b, &y)
	for key, want := range x.ModelArgs {
		got, ok := y.ModelArgs[key]
		if list, isList := want.([]any); isList && (key == "img_size" || key == "patch_size" || key == "window_size") {
			want = list[0]
		}
		if key == "no_embed_class" || key == "layer_scale_init_value" {
			continue // the file has a position of zeros for the class token
		}
		if !ok || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("model_args.%s is %v, want %v", key, got, want)
		}
	}
	x.ModelArgs, y.ModelArgs = nil, nil
	if fmt.Sprint(x) != fmt.Sprint(y) {
		t.Errorf("config.json says\n%+v\nwant\n%+v", y, x)
	}
}

// Values missing in config.json are asked for, unknown computations are refused, and the error names the
// setting.
func TestTimmFolderAsks(t *testing.T) {
	for _, c := range []struct {
		name, folder string
		change       func(c map[string]any)
		want         string
		settings     []string // that make it readable
	}{
		{
			"unknown architecture", "vit_token",
			func(c map[string]any) { c["architecture"] = "vit_base_patch16_clip_224" },
			`architecture "vit_base_patch16_clip_224" is not supported`,
			nil,
		},
		{
			"another family", "vit_token",
			func(c map[string]any) { c["architecture"] = "swin_tiny_patch4_window7_224" },
			"is not supported (known are ", nil,
		},
		{
			"no heads", "vit_token",
			func(c map[string]any) {
				c["architecture"] = "test_vit"
				delete(args(c), "num_heads")
			},
			"model_args.num_heads: it is not there, and the tensors do not show it: " +
				"add --set model.num_heads=N, or --config",
			[]string{"model.num_heads=3"},
		},
		{
			"another norm", "vit_token",
			func(c map[string]any) { args(c)["norm_layer"] = "rmsnorm" },
			`model_args.norm_layer: it is "rmsnorm", and only "layernorm" can be computed`,
			nil,
		},
		{
			"another activation", "vit_token",
			func(c map[string]any) { args(c)["act_layer"] = "relu" },
			"model_args.act_layer", nil,
		},
		{
			"attention pooling", "vit_token",
			func(c map[string]any) { args(c)["global_pool"] = "map" },
			`model_args.global_pool: it is "map", and only "token" or "avg"`,
			nil,
		},
		{
			"token pool with a norm of means", "vit_mean",
			func(c map[string]any) { args(c)["global_pool"] = "token" },
			"the tensors have fc_norm", nil,
		},
		{
			"prefix in the pool", "vit_mean",
			func(c map[string]any) { args(c)["pool_include_prefix"] = true },
			"model_args.pool_include_prefix", nil,
		},
		{
			"other depth", "vit_token",
			func(c map[string]any) { args(c)["depth"] = 7 },
			"model_args.depth: it is 7, the tensors have 1",
			nil,
		},
		{
			"other image size", "vit_token",
			func(c map[string]any) { args(c)["img_size"] = 64 },
			"model_args.img_size is 64, but the position embeddings are for 32 pixels",
			nil,
		},
		{
			"unknown argument", "swin",
			func(c map[string]any) { args(c)["magic"] = 3 },
			"model_args.magic: it is not known what 3 does",
			nil,
		},
		{
			"no square windows", "swin",
			func(c map[string]any) { args(c)["window_size"] = []any{4, 2} },
			"model_args.window_size: want one number, got [4,2]",
			nil,
		},
		{
			"no square windows in a stage", "swin",
			func(c map[string]any) { args(c)["window_size"] = []any{[]any{4, 2}, []any{4, 4}} },
			"model_args.window_size: want square windows, got [[4,2],[4,4]]",
			nil,
		},
		{
			"windows of too many stages", "swin",
			func(c map[string]any) { args(c)["window_size"] = []any{4, 4, 4, 4, 4} },
			"model_args.window_size: it is for 5 stages, the tensors have ",
			nil,
		},
		{
			"other windows in a stage", "swin",
			func(c map[string]any) { args(c)["window_size"] = []any{[]any{9, 9}, []any{2, 2}} },
			"model_args.window_size: it is 2 in stage 2, the tensors have ",
			nil,
		},
		{
			"neither heads nor channels", "vit_token",
			func(c map[string]any) {
				delete(args(c), "num_heads")
				delete(args(c), "embed_dim")
			},
			"model_args.num_heads: it is not there, and vit_tiny_patch16_224 has 192 channels where the tensors have ",
			[]string{"model.num_heads=3"},
		},
		{
			"a value over lines", "swin",
			func(c map[string]any) { args(c)["magic"] = map[string]any{"a": 1, "b": []int{2, 3}} },
			`model_args.magic: it is not known what {"a":1,"b":[2,3]} does`,
			nil,
		},
		{
			"classes are not a number", "swin",
			func(c map[string]any) { c["num_classes"] = "ten" },
			"config.json: num_classes: a string is not possible here: repair it, or describe the model with --config",
			nil,
		},
		{
			"impossible pixels", "swin",
			func(c map[string]any) { c["pretrained_cfg"].(map[string]any)["std"] = []any{0, 0, 0} },
			"config.json, as a configuration:", nil,
		},
		{
			"always partition", "swin",
			func(c map[string]any) { args(c)["always_partition"] = true },
			"model_args.always_partition", nil,
		},
		{
			"pool of FasterNet", "fasternet_gelu",
			func(c map[string]any) { args(c)["global_pool"] = "max" },
			"model_args.global_pool", nil,
		},
		{
			"transformers", "vit_token",
			func(c map[string]any) {
				delete(c, "architecture")
				c["model_type"] = "vit"
			},
			"comes from Hugging Face transformers (model_type vit)", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := changed(t, c.folder, c.change)
			_, err := model.Open(folder, model.LoadOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(model.ConfigError)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if c.settings == nil {
				return
			}
			if _, err := model.Open(folder, model.LoadOptions{Settings: c.settings}); err != nil {
				t.Errorf("with %v: %v", c.settings, err)
			}
		})
	}
}

func args(c map[string]any) map[string]any { return c["model_args"].(map[string]any) }

// changed copies a folder of timm with another config.json; without one if change is nil.
func changed(t *testing.T, folder string, change func(c map[string]any)) string {
	t.Helper()
	dir := t.TempDir()
	from := golden.Foreign(t, "timm/"+folder)
	raw, err := os.ReadFile(filepath.Join(from, "model.safetensors"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "model.safetensors"), raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if change == nil {
		return dir
	}
	var c map[string]any
	read(t, from, &c)
	change(c)
	text, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A damaged config.json is an error, unless the user describes the model.
func TestDamagedTimmFolder(t *testing.T) {
	l, err := model.Open(golden.Foreign(t, "timm/fasternet_gelu"), model.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := l.Config.YAML()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(config, yaml, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "config.json: no JSON: unexpected end of JSON input: repair it"},
		{"cut", `{"architecture": "fasternet_t0", "model_`, "config.json: no JSON: unexpected end of JSON input"},
		{"a list", "[1, 2]", "config.json: it holds an array, want an object"},
		{"more after it", `{"architecture": "fasternet_t0"} x`, "config.json: no JSON: invalid character 'x'"},
	} {
		folder := changed(t, "fasternet_gelu", nil)
		if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := model.Open(folder, model.LoadOptions{}); err == nil ||
			!strings.Contains(err.Error(), c.want) ||
			!errors.As(err, new(model.ConfigError)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		var notes []string
		_, err := model.Open(folder, model.LoadOptions{Config: config, Report: func(t model.Table) { notes = t.Notes }})
		if text := strings.Join(notes, "\n"); err != nil ||
			!strings.Contains(text, "whether the model computes the same is not checked") ||
			strings.Contains(text, "repair it") {
			t.Errorf("%s, with a configuration: %v, notes %q", c.name, err, notes)
		}
	}
}

// WriteHub says where timm prepares images in another way.
func TestTimmFolderSaysOtherImages(t *testing.T) {
	l, err := model.Open(golden.Foreign(t, "timm/fasternet_gelu"), model.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		set  func(d *configs.Data)
		want string
	}{
		{"orientation", func(d *configs.Data) { d.Orientation = configs.TurnByEXIF }, "timm does not turn them"},
		{"deep grey", func(d *configs.Data) { d.SixteenBit = configs.ScaleSixteenBit }, "timm clips their values"},
		{
			"small images",
			func(d *configs.Data) { d.ImageSize, d.TestCrop = 32, configs.AutoTestCrop },
			"timm resizes them",
		},
	} {
		other, config := *l, *l.Config
		c.set(&config.Data)
		other.Config = &config
		note, err := model.WriteHub(&other, filepath.Join(t.TempDir(), "written"))
		if err != nil || !strings.Contains(note, c.want) || strings.Contains(note, ";") {
			t.Errorf("%s: note %q, %v", c.name, note, err)
		}
	}
}

// Each stage may have its own windows, as timm writes them after set_input_size.
func TestTimmWindowsOfStages(t *testing.T) {
	for _, folder := range []string{"swin", "swin_small_stage"} {
		want := golden.TensorsOf(t, golden.Foreign(t, "timm/"+folder+"/expected.safetensors"))
		plain, err := model.Open(golden.Foreign(t, "timm/"+folder), model.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		m := plain.Config.Model.Arch.(swin.Config)
		numbers, pairs, own := []any{}, []any{}, []any{}
		for i := range m.Depths {
			w := m.WindowSize
			numbers, pairs = append(numbers, w), append(pairs, []int{w, w})
			w = min(w, m.Side(plain.Config.Data.ImageSize)>>i)
			own = append(own, []int{w, w})
		}
		for _, windows := range []any{numbers, pairs, own} {
			dir := changed(t, folder, func(c map[string]any) { args(c)["window_size"] = windows })
			l, err := model.Open(dir, model.LoadOptions{})
			if err != nil {
				t.Errorf("%s, %v: %v", folder, windows, err)
				continue
			}
			golden.CheckRel(t, folder, answer(t, l, want["input"], ""), want["output"].Data, 1e-4)
		}
	}
}

// Without config.json, names and shapes tell what they can. The error asks for the rest.
func TestFolderWithoutConfig(t *testing.T) {
	for _, c := range []struct {
		folder, want string
		settings     []string
	}{
		{"fasternet_gelu", "add --set model.act_layer=gelu or relu", []string{"model.act_layer=gelu"}},
		{
			"vit_token",
			"the weights do not show the number of attention heads: add --set model.num_heads=N, or --config",
			[]string{"model.num_heads=3"},
		},
		{"vit_mean", "add --set model.num_heads=N", []string{"model.num_heads=2"}},
		{"swin", "", nil}, // timm's names fit only one Swin
		{"swin_small_stage", "", nil},
	} {
		dir := changed(t, c.folder, nil)
		l, err := model.Open(dir, model.LoadOptions{})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(model.ConfigError)) {
				t.Errorf("%s: got %v, want %q", c.folder, err, c.want)
			}
			l, err = model.Open(dir, model.LoadOptions{Settings: c.settings})
		}
		if err != nil {
			t.Errorf("%s: %v", c.folder, err)
			continue
		}
		want := golden.TensorsOf(t, golden.Foreign(t, "timm/"+c.folder+"/expected.safetensors"))
		golden.CheckRel(t, c.folder, answer(t, l, want["input"], ""), want["output"].Data, 1e-4)
	}
	empty := t.TempDir()
	if _, err := model.Open(empty, model.LoadOptions{}); err == nil ||
		!strings.Contains(err.Error(), "holds no checkpoint and no weights") {
		t.Errorf("an empty folder: %v", err)
	}
}

// If the names fit two Swins, the error asks which, and both can be computed.
func TestSwinVariants(t *testing.T) {
	t.Parallel()
	timm, err := model.Open(golden.Foreign(t, "timm/swin"), model.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := golden.TensorsOf(t, golden.Foreign(t, "timm/swin/expected.safetensors"))
	path := filepath.Join(t.TempDir(), "swin.safetensors")
	ts, err := model.Export(timm, torch.Microsoft)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkpoints.Write(path, checkpoints.File{Tensors: ts}); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(ts, func(x formats.Tensor) bool {
		return x.Name == "layers.0.downsample.reduction.weight"
	}) {
		t.Error("a merging does not belong to the stage before it")
	}
	_, err = model.Open(path, model.LoadOptions{})
	if !errors.Is(err, model.ErrVariant) ||
		!errors.As(err, new(model.ConfigError)) ||
		!strings.Contains(err.Error(), "--set model.norm_before_pool=true") {
		t.Fatalf("the variant is not asked for: %v", err)
	}
	microsoft, err := model.Open(path, model.LoadOptions{Settings: []string{"model.norm_before_pool=true"}})
	if err != nil {
		t.Fatal(err)
	}
	golden.CheckRel(t, "Microsoft's", answer(t, microsoft, want["input"], ""), want["output"].Data, 1e-4)
	if m := microsoft.Config.Model.Arch.(swin.Config); m.NormEps != 1e-5 || m.Norm2Eps != 1e-5 {
		t.Errorf("eps %v and %v", m.NormEps, m.Norm2Eps)
	}
	localMIM, err := model.Open(path, model.LoadOptions{Settings: []string{"model.norm_before_pool=false"}})
	if err != nil {
		t.Fatal(err)
	}
	if m := localMIM.Config.Model.Arch.(swin.Config); m.NormEps != 1e-6 || m.Norm2Eps != 1e-5 || m.NormBeforePool {
		t.Errorf("the Swin of LocalMIM has eps %v and %v", m.NormEps, m.Norm2Eps)
	}
	if slices.Equal(answer(t, localMIM, want["input"], ""), answer(t, microsoft, want["input"], "")) {
		t.Error("both compute the same")
	}
	// With a configuration, a note names the other possibility.
	config := filepath.Join(t.TempDir(), "c.yaml")
	text := "model: {name: swin, embed_dim: 8, depths: [1, 2], num_heads: [1, 2], window_size: 4}\n" +
		"data: {image_size: 32}\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ source, note string }{
		{
			path,
			"the names of the tensors do not tell Microsoft's Swin (model.norm_before_pool=true, " +
				"model.norm_eps=1e-05, model.norm2_eps=1e-05) from LocalMIM's",
		},
		{
			filepath.Join(changed(t, "swin", nil), "model.safetensors"),
			"warning: the Swin with such names computes something else (model.norm_before_pool=true",
		},
	} {
		t.Run(c.source, func(t *testing.T) {
			var notes []string
			if _, err := model.Open(c.source, model.LoadOptions{
				Config: config,
				Report: func(t model.Table) { notes = t.Notes },
			}); err != nil {
				t.Errorf("%s: %v", c.source, err)
			}
			if all := strings.Join(notes, "; "); !strings.Contains(all, c.note) {
				t.Errorf("%s: notes %q, want %q", c.source, all, c.note)
			}
		})
	}
	// If config.json says so, another computation is an error.
	if _, err := model.Open(golden.Foreign(t, "timm/swin"), model.LoadOptions{Config: config}); err == nil ||
		!strings.Contains(err.Error(), "model.norm_before_pool is true in config.json and false in the configuration") {
		t.Errorf("against config.json: %v", err)
	}
	settings := []string{"model.norm_before_pool=false", "model.norm_eps=1e-6", "model.norm2_eps=1e-5"}
	options := model.LoadOptions{Config: config, Settings: settings}
	if _, err := model.Open(golden.Foreign(t, "timm/swin"), options); err != nil {
		t.Errorf("a computation that was asked for: %v", err)
	}
}

// Models of torchvision, as its reference scripts save them, are read and written.
func TestTorchvision(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings []string
	}{{"vit", []string{"model.num_heads=2"}}, {"swin", []string{"data.image_size=32"}}} {
		t.Run(c.name, func(t *testing.T) {
			path := golden.Foreign(t, "torchvision/"+c.name+"/checkpoint.pth")
			want := golden.TensorsOf(t, golden.Foreign(t, "torchvision/"+c.name+"/expected.safetensors"))
			for _, test := range []struct {
				choice torch.Choice
				key    string
			}{{torch.Auto, "averaged"}, {torch.EMA, "averaged"}, {torch.Plain, "output"}} {
				t.Run(fmt.Sprint(test.choice), func(t *testing.T) {
					l, err := model.Open(path, model.LoadOptions{Settings: c.settings, Weights: test.choice})
					if err != nil {
						t.Fatal(err)
					}
					golden.CheckRel(
						t,
						fmt.Sprintf("%s, %s", c.name, test.choice),
						answer(t, l, want["input"], ""),
						want[test.key].Data,
						1e-4,
					)
					if l.Average != (test.key == "averaged") {
						t.Errorf("%s, %s: averaged %v", c.name, test.choice, l.Average)
					}
					if test.choice != torch.Plain {
						return
					}
					ts, err := model.Export(l, torch.Torchvision)
					if err != nil {
						t.Fatal(err)
					}
					s, err := torch.Read(path, torch.Options{Choice: torch.Plain})
					if err != nil {
						t.Fatal(err)
					}
					if len(ts) != len(s.Tensors) {
						t.Errorf("%s: %d tensors are written, of %d", c.name, len(ts), len(s.Tensors))
					}
					for _, x := range s.Tensors {
						i := slices.IndexFunc(ts, func(y formats.Tensor) bool { return y.Name == x.Name })
						if i < 0 ||
							!slices.Equal(ts[i].Shape, x.Shape) ||
							!slices.Equal(ts[i].F32, x.F32) ||
							!slices.Equal(ts[i].I64, x.I64) {
							t.Errorf("%s: %s is not written as it was", c.name, x.Name)
						}
					}
				})
			}
		})
	}
}

// Names that a family does not have, and programs that compute something else, are refused. The error
// names the settings.
func TestExportRefuses(t *testing.T) {
	const (
		fasterNet = "model: {name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 16, act_layer: gelu"
		vit       = "model: {name: vit, embed_dim: 12, depth: 1, num_heads: 2, patch_size: 8"
		swin      = "model: {name: swin, embed_dim: 8, depths: [2, 2], num_heads: [1, 2], window_size: 4"
		same      = ", norm_before_pool: true, norm_eps: 1.0e-5, norm2_eps: 1.0e-5"
		size      = "}\ndata: {image_size: 32}"
	)
	for _, c := range []struct {
		yaml   string
		naming torch.Naming
		want   string // "" if it is written
	}{
		{fasterNet + size, torch.Official, ""},
		{fasterNet + size, torch.Timm, ""},
		{
			fasterNet + size, torch.Torchvision,
			"there are no such names for a FasterNet: torchvision; it has official, timm",
		},
		{fasterNet + size, torch.Microsoft, "it has official, timm"},
		{fasterNet + size, "keras", "there are no such names"},
		{fasterNet + ", patch_stride: 2" + size, torch.Timm, "patches that do not overlap"},
		{vit + size, torch.Official, ""},
		{vit + size, torch.LocalMIM, ""},
		{vit + size, torch.Timm, ""},
		{vit + ", qkv_bias: false, norm_before_pool: true" + size, torch.Timm, ""},
		{vit + ", norm_before_pool: true" + size, torch.LocalMIM, "model.norm_before_pool=false"},
		{vit + size, torch.Torchvision, "model.global_pool=false"},
		{vit + ", global_pool: false" + size, torch.Torchvision, ""},
		{vit + ", norm_eps: 1.0e-5" + size, torch.Timm, "model.norm_eps=1e-06"},
		{vit + size, torch.Microsoft, "it has official, timm, torchvision, localmim"},
		{swin + size, torch.Official, ""},
		{swin + size, torch.LocalMIM, ""},
		{swin + size, torch.Timm, "it has model.norm_before_pool=true, model.norm_eps=1e-05; to make that model"},
		{swin + size, torch.Torchvision, "model.norm_before_pool=true"},
		{swin + size, torch.Microsoft, "model.norm_before_pool=true"},
		{swin + same + size, torch.Timm, ""},
		{swin + same + size, torch.Torchvision, ""},
		{swin + same + size, torch.Microsoft, ""},
		{swin + same + size, torch.Official, "model.norm_before_pool=false"},
		{swin + same + ", patch_norm: false" + size, torch.Timm, "a norm after the patches (model.patch_norm)"},
		{swin + same + ", patch_norm: false" + size, torch.Microsoft, ""},
		{swin + same + "}\ndata: {image_size: 40}", torch.Timm, "multiples of the windows"},
		{strings.Replace(swin, "window_size: 4", "window_size: 8", 1) + same + size, torch.Timm, ""},
		{
			strings.Replace(swin, "window_size: 4", "window_size: 8", 1) + same + size,
			torch.Torchvision, "multiples of the windows",
		},
	} {
		config, err := configs.Parse("test", c.yaml)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.New(config, 3)
		if err != nil {
			t.Fatal(err)
		}
		l := &model.Loaded{Model: m, Config: config}
		ts, err := model.Export(l, c.naming)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s, %s: %v", c.yaml, c.naming, err)
				continue
			}
			var all []string
			for _, x := range ts {
				if all = append(all, x.Name); x.F32 == nil && x.I64 == nil {
					t.Errorf("%s has no values", x.Name)
				}
			}
			if f, _, ok := torch.Recognise(all); !ok || string(f) != config.Model.Name {
				t.Errorf("%s, %s: the names are not recognised", c.yaml, c.naming)
			}
			continue
		}
		if err == nil ||
			!strings.Contains(err.Error(), c.want) ||
			!errors.Is(err, model.ErrNaming) && !errors.Is(err, model.ErrOtherCode) {
			t.Errorf("%s, %s: got %v, want %q", c.yaml, c.naming, err, c.want)
		}
	}
}

// The error names the parts of a network that our models do not have.
func TestUnsupported(t *testing.T) {
	s, err := torch.Read(golden.Foreign(t, "timm/vit_token/model.safetensors"), torch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ add, want string }{
		{"blocks.0.ls1.gamma", "a ViT with layer scale (blocks.0.ls1.gamma)"},
		{"norm_pre.weight", "a norm before the blocks"},
		{"reg_token", "register tokens"},
		{"blocks.0.attn.q_norm.weight", "norms of queries and keys"},
		{"dist_token", "a distillation token"},
		{"-cls_token", "a ViT without a class token"},
	} {
		t.Run(c.add, func(t *testing.T) {
			var f checkpoints.File
			for _, x := range s.Tensors {
				if "-"+x.Name != c.add {
					f.Tensors = append(f.Tensors, formats.Tensor{Name: x.Name, Shape: x.Shape, F32: x.F32})
				}
			}
			if !strings.HasPrefix(c.add, "-") {
				f.Tensors = append(f.Tensors, formats.Tensor{Name: c.add, Shape: []int{12}, F32: make([]float32, 12)})
			}
			path := filepath.Join(t.TempDir(), "w.safetensors")
			if err := checkpoints.Write(path, f); err != nil {
				t.Fatal(err)
			}
			if _, err := model.Open(path, model.LoadOptions{Settings: []string{"model.num_heads=3"}}); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.add, err, c.want)
			}
		})
	}
}

// A preset is recognised by its shapes under all names that it can be written with, and reads back with
// the same bits.
func TestNamingsRoundTrip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(ramdisk.Dir(t), "w.safetensors")
	for _, c := range []struct {
		preset   string
		settings []string
		namings  []torch.Naming
	}{
		{"quickstart", nil, []torch.Naming{torch.Official, torch.Timm}},
		{"fasternet_t0", nil, []torch.Naming{torch.Official, torch.Timm}},
		{
			"vit_tiny",
			[]string{"model.global_pool=false", "model.pos_embed=sincos"},
			[]torch.Naming{torch.Official, torch.Timm, torch.Torchvision},
		},
		{
			"swin_tiny",
			[]string{"model.norm_before_pool=true", "model.norm_eps=1e-5", "model.norm2_eps=1e-5"},
			[]torch.Naming{torch.Timm},
		},
	} {
		want, config := randomised(t, c.preset, c.settings...)
		config.Model.NumClasses = want.Classes()
		for _, n := range c.namings {
			ts, err := model.Export(&model.Loaded{Model: want, Config: config}, n)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkpoints.Write(path, checkpoints.File{Tensors: ts}); err != nil {
				t.Fatal(err)
			}
			var table model.Table
			l, err := model.Open(path, model.LoadOptions{Report: func(m model.Table) { table = m }})
			if err != nil {
				t.Fatalf("%s, %s names: %v", c.preset, n, err)
			}
			if len(table.Missing)+len(table.Unexpected)+len(table.Fresh) > 0 {
				t.Errorf("%s, %s names: %s", c.preset, n, table.Summary())
			}
			if differing, err := configs.Differences(l.Config, config); err != nil || len(differing) > 0 {
				t.Errorf("%s, %s names: taken for another configuration: %v, %v", c.preset, n, differing, err)
			}
			notes := strings.Join(table.Notes, "; ")
			if !strings.Contains(notes, "the tensors do not show ") ||
				!strings.Contains(notes, "the activation") ||
				!strings.Contains(notes, "pool") && !strings.Contains(notes, "class token") {
				t.Errorf("%s: notes %v", c.preset, table.Notes)
			}
			sameState(t, l.Model, want)
		}
	}
}

// A configuration without a model takes the model of its weights, and how its images are prepared; keys
// that it sets stay. One with a model takes mean and std.
func TestAdopt(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.safetensors")
	save(t, own, small(t))
	for _, c := range []struct {
		name, from, yaml string
		want             []string // settings; "-key" for one that must not be there
	}{
		{
			"timm", golden.Foreign(t, "timm/vit_token"), "data: {dir: x}",
			[]string{
				"model.name=vit", "model.num_heads=3", "model.global_pool=false", "data.image_size=32",
				"data.test_crop_ratio=0.9", "-model.num_classes", "-data.dir",
			},
		},
		{
			"keys stay", golden.Foreign(t, "timm/vit_token"),
			"data: {dir: x, image_size: 64, mean: [0, 0, 0]}\nmodel: {drop_path_rate: 0.1, num_classes: 0}",
			[]string{
				"model.name=vit", "-data.image_size", "-data.mean", "data.std=[0.5, 0.5, 0.5]",
				"-model.drop_path_rate",
			},
		},
		{
			"a model of one's own", golden.Foreign(t, "timm/vit_token"), "model: {embed_dim: 16}",
			[]string{"data.mean=[0.5, 0.5, 0.5]", "data.std=[0.5, 0.5, 0.5]", "-model.name", "-data.image_size"},
		},
		{
			"own checkpoint", own, "data: {dir: x}",
			[]string{
				"model.name=fasternet", "model.embed_dim=8", "data.image_size=32", "-data.test_crop",
				"-data.test_crop_ratio",
			},
		},
		{"no weights", "", "data: {dir: x}", nil},
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(c.yaml), 0o644); err != nil {
			t.Fatal(err)
		}
		var settings []string
		if c.from != "" {
			settings = append(settings, "from="+c.from)
		}
		config, given, err := configs.LoadGiven(path, settings...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := model.Adopt(config, given, model.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if (len(got) == 0) != (len(c.want) == 0) {
			t.Errorf("%s: %v", c.name, got)
		}
		for _, want := range c.want {
			key, not := strings.CutPrefix(want, "-")
			has := slices.ContainsFunc(got, func(s string) bool {
				return s == key || not && strings.HasPrefix(s, key+"=")
			})
			if has == not {
				t.Errorf("%s: %q in %v: %v", c.name, want, got, has)
			}
		}
		if _, err := configs.Load(path, append(got, settings...)...); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// We know which images the other program pads for foreign weights of a Swin.
func TestPadding(t *testing.T) {
	foreign, err := model.Open(golden.Foreign(t, "timm/swin"), model.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "own.safetensors")
	meta, err := model.Meta(foreign.Config, foreign.Classes)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkpoints.Write(path, checkpoints.File{
		Meta:    meta,
		Tensors: model.Tensors(foreign.Model.Store()),
	}); err != nil {
		t.Fatal(err)
	}
	own, err := model.Open(path, model.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	size := foreign.Config.Data.ImageSize
	_, unit := foreign.Config.Model.Arch.(configs.Maskable).Tap(0)
	odd := 2*size + 2*unit
	for _, c := range []struct {
		l             *model.Loaded
		height, width int
		want          string
	}{
		{foreign, size, size, ""},
		{foreign, size, 2 * size, ""},
		{foreign, odd, odd, fmt.Sprintf("for images of %d pixels the maps of stage 1", odd)},
		{foreign, size, odd, fmt.Sprintf("for images of %d×%d pixels the maps of stage 1", size, odd)},
		{own, odd, odd, ""},
	} {
		if got := c.l.Padding(c.height, c.width); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%d×%d: %q, want %q", c.height, c.width, got, c.want)
		}
	}
}
