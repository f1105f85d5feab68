package cases

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fasternet/formats"
)

// weightsFolder makes a data set, the configuration t.yaml of a tiny model, a run of it in "run", and its
// weights under the official names in official.safetensors.
func weightsFolder(t *testing.T, model string) folder {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", model)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	naming := "official"
	if strings.Contains(model, "norm_before_pool") {
		naming = "microsoft"
	}
	f.run("convert", "run", "official.safetensors", "--naming", naming).exits(0)
	return f
}

// loss returns the loss of an evaluation.
func (o outcome) loss() float64 {
	o.t.Helper()
	v, ok := o.exits(0).json()["loss"].(float64)
	if !ok {
		o.t.Fatalf("%v: no loss\n%s", o.args, o.stdout)
	}
	return v
}

// sameLoss fails unless two evaluations have the same loss.
func sameLoss(t *testing.T, name string, got, want outcome) {
	t.Helper()
	if g, w := got.loss(), want.loss(); math.Abs(g-w) > 1e-6*w {
		t.Errorf("%s: loss %v, want %v", name, g, w)
	}
}

// PyTorch's own tutorial on saving a checkpoint uses model_state_dict; SWivid/F5-TTS#27;
// lambert-x/medical_mae#5: the state dict is under another key.
func TestKeysOfCheckpoints(t *testing.T) {
	f := weightsFolder(t, tinyFasterNet)
	want, ts := f.run("eval", "--model", "run"), f.tensors("official.safetensors")
	prefixed := func(p string) []formats.Tensor {
		return renamed(ts, func(n string) string { return p + n })
	}
	for _, c := range []struct {
		name   string
		object any
	}{
		{"model_state_dict", []pair{{"model_state_dict", ts}, {"epoch", 1}, {"optimizer_state_dict", []pair{}}}},
		{"net", []pair{{"net", ts}, {"acc", 1}}},
		{"own", []pair{{"my_weights", ts}}},
		{"nested", []pair{{"checkpoint", []pair{{"trainer", []pair{{"params", prefixed("module._orig_mod.")}}}}}}},
		{"backbone", prefixed("student.backbone.")},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.torch(c.name+".pth", c.object)
			sameLoss(t, c.name, f.run("eval", "--model", c.name+".pth", "--config", "t.yaml"), want)
		})
	}
	f.torch("two.pth", []pair{{"generator", ts}, {"other", prefixed("module.")}})
	f.run("eval", "--model", "two.pth", "--config", "t.yaml").exits(1).
		says("several sets of weights: generator", "other.module", "say which with --state-key")
	sameLoss(t, "by key", f.run("eval", "--model", "two.pth", "--config", "t.yaml", "--state-key", "other"), want)
	f.run("eval", "--model", "two.pth", "--config", "t.yaml", "--state-key", "none").exits(1).
		says(`no weights under "none" (--state-key), only under generator`)
	f.run("train", "t.yaml", "--from", "two.pth", "--run", "a").exits(1).says("say which with --state-key")
	f.run("train", "t.yaml", "--from", "two.pth", "--state-key", "generator", "--run", "b",
		"--set", "train.epochs=1").exits(0)
	f.run("train", "t.yaml", "--run", "c", "--set", "train.epochs=1", "--set", "distill.type=soft",
		"--set", "distill.teacher=two.pth", "--set", "distill.config=t.yaml").
		exits(1).says("say which with distill.state_key")
}

// roboflow/rf-detr#969, facebookresearch/fairchem#289: which weights does the best checkpoint of a run
// with averages contain?
func TestAveragedWeights(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	trained := f.run("train", "t.yaml", "--set", "ema.decay=0.9", "--set", "optim.lr=0.05",
		"--set", "train.epochs=4", "--run", "e").exits(0)
	reported := trained.json()["loss"].(float64)
	near := func(name string, got float64) {
		t.Helper()
		if math.Abs(got-reported) > 1e-4*reported {
			t.Errorf("%s: loss %v, the run reported %v", name, got, reported)
		}
	}
	eval := f.run("eval", "--model", "e").says("the averaged weights (EMA) of",
		"--weights plain takes the weights of the last step")
	near("eval", eval.loss())
	if eval.json()["weights"] != "ema" {
		t.Errorf("eval says %v", eval.json())
	}
	near("--ema", f.run("eval", "--model", "e", "--ema").loss())
	near("--weights ema", f.run("eval", "--model", "e", "--weights", "ema").loss())
	plain := f.run("eval", "--model", "e", "--weights", "plain").says("the weights of the last step", "--weights ema")
	if got := plain.loss(); math.Abs(got-reported) < 1e-3*reported || plain.json()["weights"] != "plain" {
		t.Errorf("the plain weights have the loss %v of the averaged ones, or do not say so: %v", got, plain.json())
	}
	for _, args := range [][]string{
		{"export", "--model", "e", "--out", "e.onnx"},
		{"export", "--model", "e", "--out", "e.safetensors"},
		{"convert", "e", "c.safetensors"},
	} {
		if o := f.run(args...).exits(0).says("averaged weights (EMA)"); o.json()["weights"] != "ema" {
			t.Errorf("%v says %v", args, o.json())
		}
	}
	for _, file := range []string{"e.onnx", "e.safetensors", "c.safetensors"} {
		near(file, f.run("eval", "--model", file).says("the averaged weights (EMA) of "+file).loss())
		f.run("eval", "--model", file, "--weights", "plain").exits(1).
			says("was made from averaged weights and has no others (--weights plain)")
	}
	f.run("export", "--model", "e", "--out", "p.onnx", "--weights", "plain").exits(0)
	sameLoss(t, "exported plain", f.run("eval", "--model", "p.onnx"), plain)
	f.run("verify", "e").exits(0).says("also averaged weights (EMA), which eval, export and other commands use")
	f.run("verify", "e.safetensors").exits(0).says("made of averaged weights (EMA)")
	f.run("predict", "base/val/cat", "--model", "e").exits(0).says("using the averaged weights (EMA)")
	if v := f.run("knn", "--model", "e", "--k", "3").exits(0).
		says("features of the averaged weights (EMA) of").json(); v["weights"] != "ema" {
		t.Errorf("knn says %v", v)
	}
	if v := f.run("features", "base/val/cat", "--model", "e", "--out", "x.npy",
		"--weights", "plain").exits(0).json(); v["weights"] != "plain" {
		t.Errorf("features says %v", v)
	}
	f.run("train", "t.yaml", "--run", "s", "--set", "train.epochs=1", "--set", "distill.type=soft",
		"--set", "distill.teacher=e").exits(0).
		says("soft distillation from the averaged weights (EMA) of")
	f.run("eval", "--model", "e", "--weights", "best").exits(2).says(`--weights: want auto, plain or ema, got "best"`)
	f.run("eval", "--model", "e", "--ema", "--weights", "plain").exits(2).says("--ema means --weights ema")
}

// timm create_model(num_classes=0), Oneflow-Inc/libai#258, rmaphoh/RETFound#25: a missing classifier is no
// error in fine-tuning.
func TestFromWithoutClassifier(t *testing.T) {
	for _, c := range []struct{ name, model string }{
		{"fasternet", tinyFasterNet},
		{"vit", tinyViT},
		{"swin", tinySwin},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := weightsFolder(t, c.model)
			headless := renamed(f.tensors("official.safetensors"), func(n string) string {
				if strings.HasPrefix(n, "head.") {
					return ""
				}
				return n
			})
			f.torch("nohead.pth", headless)
			f.run("train", "t.yaml", "--from", "nohead.pth", "--run", "x").exits(0).
				says("2 fresh (head.weight, head.bias)",
					"note: the weights have no classifier: it begins with fresh values").
				hides("missing")
			f.run("eval", "--model", "nohead.pth", "--config", "t.yaml").exits(2).
				says("nohead.pth has no classifier; fine-tune it first: train CONFIG --from nohead.pth")
			f.run("features", "base/val/cat", "--model", "nohead.pth", "--config", "t.yaml", "--out", "x.npy").exits(0)
			if c.name != "fasternet" {
				return
			}
			// Other missing tensors are an error, whose remedy this command has.
			f.torch("less.pth", renamed(headless, func(n string) string {
				return strings.TrimPrefix(n, "patch_embed.proj.weight")
			}))
			f.run("train", "t.yaml", "--from", "less.pth", "--run", "y").exits(1).
				says("1 missing (patch_embed.proj.weight); --allow-missing goes on anyway")
			f.run("train", "t.yaml", "--from", "less.pth", "--run", "y", "--allow-missing").exits(0).says("1 missing")
			f.run("features", "base/val/cat", "--model", "less.pth", "--config", "t.yaml", "--out", "x.npy").exits(1).
				says("--allow-missing")
			f.run("features", "base/val/cat", "--model", "less.pth", "--config", "t.yaml", "--out", "x.npy",
				"--allow-missing").exits(0)
		})
	}
}

// timm/models/vision_transformer.py names the classifier head.
func TestTimmNamesOfViT(t *testing.T) {
	f := weightsFolder(t, tinyViT)
	f.run("convert", "run", "v.safetensors", "--naming", "timm").exits(0)
	var names []string
	for _, x := range f.tensors("v.safetensors") {
		names = append(names, x.Name)
	}
	for _, want := range []string{"head.weight", "head.bias", "fc_norm.weight", "blocks.1.attn.qkv.weight"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	f.run("convert", "run", "v.safetensors", "--naming", "torchvision").exits(2).
		says("torchvision would compute something else of these weights: it has model.global_pool=false")
	f.run("convert", "run", "v.safetensors", "--naming", "microsoft").exits(2).
		says("there are no such names for a ViT: microsoft; it has official, timm, torchvision, localmim")
}

// timm/models/swin_transformer.py since 0.8: the classifier is head.fc, and a downsample belongs to the
// stage that it begins.
func TestTimmNamesOfSwin(t *testing.T) {
	f := weightsFolder(t, tinySwin)
	want := f.run("eval", "--model", "run")
	merging := regexp.MustCompile(`^layers\.(\d+)\.downsample\.(.*)$`)
	timm := renamed(f.tensors("official.safetensors"), func(n string) string {
		if strings.HasSuffix(n, "relative_position_index") {
			return ""
		}
		if m := merging.FindStringSubmatch(n); m != nil {
			stage, _ := strconv.Atoi(m[1])
			return fmt.Sprintf("layers.%d.downsample.%s", stage+1, m[2])
		}
		if rest, ok := strings.CutPrefix(n, "head."); ok {
			return "head.fc." + rest
		}
		return n
	})
	f.torch("swin_timm.pth", timm)
	// These weights come from LocalMIM's Swin, for any names: the configuration says so.
	got := f.run("eval", "--model", "swin_timm.pth",
		"--config", "t.yaml").says("warning: the Swin with such names computes something else " +
		"(model.norm_before_pool=true")
	sameLoss(t, "timm's names", got, want)
	f.run("train", "t.yaml", "--from", "swin_timm.pth", "--run", "x").exits(0).
		says("warning: the Swin with such names").
		hides("missing")
	// A model that timm would compute differently cannot be written for timm.
	f.run("convert", "run", "w.safetensors", "--naming", "timm").exits(2).
		says("timm would compute something else of these weights: " +
			"it has model.norm_before_pool=true, model.norm_eps=1e-05")
	f.run("convert", "run", "w", "--naming", "timm", "--set", "model.norm_before_pool=true",
		"--set", "model.norm_eps=1e-5").exits(0)
	f.run("eval", "--model", "w", "--data", "base").exits(0)
	// Without a configuration, official names fit two networks.
	f.run("convert", "official.safetensors", "x.safetensors").exits(2).
		says("the names of the tensors do not show which Swin it is", "--set model.norm_before_pool=true or false")
	f.run("convert", "official.safetensors", "x.safetensors", "--set", "model.norm_before_pool=false",
		"--set", "data.image_size=32").exits(0)
	sameLoss(t, "the variant that was named",
		f.run("eval", "--model", "x.safetensors", "--data", "base", "--set", "data.mean=[0.5,0.5,0.5]",
			"--set", "data.std=[0.25,0.25,0.25]"),
		want)
}

// pytorch/vision references/classification, sming256/OpenTAD#44: model_ema is an AveragedModel, with the
// prefix module. and n_averaged.
func TestAveragesOfTorchvision(t *testing.T) {
	f := weightsFolder(t, tinyFasterNet)
	ts := f.tensors("official.safetensors")
	average := renamed(ts, func(n string) string { return "module." + n })
	for i, x := range average {
		if x.Name == "module.head.bias" {
			average[i].F32 = []float32{5, -5, 0}
		}
	}
	average = append(average, formats.Tensor{Name: "n_averaged", DType: formats.Int64, Shape: []int{}, I64: []int64{5}})
	f.torch("tv.pth", []pair{{"model", ts}, {"model_ema", average}, {"epoch", 1}})
	f.run("train", "t.yaml", "--from", "tv.pth", "--run", "x").exits(0).
		says("starting from the averaged weights (EMA) of tv.pth", "the file has model (31 tensors) too",
			"--weights plain or --state-key chooses others").
		hides("unexpected")
	plain := f.run("eval", "--model", "tv.pth", "--config", "t.yaml", "--weights", "plain")
	sameLoss(t, "plain", plain, f.run("eval", "--model", "run"))
	if a := f.run("eval", "--model", "tv.pth", "--config", "t.yaml").loss(); a < 2*plain.loss() {
		t.Errorf("the average is not taken: loss %v", a)
	}
	f.run("train", "t.yaml", "--from", "tv.pth", "--weights", "plain", "--run", "y").exits(0).
		says("starting from the weights of tv.pth")
	f.run("train", "t.yaml", "--from", "run", "--weights", "ema", "--run", "z").exits(1).
		says("no averaged weights (--weights ema)")
}

// huggingface/pytorch-image-models#426, #908, #1794, pytorch/vision#5025: the image size differs from the
// size in training.
func TestFromAnotherResolution(t *testing.T) {
	f := weightsFolder(t, tinyViT)
	f.run("train", "t.yaml", "--from", "run", "--set", "data.image_size=64", "--run", "v64").exits(0).
		says("note: position embeddings of a 4×4 grid are interpolated for 8×8")
	// Every change of the size uses the same interpolation.
	want := f.run("eval", "--model", "run", "--size", "64")
	sameLoss(t, "as a setting",
		f.run("eval", "--model", "run", "--set", "data.image_size=64").says("are interpolated for 8×8"), want)
	f.run("export", "--model", "run", "--size", "64", "--out", "v.onnx").exits(0)
	sameLoss(t, "exported", f.run("eval", "--model", "v.onnx"), want)

	s := weightsFolder(t, tinySwin)
	s.run("train", "t.yaml", "--from", "run", "--set", "data.image_size=64", "--set", "model.window_size=8",
		"--run", "w8").exits(0).
		says("4 tables of position bias for windows of 4×4 are interpolated for 8×8")
	s.run("eval", "--model", "run", "--set", "model.window_size=2").exits(0).says("are interpolated for 2×2")
}

// NaN and infinite weights are reported first.
func TestSpoiltWeights(t *testing.T) {
	f := weightsFolder(t, tinyFasterNet)
	ts := f.tensors("official.safetensors")
	i := slices.IndexFunc(ts, func(x formats.Tensor) bool { return x.Name == "stages.1.norm.running_var" })
	ts[i].F32[3] = float32(math.Inf(1))
	f.torch("bad.pth", renamed(ts, func(n string) string { return n }))
	const said = "the weights are damaged: 1 of its"
	for _, args := range [][]string{
		{"eval", "--model", "bad.pth", "--config", "t.yaml"},
		{"predict", "base/val/cat", "--model", "bad.pth", "--config", "t.yaml"},
		{"features", "base/val/cat", "--model", "bad.pth", "--config", "t.yaml", "--out", "x.npy"},
		{"train", "t.yaml", "--from", "bad.pth", "--run", "x"},
		{"convert", "bad.pth", "b.safetensors", "--config", "t.yaml"},
	} {
		f.run(args...).exits(1).says(said, "stages.1.norm.running_var[3] is +Inf; --allow-nan goes on anyway")
	}
	f.run("eval", "--model", "bad.pth", "--config", "t.yaml", "--allow-nan").exits(0).says("values are NaN or infinite")
	f.run("train", "t.yaml", "--run", "y", "--set", "distill.type=soft", "--set", "distill.teacher=bad.pth",
		"--set", "distill.config=t.yaml").exits(1).
		says(said).
		hides("--allow-nan")
}

// Every command reads a folder for timm without a configuration.
func TestTimmFolder(t *testing.T) {
	for _, c := range []struct{ name, model string }{
		{"fasternet", tinyFasterNet}, {"vit", tinyViT},
		{"swin", strings.Replace(tinySwin, "}", ", norm_before_pool: true, norm_eps: 1.0e-5}", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := weightsFolder(t, c.model)
			want := f.run("eval", "--model", "run")
			f.run("convert", "run", "hub", "--naming", "timm").exits(0)
			sameLoss(t, "folder", f.run("eval", "--model", "hub", "--data", "base"), want)
			sameLoss(t, "file", f.run("eval", "--model", "hub/model.safetensors", "--data", "base"), want)
			f.run("predict", "base/val/cat", "--model", "hub", "--topk", "1", "--format", "csv").exits(0).says(",cat,")
			// A run without a model takes the model of the weights.
			f.write("plain.yaml",
				[]byte("data: {dir: base}\ntrain: {epochs: 1, batch_size: 8}\nsched: {warmup_epochs: 0}\nlog: "+
					"{tensorboard: false}\n"))
			f.run("train", "plain.yaml", "--from", "hub", "--run", "fine").exits(0).
				says("note: the configuration has no model: using the model of hub", "starting from the weights of hub")
			f.run("config", "check", "plain.yaml", "--set", "from=hub").exits(0)
			f.run("config", "show", "plain.yaml", "--set", "from=hub").exits(0).says("name: " + c.name)
			f.run("train", "plain.yaml", "--from", "none", "--run", "none").exits(1).says("from: model: stat none")
			f.run("train", "plain.yaml", "--from", "hub", "--run", "fine", "--resume").exits(0)
			f.run("eval", "--model", "fine").exits(0)
			// No file of another author is overwritten.
			f.write("other/notes.txt", []byte("mine"))
			f.run("convert", "run", "other", "--naming", "timm").exits(2).says("other has other files (notes.txt)")
			f.run("convert", "run", "hub", "--naming", "timm").exits(0)
			f.run("convert", "hub", "hub", "--naming", "timm").exits(2).says("is the input: give another folder")
		})
	}
}
