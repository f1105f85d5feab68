package configs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph/fasternet"
)

// All problems are found, each at its place, without problems that follow from another.
func TestExamine(t *testing.T) {
	for _, c := range []struct {
		name, text string
		settings   []string
		want       []string // parts of the problems, each after its line number
	}{
		{name: "nothing", text: "train: {epochs: 3}\nsched: {warmup_epochs: 0}"},
		{
			name: "unknown keys and wrong types",
			text: "trian: {epochs: 3}\nmodel:\n  depth: 3\n  nme: vit\n  depths: many\ndata:\n  image_size: 9.5\n" +
				"  mean: [a]\n  image_size: 3\n",
			want: []string{
				"1: trian: unknown key, did you mean train?",
				"3: model.depth: a fasternet has no such key, did you mean depths?",
				"4: model.nme: unknown key, did you mean name?",
				`5: model.depths: want a list of integers, got "many"`,
				`7: data.image_size: want an integer, got "9.5"`,
				"8: data.mean: want a list of numbers", "9: data.image_size: the key appears twice",
			},
		},
		{
			name: "values of every section",
			text: `task: clasify
threads: -1
model: {act_layer: tanh, in_chans: 2, embed_dim: 0}
data: {interpolation: cubic, val_fraction: 2, std: [0, 1, 1]}
augment: {hflip: 2, mixup_mode: all}
loss: {name: mse}
optim: {opt: adam, lr: -1, betas: [1, 2]}
sched: {form: cosine}
ema: {decay: 1}
train: {epochs: 0, batch_size: 0, val_interval: 0}
checkpoint: {monitor: top5}
log: {histogram_interval: -3}
`,
			want: []string{
				"1: task: want", "2: threads: want 0 or more", "3: model.in_chans: want 1 (grey) or 3",
				"3: model.embed_dim: want 1 or more", "3: model.act_layer: want gelu or relu",
				"4: data.val_fraction: want a number from 0 to 0.99",
				"4: data.interpolation: want", "4: data.std: want numbers above 0",
				"5: augment.hflip: want", "5: augment.mixup_mode: want", "6: loss.name: want",
				"7: optim.betas: want", "7: optim.lr: want", "7: optim.opt: want",
				"9: ema.decay: want", "10: train.epochs: want", "10: train.batch_size: want",
				"10: train.val_interval: want", "8: sched.form: want", "11: checkpoint.monitor: want",
				"12: log.histogram_interval: want",
			},
		},
		{
			name: "a mean for pixels up to 255",
			text: "data: {mean: [123.7, 116.3, 103.5]}",
			want: []string{"1: data.mean: want numbers from 0 to 1"},
		},
		{
			name: "a negative mean",
			text: "data: {mean: [-0.5, 0.5, 0.5]}",
			want: []string{"1: data.mean: want numbers from 0 to 1"},
		},
		{
			name: "a deviation for pixels up to 255",
			text: "data: {std: [58.4, 57.1, 57.4]}",
			want: []string{"1: data.std: want numbers up to 1"},
		},
		{
			name: "what a wrong value causes is not reported",
			text: "model: {name: swin, depths: [two], num_heads: [2, 4]}\nsched: {warmup_epochs: " +
				"200}\ntrain: {epochs: x}\n",
			want: []string{"1: model.depths: want a list of integers", `3: train.epochs: want an integer, got "x"`},
		},
		{
			name: "what a misspelt key causes is not reported",
			text: "sched: {warmup_epochs: 200}\ntrain: {epoch: 300}\naugment: {mixup: 0.2}\n",
			want: []string{"2: train.epoch: unknown key, did you mean epochs?"},
		},
		{
			name: "a size that is always wrong",
			text: "model: {name: vit, embed_dim: 770, pos_embed: sincos}\ndata: {image_size: 223}\n",
			want: []string{
				"1: model.embed_dim: want a multiple of 4",
				"2: data.image_size: want a multiple of patch_size (16), got 223",
			},
		},
		{
			name: "an unknown family",
			text: "model: {name: vitt, depth: 3, num_heads: 7}\ndata: {image_size: 31}\ntrain: {batch_size: 0}\n",
			want: []string{
				"1: model.name: want " + strings.Join(configs.FamilyNames(), " or ") +
					", got \"vitt\", did you mean vit?",
				"3: train.batch_size: want 1 or more",
			},
		},
		{
			name: "keys of another family",
			text: "model: {name: vit, depths: [1], act_layer: relu, window_size: 7}\n",
			want: []string{
				"1: model.depths: a vit has no such key", "1: model.act_layer: a vit has no such key",
				"1: model.window_size: a vit has no such key",
			},
		},
		{
			name: "relations",
			text: "model: {embed_dim: 41}\ndata: {image_size: 3, mean: [0.5], val: x, val_fraction: 0.1}\n" +
				"augment: {cutmix: 1}\ntrain: {batch_size: 7, epochs: 5}\nsched: {warmup_epochs: 9}\n" +
				"loss: {sum_classes: true}\n",
			want: []string{
				"1: model.embed_dim: want a multiple of n_div",
				"2: data.val_fraction: want data.val or", "2: data.image_size: 3 pixels are too few",
				"2: data.mean: want 3 number(s)",
				"6: loss.sum_classes: needs loss.name", "5: sched.warmup_epochs: want no more",
				"4: train.batch_size: want an even number",
			},
		},
		{
			name: "pre-training",
			text: "task: localmim\nmodel: {name: vit}\naugment: {mixup: 1, smoothing: 2}\n" +
				"mim: {target: hogg, mask_ratio: 1}\n",
			want: []string{
				"3: augment.smoothing: want", "4: mim.target: want", "4: mim.mask_ratio: want",
				"3: augment.mixup: pre-training has no labels",
			},
		},
		{
			name:     "settings",
			text:     "train: {epochs: 0}\n",
			settings: []string{"optim.lr=fast", "nonsense", "optim.optt=sgd", "data.workers=-1"},
			want: []string{
				"--set optim.lr=fast: optim.lr: want a number",
				"--set nonsense: want key=value",
				"--set optim.optt=sgd: optim.optt: unknown key, did you mean opt?",
			},
		},
		{
			name: "numbers that are not finite, in sections, in the part of a family, and in lists of parts",
			text: "model: {name: vit, mlp_ratio: .inf, norm_eps: .nan, drop_path_rate: .nan}\noptim: {lr: .inf}\n" +
				"augment:\n  scale: [.nan, 1]\n  extra: [{name: solarize, prob: .nan}, invert]\n",
			settings: []string{"model.init_std=-.inf"},
			want: []string{
				"5: augment.extra.solarize.prob: want a number from 0 to 1",
				"1: model.mlp_ratio: want a finite number, got +Inf",
				"1: model.norm_eps: want a finite number, got NaN",
				"1: model.drop_path_rate: want a finite number, got NaN",
				"--set model.init_std=-.inf: model.init_std: want a finite number, got -Inf",
				"4: augment.scale: want a finite number", "2: optim.lr: want a finite number",
			},
		},
		{name: "missing base", text: "base: fasternet_t9\ntrain: {epochs: 0, epoch: 1}\n",
			want: []string{"1: base: no preset is called", "2: train.epoch: unknown key"}},
		{name: "no mapping", text: "just text", want: []string{"1: the file: want keys and values"}},
		{name: "no YAML", text: "a: [1", want: []string{"line 1: did not find"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "my.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			e := configs.Examine(path, c.settings...)
			same := slices.EqualFunc(e.Problems, c.want, func(got error, want string) bool {
				text := strings.TrimPrefix(got.Error(), path+":")
				return strings.HasPrefix(text, want) ||
					strings.Contains(text, want) && !strings.ContainsRune("123456789", rune(want[0]))
			})
			if !same {
				t.Errorf("found\n  %s\nwant\n  %s",
					strings.Join(texts(e.Problems), "\n  "), strings.Join(c.want, "\n  "))
			}
			_, err := configs.Load(path, c.settings...)
			var all configs.Problems
			switch {
			case len(c.want) == 0 && err != nil,
				len(c.want) > 0 && err == nil,
				len(c.want) == 1 && errors.As(err, &all):
				t.Errorf("Load: %v", err)
			case len(c.want) > 1 &&
				(!errors.As(err, &all) ||
					err.Error() != fmt.Sprintf("%v (and %d more; config check lists all)", all[0], len(c.want)-1)):
				t.Errorf("Load: %v", err)
			}
		})
	}
}

func texts(errs []error) (out []string) {
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return out
}

// Correct values stay, and wrong ones are known by their keys.
func TestExaminedConfig(t *testing.T) {
	e := configs.Examine("fasternet_t0", "data.dir=here", "train.epochs=none", "model.act_layer=tanh",
		"model.dpeths=[1]")
	c := e.Config
	if len(e.Problems) != 3 ||
		c == nil ||
		c.Data.Dir != "here" ||
		c.Train.BatchSize == 0 ||
		c.Model.Arch.(fasternet.Config).ActLayer != "gelu" {
		t.Fatalf("%+v, %+v", e.Problems, c)
	}
	for _, test := range []struct {
		key  string
		want bool
	}{
		{"train.epochs", true},
		{"model.act_layer", true},
		{"model.depths", true},
		{"train.batch_size", false},
		{"train", false},
		{"data.dir", false},
	} {
		t.Run(test.key, func(t *testing.T) {
			if e.Wrong(test.key) != test.want {
				t.Errorf("%s: %v", test.key, !test.want)
			}
		})
	}
	if e := configs.Examine("none"); e.Config != nil || len(e.Problems) != 1 {
		t.Errorf("%+v", e)
	}
	lines := strings.Repeat("a%d: 1\n", 1)
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, lines, i)
	}
	path := filepath.Join(t.TempDir(), "long.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if e := configs.Examine(path); len(e.Problems) != configs.MostProblems {
		t.Errorf("%d problems", len(e.Problems))
	}
}

// Every default passes, whatever else is wrong: it replaces an impossible value, and the later checks run.
func TestReset(t *testing.T) {
	for _, family := range configs.FamilyNames() {
		for _, task := range configs.Tasks {
			if task == "localmim" && family == "fasternet" {
				continue
			}
			base := []string{"task=" + task, "model.name=" + family}
			e := configs.Examine("quickstart", append(base, "model.in_chans=3")...)
			settings, err := e.Config.Settings()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range settings {
				c := *e.Config
				if s.Key != "base" && !c.Reset(s.Key) {
					t.Errorf("%s of %s: there is no %s", task, family, s.Key)
				}
			}
		}
	}
	if c := configs.Default(); c.Reset("model.none") || c.Reset("none.none") {
		t.Error("a key that there is not is reset")
	}
}
