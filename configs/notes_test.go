package configs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph/vit"
)

// A note says if one value of a preset is changed, but not the values that belong to it.
func TestNotes(t *testing.T) {
	const lr = "optim.lr 0.004 comes from fasternet_t0, made for batches of 4096 (train.batch_size × accum_steps), " +
		"not 64: for adamw scale it with the square root of the batch, to optim.lr=0.0005"
	for _, c := range []struct {
		text     string
		settings []string
		want     []string // how each note begins
	}{
		{text: "base: fasternet_t0"},
		{text: "base: fasternet_t0\ntrain: {batch_size: 64, accum_steps: 1}", want: []string{lr}},
		{text: "base: fasternet_t0\ntrain: {batch_size: 64, accum_steps: 64}"}, // also 4096
		{text: "base: fasternet_t0\ntrain: {batch_size: 64, accum_steps: 1}\noptim: {lr: 0.004}"},
		{text: "base: fasternet_t0\ntrain: {batch_size: 64, accum_steps: 1}", settings: []string{"optim.lr=0.004"}},
		{
			text:     "base: fasternet_t0",
			settings: []string{"train.batch_size=2", "train.accum_steps=32"},
			want:     []string{lr},
		},
		{
			text: "base: fasternet_t0\noptim: {opt: sgd}",
			want: []string{
				"optim.lr 0.004 comes from fasternet_t0, made for adamw; sgd needs another: set it",
			},
		},
		{text: "base: fasternet_t0\noptim: {opt: sgd, lr: 0.1}\ntrain: {batch_size: 64}"},
		{
			text: "sched: {form: timm}",
			want: []string{
				"sched.form timm changes the learning rate once per epoch, as timm does, " +
					"so the first of 5 warm-up epochs trains at sched.warmup_lr 1e-06",
			},
		},
		{
			text: "sched: {form: step, warmup_epochs: 1}",
			want: []string{"sched.form step changes the learning rate once per epoch"},
		},
		{text: "sched: {form: timm, on_updates: true}"},
		{text: "sched: {form: timm, warmup_epochs: 0}"},
		{text: "sched: {form: timm, warmup_lr: 1e-4}"},
		{text: "sched: {form: fasternet, warmup_epochs: 1}"},
		{
			text: "base: fasternet_t0\ndata: {image_size: 160}",
			want: []string{
				"data.multi_scale 192_280 comes from fasternet_t0, made for data.image_size 224, not 160",
			},
		},
		{text: "base: fasternet_t0\ndata: {image_size: 160, multi_scale: 128_200}"},
		{
			text: "base: fasternet_t0\ntrain: {epochs: 100}",
			want: []string{"data.multi_scale 192_280 comes from fasternet_t0: all 100 epochs would train at 192 px"},
		},
		{text: "base: fasternet_t0\ntrain: {epochs: 281}"},
		{text: "base: fasternet_t0\ntrain: {epochs: 100}\ndata: {multi_scale: \"\"}"},
		{text: "train: {batch_size: 64}"}, // no preset
		{text: "optim: {lr: 5e-6}", want: []string{"sched.min_lr 1e-05 is above optim.lr 5e-06"}},
		{
			text: "optim: {lr: 5e-7}\nsched: {form: localmim}",
			want: []string{"sched.min_lr 1e-05 is above optim.lr 5e-07"},
		},
		{
			text: "optim: {lr: 5e-7}\nsched: {min_lr: 0}",
			want: []string{"sched.warmup_lr 1e-06, the start of the warm-up, is above optim.lr 5e-07"},
		},
		{text: "optim: {lr: 5e-7}\nsched: {form: constant, warmup_epochs: 0}"},
		{
			text: "optim: {lr: 5e-6}\nsched: {form: step, warmup_epochs: 0, cooldown_epochs: 2}",
			want: []string{"sched.min_lr 1e-05 is above"},
		},
		// A setting for one family has no effect if a later one sets another family.
		{
			text:     "model: {depths: [1, 1]}\nsched: {warmup_epochs: 0}",
			settings: []string{"model.name=vit", "model.depth=3"},
		},
		{text: "sched: {warmup_epochs: 0}", settings: []string{"model.name=swin", "model.name=vit"}},
		{
			text: "sched: {warmup_epochs: 0}",
			settings: []string{
				"model.depth=3", "model.embed_dim=48", "model={n_div: 2, feature_dim: 9}", "model.name=vit",
				"model.mlp_ratio=2",
			},
			want: []string{
				"--set model.depth=3 has no effect: a later model.name sets the defaults of a vit; " +
					"put it after that one",
				"--set model.embed_dim=48 has no effect", "--set model={n_div: 2, feature_dim: 9} has no effect",
			},
		},
	} {
		config, err := configs.Parse("my.yaml", c.text, c.settings...)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(config.Notes, c.want, strings.HasPrefix) {
			t.Errorf("%q %v: notes %q, want %q", c.text, c.settings, config.Notes, c.want)
		}
	}
	config, err := configs.Load("fasternet_s", "train.batch_size=32")
	if err != nil || len(config.Notes) != 1 || !strings.Contains(config.Notes[0], "comes from fasternet_s") {
		t.Errorf("notes %q, %v", config.Notes, err)
	}
	// A run's own file remembers the preset, and so does a file that starts from the file of a preset.
	text, err := config.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := configs.Parse("config.yaml", string(text)); err != nil || again.Notes != nil {
		t.Errorf("notes %q, %v", again.Notes, err)
	}
	first, second := filepath.Join(t.TempDir(), "a.yaml"), filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(first, []byte("base: fasternet_t0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second, []byte("base: "+first+"\ntrain: {batch_size: 64}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if config, err = configs.Load(second); err != nil || len(config.Notes) != 1 {
		t.Errorf("notes %q, %v", config.Notes, err)
	}
	if _, err := configs.Parse("my.yaml", "-: 1"); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("the key -: %v", err)
	}
}

// Every optimizer has a rule, and the note scales by it: up and down.
func TestRateNotes(t *testing.T) {
	for _, c := range []struct {
		opt   string
		batch int
		want  string
	}{
		{"adamw", 64, "for adamw scale it with the square root of the batch, to optim.lr=0.25"},
		{"lamb", 4096, "for lamb scale it with the square root of the batch, to optim.lr=2"},
		{"sgd", 64, "for sgd scale it in proportion to the batch, to optim.lr=0.0625"},
		{"momentum", 512, "for momentum scale it in proportion to the batch, to optim.lr=0.5"},
		{"lars", 8192, "for lars scale it in proportion to the batch, to optim.lr=8"},
		{"mine", 64, "not 64: set it (lr-find looks for one)"},
		{"adamw", 1024, ""},
	} {
		got := configs.RateNote("a", c.opt, 1, 1024, c.batch)
		if !strings.HasSuffix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s with %d: %q, want %q", c.opt, c.batch, got, c.want)
		}
	}
	for _, o := range configs.Optimizers {
		if _, ok := configs.BatchPower[o]; !ok {
			t.Errorf("nobody says how the learning rate of %s goes with the batch", o)
		}
	}
}

// A key of a family is right if a later setting, or a file that starts from this one, sets model.name to
// that family. Other mistakes remain.
func TestFamilyAfterItsKeys(t *testing.T) {
	dir := t.TempDir()
	base, child := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "child.yaml")
	if err := os.WriteFile(base, []byte("model: {depth: 3, embed_dim: 48}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(child, []byte("base: "+base+"\nmodel: {name: vit, num_heads: 4}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, source string
		settings     []string
		want         string // the error; "" for none
	}{
		{name: "a setting", source: "fasternet_t0", settings: []string{"model.depth=3", "model.name=vit"}},
		{name: "a base", source: child},
		{name: "no other family", source: base, want: base + ":1: model.depth: a fasternet has no such key"},
		{
			name:     "a family without the key",
			source:   "vit_tiny",
			settings: []string{"model.name=swin", "model.depth=3"},
			want:     "--set model.depth=3: model.depth: a swin has no such key",
		},
		{
			name:     "an unknown key",
			source:   "fasternet_t0",
			settings: []string{"model.dpeth=3", "model.name=vit"},
			want:     "--set model.dpeth=3: model.dpeth: unknown key",
		},
		{
			name:     "an unknown family",
			source:   "fasternet_t0",
			settings: []string{"model.depth=3", "model.name=vitt"},
			want:     "--set model.depth=3: model.depth: a fasternet has no such key",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := configs.Load(c.source, c.settings...)
			switch {
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "" &&
				(config.Model.Name != "vit" ||
					config.Model.Arch.(vit.Config).Depth != 12 ||
					config.Model.Arch.(vit.Config).EmbedDim != 768):
				t.Errorf("%+v", config.Model)
			}
		})
	}
}
