package configs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fasternet/configs"
	_ "fasternet/graph/families"
	"fasternet/graph/fasternet"
	"fasternet/internal/hostile"
)

func ExampleLoad() {
	c, err := configs.Load("fasternet_t0", "train.epochs=30", "data.dir=/data/imagenet")
	if err != nil {
		fmt.Println(err)
		return
	}
	model := c.Model.Arch.(fasternet.Config)
	fmt.Println(model.EmbedDim, model.Depths, c.Train.Epochs, c.Data.Dir)
	_, err = configs.Load("fasternet_t0", "train.epoch=30")
	fmt.Println(err)
	// Output:
	// 40 [1 2 8 2] 30 /data/imagenet
	// --set train.epoch=30: train.epoch: unknown key, did you mean epochs?
}

// The recipes of the paper (Tab. 6 and Tab. 8).
func TestPresets(t *testing.T) {
	type recipe struct {
		embed                            int
		depths                           []int
		act                              string
		batch                            int
		lr, decay, dropPath, mixup, clip float64
	}
	for _, test := range []struct {
		name string
		want recipe
	}{
		{"fasternet_t0", recipe{40, []int{1, 2, 8, 2}, "gelu", 4096, 0.004, 0.005, 0, 0.05, 0}},
		{"fasternet_t1", recipe{64, []int{1, 2, 8, 2}, "gelu", 4096, 0.004, 0.01, 0.02, 0.1, 0}},
		{"fasternet_t2", recipe{96, []int{1, 2, 8, 2}, "relu", 4096, 0.004, 0.02, 0.05, 0.1, 0}},
		{"fasternet_s", recipe{128, []int{1, 2, 13, 2}, "relu", 4096, 0.004, 0.03, 0.1, 0.3, 0}},
		{"fasternet_m", recipe{144, []int{3, 4, 18, 3}, "relu", 2048, 0.002, 0.05, 0.2, 0.5, 1}},
		{"fasternet_l", recipe{192, []int{3, 4, 18, 3}, "relu", 2048, 0.002, 0.05, 0.3, 0.7, 0.01}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := configs.Load(test.name)
			if err != nil {
				t.Error(err)
				return
			}
			m := c.Model.Arch.(fasternet.Config)
			got := recipe{m.EmbedDim, m.Depths, m.ActLayer, c.Train.BatchSize * c.Train.AccumSteps,
				c.Optim.LR, c.Optim.WeightDecay, c.Model.DropPathRate, c.Augment.Mixup, c.Optim.ClipGrad}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
			}
			if c.Train.Epochs != 300 ||
				c.Sched.WarmupEpochs != 20 ||
				c.Sched.MinLR != 1e-5 ||
				c.Sched.WarmupLR != 1e-6 ||
				c.Sched.Form != "fasternet" ||
				c.Augment.Cutmix != 1 ||
				c.Augment.Smoothing != 0.1 ||
				c.Optim.WeightDecayOn != "all" ||
				c.Data.TestCropRatio != 0.9 ||
				c.Model.InitStd != 0.02 {
				t.Errorf("%s: the common part of the recipes differs: %+v", test.name, c)
			}
			for _, tt := range []struct{ epoch, size int }{{0, 192}, {279, 192}, {280, 224}, {299, 224}} {
				t.Run(fmt.Sprint(tt.epoch), func(t *testing.T) {
					if got := c.Data.Scale(tt.epoch); got != tt.size {
						t.Errorf("%s: %d px in epoch %d, want %d", test.name, got, tt.epoch, tt.size)
					}
				})
			}
		})
	}
	for _, name := range configs.Presets() {
		text, err := configs.PresetText(name)
		if err != nil || !strings.Contains(text, "fasternet-train train "+name) || !strings.HasPrefix(text, "# ") {
			t.Errorf("%s: its header does not say how to use it: %v", name, err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	base, top := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "top.yaml")
	for _, test := range []struct{ path, text string }{
		{base, "base: fasternet_t1\ntrain: {epochs: 50}\noptim: {lr: 0.5}\n"},
		{top, "base: " + base + "\ntrain:\n  batch_size: 32\noptim: {lr: 0.25}\n"},
	} {
		if err := os.WriteFile(test.path, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := configs.Load(top, "optim.lr=0.125", "optim.lr=0.0625")
	if err != nil {
		t.Fatal(err)
	}
	if c.Model.Arch.(fasternet.Config).EmbedDim != 64 ||
		c.Train.Epochs != 50 ||
		c.Train.BatchSize != 32 ||
		c.Optim.LR != 0.0625 ||
		c.Data.Prefetch != configs.Default().Data.Prefetch {
		t.Errorf("got %+v", c)
	}
	if err := os.WriteFile(base, []byte("base: "+base+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := configs.Load(top); err == nil || !strings.Contains(err.Error(), "chain") {
		t.Errorf("a file that is its own base: %v", err)
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}"} {
		c, err := configs.Parse("x.yaml", text)
		if err != nil || !reflect.DeepEqual(*c, configs.Default()) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := configs.Parse("x.yaml", "a: 1\n---\nb: 2\n"); err == nil {
		t.Error("two documents are accepted")
	}
	if _, err := configs.Parse("x.yaml", "just text"); err == nil ||
		!strings.Contains(err.Error(), "want keys and values") {
		t.Errorf("text: %v", err)
	}
}

func TestYAMLRoundTrip(t *testing.T) {
	for _, name := range configs.Presets() {
		c, err := configs.Load(name, `data.dir="a b: 'c' #"`)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := configs.Parse("config.yaml", string(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if second, err := again.YAML(); err != nil || string(second) != string(text) || again.Data.Dir != "a b: 'c' #" {
			t.Errorf("%s: %v\n%s\n%s", name, err, text, second)
		}
	}
}

// No text makes the reader panic. What it accepts, it can write and read again.
func FuzzParse(f *testing.F) {
	for _, name := range configs.Presets() {
		text, err := configs.PresetText(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add("model: &m {depths: [1]}\ndata: *m\n")
	f.Add("base: {}\n")
	f.Add("base: /dev/zero\n")
	f.Add("base: vit_base\nbase: swin_base\n")
	f.Add("? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		var c *configs.Config
		var err error
		hostile.Bound(t, 2<<20+1000*len(text), func() { c, err = configs.Parse("x.yaml", text) })
		if err != nil {
			return
		}
		out, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := configs.Parse("y.yaml", string(out)); err != nil {
			t.Errorf("accepted %q, but not what it means: %v", text, err)
		}
	})
}

// A text from somebody else cannot name files on this machine.
func TestParseNoFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("train: {epochs: 7}\nsched: {warmup_epochs: 1}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := configs.Parse("checkpoint", "base: "+path); err == nil ||
		!strings.Contains(err.Error(), "checkpoint:1: base: no preset is called") {
		t.Errorf("got %v", err)
	}
	if c, err := configs.Parse("checkpoint", "base: fasternet_t1"); err != nil ||
		c.Model.Arch.(fasternet.Config).EmbedDim != 64 {
		t.Errorf("a preset: %v, %v", c, err)
	}
}

// The configurations on the page about configuration can be loaded.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "reference", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d configurations in docs/reference/configuration.md", len(blocks))
	}
	for _, b := range blocks {
		yaml, _, _ := strings.Cut(b, "```")
		path := filepath.Join(t.TempDir(), "page.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := configs.Load(path); err != nil {
			t.Errorf("%v\n%s", err, yaml)
		}
	}
}

// The shell removes the quotes of key="".
func TestSetEmpty(t *testing.T) {
	c, err := configs.Load("fasternet_t0", "data.multi_scale=")
	if err != nil || c.Data.MultiScale != "" {
		t.Fatalf("multi_scale %v, %v", c, err)
	}
	for _, setting := range []string{"train.epochs=", "model.depths=", "data=", "optim.lr="} {
		if _, err := configs.Load("fasternet_t0", setting); err == nil ||
			!strings.Contains(err.Error(), "--set "+setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// The recipes of recorded runs, which the documentation names, can be loaded.
func TestExperiments(t *testing.T) {
	files, err := filepath.Glob("../experiments/*/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("recipes %v, %v", files, err)
	}
	for _, f := range files {
		if _, err := configs.Load(f); err != nil {
			t.Error(err)
		}
	}
}
