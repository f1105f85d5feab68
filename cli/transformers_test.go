package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Keys of small transformers, instead of the model in tiny.
var tinyTransformers = map[string]string{
	"vit": "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2, " +
		"in_chans: 1, drop_path_rate: 0.2, pos_embed: sincos}",
	"swin": "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, " +
		"mlp_ratio: 2, in_chans: 1, drop_path_rate: 0.2}",
}

func tinyTransformer(t *testing.T, family string) string {
	t.Helper()
	return writeConfig(t, tinyTransformers[family]+tinyRecipe)
}

// Transformers train, resume after a kill to the same bits, and are evaluated like FasterNet.
func TestTransformers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("trains small models of both families")
	}
	data := fashion(t, 200, 50)
	for _, family := range slices.Sorted(maps.Keys(tinyTransformers)) {
		t.Run(family, func(t *testing.T) {
			config := tinyTransformer(t, family)
			args := func(dir string, settings ...string) []string {
				out := []string{"train", config, "--data", data, "--run", dir}
				for _, s := range append(settings,
					"train.accum_steps=1", "train.epochs=5", "optim.lr=0.003", "optim.layer_decay=0.9",
					"augment.rand_augment=''", "augment.erasing.prob=0", "augment.repeats=1") {
					out = append(out, "--set", s)
				}
				return out
			}
			whole, broken := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "broken")
			want := succeed(t, args(whole, "threads=1")...)
			if top1 := want["top1"].(float64); top1 < 30 {
				t.Errorf("trained to %v", want)
			}
			cmd := command(args(broken, "threads=2")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitForStep(t, broken, 44)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := succeed(t, append(args(broken, "threads=2"), "--resume")...); got["top1"] != want["top1"] ||
				got["loss"] != want["loss"] {
				t.Errorf("resumed: %v, want %v", got, want)
			}
			sameWeights(t, readLast(t, broken), readLast(t, whole))
			if got := succeed(t, "eval", "--model", whole, "--data", data, "--batch",
				"7"); got["top1"] != want["top1"] {
				t.Errorf("eval: %v, want %v", got, want)
			}
			if got := succeed(t, "knn", "--model", whole, "--data", data, "--k", "20"); got["top1"].(float64) < 30 {
				t.Errorf("knn: %v", got)
			}
			summary := invoke(t, "summary", config)
			if summary.code != 0 || !strings.Contains(summary.stdout, "incl. attention") {
				t.Errorf("summary: %+v", summary)
			}
			exportTransformer(t, whole, data, want["top1"])
			v := succeed(t, "bench", config, "--train", "--batch", "2", "--seconds", "0.05", "--warmup", "1", "--json")
			if v["gflops"].(float64) <= 0 {
				t.Errorf("bench: %v", v)
			}
		})
	}
}

// exportTransformer writes a run in both formats, also for another image size. The files score the same as the run.
func exportTransformer(t *testing.T, run, data string, top1 any) {
	t.Helper()
	out := t.TempDir()
	for _, c := range []struct {
		file  string
		extra []string
	}{
		{"m.safetensors", nil}, {"m.onnx", nil}, {"m13.onnx", []string{"--opset", "13"}},
		{"small.onnx", []string{"--size", "16"}},
	} {
		path := filepath.Join(out, c.file)
		v := succeed(t, append([]string{"export", "--model", run, "--out", path}, c.extra...)...)
		if v["folded"] != false || v["max_rel_diff"].(float64) > 1e-6 || v["parameters"].(float64) < 1000 {
			t.Errorf("%s: %v", c.file, v)
		}
		want := top1
		if slices.Contains(c.extra, "--size") {
			want = succeed(t, "eval", "--model", run, "--data", data, "--size", "16")["top1"]
		}
		if got := succeed(t, "eval", "--model", path, "--data", data); got["top1"] != want || want == nil {
			t.Errorf("%s scores %v, want %v", c.file, got, want)
		}
	}
	// An ONNX file also has weights to start from, except its constants.
	again := filepath.Join(out, "again")
	v := succeed(t, "train", filepath.Join(run, "config.yaml"), "--data", data, "--run", again,
		"--from", filepath.Join(out, "m13.onnx"),
		"--set", "train.epochs=1", "--set", "sched.warmup_epochs=0",
		"--set", "optim.lr=1e-12", "--set", "optim.weight_decay=0")
	if v["top1"] != top1 {
		t.Errorf("started from the ONNX file: %v, want %v", v, top1)
	}
}

func TestBadTransformers(t *testing.T) {
	vit, swin := "model: {name: vit, ", "model: {name: swin, "
	for _, c := range []struct{ yaml, want string }{
		{"model: {name: vitt}", "bad.yaml:1: model.name: want fasternet or vit or swin"},
		{vit + "depths: [1]}", "bad.yaml:1: model.depths: a vit has no such key, did you mean depth?"},
		{vit + "n_div: 4}", "model.n_div: a vit has no such key"},
		{swin + "depth: 4}", "model.depth: a swin has no such key, did you mean depths?"},
		{"model: {num_heads: 4}", "model.num_heads: a fasternet has no such key"},
		{vit + "num_heads: 7}", "want a divisor of the 768 channels of stage 1, got 7"},
		{vit + "num_heads: [1, 2]}", "want one number, got [1 2]"},
		{vit + "num_heads: many}", "want an integer or a list of integers, got \"many\""},
		{vit + "num_heads: 0}", "model.num_heads"},
		{vit + "pos_embed: none}", "want learned or sincos or fixed"},
		{
			vit + "embed_dim: 30, num_heads: 1, pos_embed: fixed}",
			"want a multiple of 4 for sine-cosine position embeddings, got 30",
		},
		{vit + "depth: 0}", "model.depth: want 1 or more"},
		{vit + "norm_eps: 0}", "model.norm_eps"},
		{vit + "mlp_ratio: -1}", "model.mlp_ratio"},
		{"optim: {layer_decay: 0}", "optim.layer_decay: want a number above 0 and up to 1, got 0"},
		{"optim: {layer_decay: 1.5}", "optim.layer_decay: want a number above 0 and up to 1, got 1.5"},
		{
			"optim: {weight_decay_on: no-1d-position}",
			"want all or no-1d or no-1d-positions or no-1d-tables, got \"no-1d-position\", " +
				"did you mean no-1d-positions?",
		},
		{vit + "patch_size: 15}", "data.image_size: want a multiple of patch_size (15), got 224"},
		{vit + "patch_size: 256}", "want a multiple of patch_size (256), got 224"},
		{swin + "num_heads: [4, 8]}", "want a number for each of the 4 stages (model.depths), got [4 8]"},
		{swin + "num_heads: [4, 8, 16, 33]}", "want a divisor of the 1024 channels of stage 4, got 33"},
		{swin + "window_size: 0}", "model.window_size: want 1 or more"},
		{
			swin + "window_size: 7}\ndata: {image_size: 200}",
			"want a multiple of 32, got 200: patches of 4 pixels (patch_size) are merged 2×2 between 4 stages",
		},
		{"base: fasternet_t0\nmodel: {name: vit, feature_dim: 3}", "model.feature_dim: a vit has no such key"},
	} {
		fail(t, 2, c.want, "config", "check", writeConfig(t, c.yaml))
	}
	fail(t, 2, "model.depth: a fasternet has no such key", "summary", "quickstart", "--set", "model.depth=3")
	fail(t, 2, "want a multiple of 32, got 100", "summary", "swin_tiny", "--size", "100")
	// Another family than the base's begins with its own defaults.
	r := invoke(t, "config", "show", writeConfig(t, "base: fasternet_t0\nmodel: {name: swin}"))
	if r.code != 0 || !strings.Contains(r.stdout, "window_size: 7") || strings.Contains(r.stdout, "n_div") {
		t.Errorf("a Swin on the base of a FasterNet: %+v", r)
	}
	// A run of another family cannot be resumed, and its checkpoint is refused.
	data := fashion(t, 40, 20)
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", tinyTransformer(t, "vit"), "--data", data, "--run", dir, "--set", "train.epochs=1",
		"--set", "sched.warmup_epochs=0")
	r = invoke(
		t,
		"train",
		tinyTransformer(t, "swin"),
		"--data",
		data,
		"--run",
		fmt.Sprint(dir, 2),
		"--set",
		"from="+dir,
	)
	if r.code != 1 || !strings.Contains(r.stderr, "to another model") {
		t.Errorf("a Swin from a ViT: %+v", r)
	}
}
