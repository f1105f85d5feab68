package cases

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
)

// edit changes a tensor of a safetensors file, and writes another file.
func (f folder) edit(from, to, tensor string, change func(values []float32)) {
	f.t.Helper()
	c, err := checkpoints.Read(f.file(from))
	if err != nil {
		f.t.Fatal(err)
	}
	x, ok := c.Lookup(tensor)
	if !ok {
		f.t.Fatalf("%s has no %s", from, tensor)
	}
	change(x.F32)
	if err := checkpoints.Write(f.file(to), *c); err != nil {
		f.t.Fatal(err)
	}
}

// batch returns the only saved batch of a run.
func (f folder) batch(run string) string {
	f.t.Helper()
	found, err := filepath.Glob(f.file(run + "/debug/*.batch.safetensors"))
	if err != nil || len(found) != 1 {
		f.t.Fatalf("saved batches: %v, %v", found, err)
	}
	name, err := filepath.Rel(f.path, found[0])
	if err != nil {
		f.t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// With a learning rate that is far too large, the message names op, layer and sample, and the checkpoint
// before stays.
func TestDivergedByLearningRate(t *testing.T) {
	for _, test := range []struct{ name, model, op string }{
		{"fasternet", tinyFasterNet, `FasterNetBlock "stages.0.blocks.0" (forward)`},
		{"vit", tinyViT, `AttentionBlock "blocks.0.attn" (forward)`},
		{"localmim",
			tinyViT + "\ntask: localmim\nmim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 8, decoder_heads: 2}",
			`AttentionBlock "blocks.0.attn" (forward)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t)
			f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
			f.config("t.yaml", test.model)
			o := f.run("train", "t.yaml", "--run", "run", "--set", "optim.lr=1e30",
				"--set", "checkpoint.every_steps=1").exits(1)
			batch := f.batch("run")
			o.says("training diverged in epoch 1, step 2", "the loss is NaN",
				"first not finite: the output of "+test.op, "base/train/", "the largest weight is 1", batch,
				"the last good checkpoint is kept")
			f.run("verify", "run/checkpoints/last.safetensors").exits(0)
			before := f.read("run/launches.jsonl")
			f.run("debug", "step", "run", "--batch", batch).exits(0).
				says("epoch 1, step 2 with run/debug/epoch-001-step-00002.state.safetensors: 8 images, loss not finite",
					test.op)
			rows := f.run("debug", "step", "run", "--batch", batch, "--json").exits(0).json()["rows"].([]any)
			if n := len(rows); n < 20 || !strings.Contains(fmt.Sprint(rows[n-1]), "parameter") {
				t.Errorf("%d rows", n)
			}
			if string(before) != string(f.read("run/launches.jsonl")) {
				t.Error("debug step has written into the run")
			}
		})
	}
}

// Weights of another program contain a NaN.
func TestDivergedByNaNWeight(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinyViT)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	f.run("debug", "step", "run").exits(0).
		says("epoch 3, step 1 with run/checkpoints/last.safetensors", "all values are finite",
			"blocks.1.mlp.fc2.weight")
	f.run("debug", "step", "run", "--epoch", "2", "--step", "2", "--checkpoint", "best").exits(0).
		says("epoch 2, step 2 with run/checkpoints/best.safetensors", "all values are finite")
	f.edit("run/checkpoints/best.safetensors", "nan.safetensors", "blocks.1.norm2.weight", func(v []float32) {
		v[3] = float32(math.NaN())
	})
	f.run("train", "t.yaml", "--run", "other", "--from", "nan.safetensors", "--allow-nan").exits(1).
		says("in epoch 1, step 1", `first not finite: the output of MLPBlock "blocks.1.mlp" (forward)`,
			"before the step, parameter blocks.1.norm2.weight: 1 NaN of 24 values, the first at [3]", "base/train/")
	for _, c := range [][2]string{
		{"--step=99", "step 99: want 2 or less"},
		{"--checkpoint=third", "third.safetensors: no such file"},
		{"--batch=nan.safetensors", "nan.safetensors: it is not a saved batch"},
		{"--batch=nothing", "nothing: no such file"},
	} {
		f.run("debug", "step", "run", c[0]).exits(1).says(c[1])
	}
	f.run("debug", "step", "run", "--step", "0").exits(2).says("--step: want 1 or more, got 0")
	f.run("debug", "step", "nowhere").exits(2).says("nowhere has no run")
}

// An infinite pixel in a changed batch names its sample.
func TestDebugStepOfChangedBatch(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinySwin)
	f.run("train", "t.yaml", "--run", "run", "--set", "optim.lr=1e30").exits(1)
	f.config("t.yaml", tinySwin)
	f.run("train", "t.yaml", "--run", "good").exits(0)
	f.edit(f.batch("run"), "changed.safetensors", "input", func(v []float32) { v[5*len(v)/8+7] = float32(math.Inf(1)) })
	o := f.run("debug", "step", "good", "--batch", "changed.safetensors").exits(0).
		says("before the step, images: 1 infinite of 24576 values", "the first at [5 ",
			"sample 5 of the batch (image ", "base/train/",
			`first not finite: the output of PatchEmbed "patch_embed" (forward)`)
	o.hides("all values are finite")
}

// With a finite loss and an infinite gradient, the message names the parameter.
func TestDivergedByGradient(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinyViT)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	set := func(v float32) func([]float32) {
		return func(values []float32) {
			for i := range values {
				values[i] = v
			}
		}
	}
	f.edit("run/checkpoints/best.safetensors", "1.safetensors", "fc_norm.weight", set(1e-38))
	f.edit("1.safetensors", "2.safetensors", "fc_norm.bias", set(0))
	f.edit("2.safetensors", "3.safetensors", "head.weight", func(v []float32) {
		for i := range v {
			v[i] = 3e38
			if i >= len(v)/2 {
				v[i] = -3e38
			}
		}
	})
	f.run("train", "t.yaml", "--run", "other", "--from", "3.safetensors").exits(1).
		says("in epoch 1, step 1", "the gradient norm is ",
			`first not finite: the gradient of parameter fc_norm.weight, `+
				`computed by LayerNormGrad "fc_norm" (backward)`,
			"infinite of 24 values", "base/train/")
	f.run("debug", "step", "other", "--batch", f.batch("other")).exits(0).
		says("gradient norm not finite", "the gradient of parameter fc_norm.weight")
}
