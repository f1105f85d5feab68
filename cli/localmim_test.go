package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/internal/golden"
)

const tinyPretraining = `
task: localmim
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3]}
augment: {padding: 1}
optim: {lr: 0.003, weight_decay_on: no-1d-tables}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 3, batch_size: 8, val_batch_size: 30, log_interval: 4}
checkpoint: {every_steps: 1}
`

// Models of tinyTransformers for pre-training: without drop path, and with windows that do not divide the image.
var tinyMIM = map[string]string{
	"vit": "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2, hog_bias: true}",
	"fasternet": "model: {name: fasternet, embed_dim: 16, depths: [1, 1, 1], feature_dim: 32, " +
		"patch_size: 2, patch_stride: 2, in_chans: 1}\n" +
		"mim: {decoder_dim: 16, decoder_heads: 2, nbins: 6}",
	"swin": "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, " +
		"mlp_ratio: 2, in_chans: 1, norm2_eps: 1.0e-6}\n" +
		"mim: {decoder_dim: 16, decoder_heads: 2, mask_ratio: 0.6, target: pixel}",
	"swin of the published code": "model: {name: swin, embed_dim: 12, depths: [2, 2], " +
		"num_heads: [2, 4], window_size: 4, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {decoder_dim: 16, decoder_heads: 2, mask_per: sample, coordinates: official, " +
		"merge_order: official, hog_bias: true}",
}

// Pre-training learns, resumes after a kill to the same bits, and becomes a classifier.
func TestPretraining(t *testing.T) {
	if testing.Short() {
		t.Skip("trains small models of both families")
	}
	data := fashion(t, 80, 20)
	for _, name := range slices.Sorted(maps.Keys(tinyMIM)) {
		model := tinyMIM[name]
		t.Run(name, func(t *testing.T) {
			config := writeConfig(t, model+tinyPretraining)
			args := func(dir, threads string) []string {
				return []string{"train", config, "--data", data, "--run", dir, "--set", "threads=" + threads}
			}
			whole, broken := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "broken")
			want := succeed(t, args(whole, "1")...)
			if _, ok := want["top1"]; ok || want["loss"].(float64) <= 0 {
				t.Errorf("outcome %v", want)
			}
			log, err := os.ReadFile(filepath.Join(whole, "train.log"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(log), "localmim of a") || !strings.Contains(string(log), " + ") {
				t.Errorf("the log:\n%s", log)
			}
			cmd := command(args(broken, "2")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitForStep(t, broken, 16)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := succeed(t, append(args(broken, "2"), "--resume")...); got["loss"] != want["loss"] {
				t.Errorf("resumed: %v, want %v", got, want)
			}
			sameWeights(t, readLast(t, broken), readLast(t, whole))
			fineTune(t, whole, data, strings.Fields(name)[0])
			for _, args := range [][]string{
				{"knn", "--k", "5"},
				{"linprobe", "--epochs", "30", "--opt", "sgd", "--train-batch", "16", "--base-lr", "1"},
			} {
				got := succeed(t, append(args, "--model", whole, "--data", data)...)
				if got["top1"].(float64) < 15 || got["count"] != 20.0 {
					t.Errorf("%s of the frozen encoder: %v", args[0], got)
				}
			}
			fail(t, 2, "comes from a pre-training (task localmim)", "eval", "--model", whole, "--data", data)
			exportEncoder(t, whole, data)
		})
	}
}

// exportEncoder exports the encoder of a pre-training, and evaluates it.
func exportEncoder(t *testing.T, run, data string) {
	t.Helper()
	dir := t.TempDir()
	want := succeed(t, "knn", run, "--data", data, "--k", "5")
	for _, name := range []string{"encoder.safetensors", "encoder.onnx"} {
		path := filepath.Join(dir, name)
		v := succeed(t, "export", run, "--out", path)
		if v["features"] != "prelogits" && v["features"] != "pooled" {
			t.Errorf("%s: %v", name, v)
		}
		if got := succeed(t, "knn", path, "--data", data, "--k", "5"); got["top1"] != want["top1"] ||
			got["width"] != want["width"] {
			t.Errorf("%s: %v, the run %v", name, got, want)
		}
		succeed(t, "verify", path, "--json")
		fail(t, 2, "it has no classifier", "predict", path, data)
		stage := []string{"features", path, "--dataset", "--data", data, "--stage", "prelogits", "--out",
			filepath.Join(dir, "f.npy")}
		if v["features"] == "pooled" {
			fail(t, 2, "has no weights of avgpool_pre_head.1.weight", stage...)
		} else {
			succeed(t, stage...)
		}
	}
	fail(t, 2, "has no classifier, but --temperature and --int8 need one",
		"export", run, "--out", filepath.Join(dir, "t.onnx"), "--temperature", "2")
	fail(t, 2, "it has no classifier", "export", run, "--out", filepath.Join(dir, "t.onnx"), "--set",
		"model.num_classes=3")
	fail(t, 2, "the configuration of a pre-training", "export", "mim_vit_base", "--out", filepath.Join(dir, "t.onnx"))
	if files, err := os.ReadDir(dir); err != nil || len(files) > 4 { // two exports, and perhaps f.npy with its names
		t.Errorf("left: %v, %v", files, err)
	}
}

// fineTune trains a classifier from the run of a pre-training.
func fineTune(t *testing.T, from, data, family string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fine")
	config := ""
	if family == "fasternet" {
		model, _, _ := strings.Cut(tinyMIM[family], "\n")
		config = writeConfig(t, model+tinyRecipe)
	} else {
		config = tinyTransformer(t, family)
	}
	args := []string{"train", config, "--data", data, "--run", dir, "--from", from,
		"--set", "train.epochs=1", "--set", "optim.lr=1e-9", "--set", "sched.warmup_epochs=0", "--set",
		"model.drop_path_rate=0"}
	r := invoke(t, args...)
	if r.code != 0 ||
		!strings.Contains(r.stderr, "fresh (") ||
		!strings.Contains(r.stderr, "decoders and targets are not used") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	} else if strings.Contains(r.stderr, "have statistics of masked images") {
		t.Errorf("the run has not measured its batch norms on whole images:\n%s", r.stderr)
	}
	old, now := readLast(t, from), readLast(t, dir)
	prefix, block, merge := "", "blocks.1.mlp.fc1.weight", ""
	if family == "fasternet" {
		prefix, block = "encoder.", "stages.2.blocks.0.mlp.0.weight"
	}
	if family == "swin" {
		prefix, block, merge = "encoder.", "layers.1.blocks.1.mlp.fc1.weight", "layers.0.downsample.reduction.weight"
	}
	a, _ := old.Lookup(prefix + block)
	b, _ := now.Lookup(block)
	golden.CheckRel(t, "a block's weights", b.F32, a.F32, 1e-4)
	if merge == "" {
		return
	}
	a, _ = old.Lookup(prefix + merge)
	b, _ = now.Lookup(merge)
	want := append([]float32(nil), a.F32...)
	if strings.Contains(old.Meta["config"], "merge_order: official") {
		for row := 0; row < len(want); row += 48 {
			copy(want[row+12:row+24], a.F32[row+24:row+36])
			copy(want[row+24:row+36], a.F32[row+12:row+24])
		}
	}
	golden.CheckRel(t, "the merging's weights", b.F32, want, 1e-4)
}

func TestMeasurePretraining(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(tinyMIM)) {
		config := writeConfig(t, tinyMIM[name]+tinyPretraining)
		for _, mode := range []string{"--train", "--seconds=0.01"} {
			v := succeed(t, "bench", config, mode, "--batch", "3", "--seconds", "0.01", "--warmup", "1",
				"--json", "--profile")
			if v["gflops"].(float64) <= 0 || v["img_per_s"].(float64) <= 0 {
				t.Errorf("bench %s: %v", name, v)
			}
		}
		if r := invoke(t, "summary", config); r.code != 0 || !strings.Contains(r.stdout, "decoder.1") {
			t.Errorf("summary %s: %+v", name, r)
		}
	}
	fail(t, 1, "for images of 224 pixels", "bench", "mim_vit_base", "--size", "448", "--batch", "1")
	fail(t, 2, "for images of 224 pixels", "summary", "mim_vit_base", "--size", "448")
}

func TestBadPretraining(t *testing.T) {
	data := fashion(t, 40, 20)
	config := writeConfig(t, tinyMIM["vit"]+tinyPretraining)
	dir := filepath.Join(t.TempDir(), "run")
	short := []string{"--data", data, "--set", "train.epochs=1"}
	succeed(t, append([]string{"train", config, "--run", dir}, short...)...)
	failWithoutRun(t, "to another model", append(
		[]string{"train", tinyTransformer(t, "vit"), "--from", dir, "--set", "model.embed_dim=48"},
		short...,
	)...)
	failWithoutRun(t, "not of a LocalMIM pre-training", append(
		[]string{"train", config, "--from", golden.Path(t, "fasternet_small_gelu.pth")},
		short...,
	)...)
	failWithoutRun(t, "to another model", append(
		[]string{"train", config, "--from", dir, "--set", "mim.nbins=12"},
		short...,
	)...)
	succeed(t, append(
		[]string{"train", config, "--from", dir, "--run", filepath.Join(t.TempDir(), "more")},
		short...,
	)...)
	for _, c := range []struct{ setting, want string }{
		{"mim.taps=[1, 1]", "in rising order"},
		{"mim.scales=[4, 3]", "4, 2, 1 or 0.5"},
		{"mim.mask_ratio=0.99", "leaves none visible"},
		{"mim.mask_ratio=1e-20", "masks none"},
		{"data.image_size=40", "not a grid of whole cells"},
		{"model.name=fasternet", "model."},
		{"mim.tabs=[1]", "did you mean taps"},
	} {
		t.Run(c.setting, func(t *testing.T) {
			fail(t, 2, c.want, "train", config, "--data", data, "--set", c.setting)
		})
	}
}
