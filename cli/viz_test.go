package cli

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vizModels are small pre-trainings, with and without pictures during the run.
var vizModels = []struct{ family, model string }{
	{"vit", "model: {name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: 8, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {taps: [1, 2], scales: [2, 0.5], decoder_dim: 16, decoder_heads: 2, picture_interval: 2}\n"},
	{"fasternet", "model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, in_chans: 1}\n" +
		"mim: {decoder_dim: 16, decoder_heads: 2, picture_interval: 2, mask_unit: 8}\n"},
	{
		"swin",
		"model: {name: swin, embed_dim: 8, depths: [2, 2], num_heads: [2, 2], window_size: " +
			"4, mlp_ratio: 2, in_chans: 1}\n" +
			"mim: {target: pixel, decoder_dim: 16, decoder_heads: 2, picture_interval: 0}\n",
	},
}

func TestVizOfPretraining(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("trains small models of both families")
	}
	data := fashion(t, 40, 20)
	for _, c := range vizModels {
		family, model := c.family, c.model
		t.Run(family, func(t *testing.T) {
			dir, scratch := filepath.Join(t.TempDir(), "run"), t.TempDir()
			config := writeConfig(t, model+
				"task: localmim\ndata: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3]}\n"+
				"augment: {mixup: 0, cutmix: 0}\n"+
				"sched: {form: localmim, warmup_epochs: 1, min_lr: 0}\n"+
				"train: {epochs: 3, batch_size: 8, val_batch_size: 10}\ncheckpoint: {monitor: loss}\n")
			succeed(t, "train", config, "--data", data, "--run", dir)
			samples, _ := filepath.Glob(filepath.Join(dir, "samples", "*"))
			want := ""
			if family != "swin" { // after the second and the last epoch
				want = "epoch-002.png epoch-003.png"
			}
			var names []string
			for _, s := range samples {
				names = append(names, filepath.Base(s))
				decode(t, s)
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("pictures %q, want %q", got, want)
			}
			for _, name := range []string{"page.html", "sheet.png"} {
				a, b := filepath.Join(scratch, name), filepath.Join(scratch, "again-"+name)
				if got := succeed(t, "viz", dir, "--out", a); got["count"] != 8.0 || got["kind"] != "reconstruction" {
					t.Errorf("viz says %v", got)
				}
				succeed(t, "viz", dir, "--out", b, "--threads", "1")
				first, _ := os.ReadFile(a)
				second, _ := os.ReadFile(b)
				if len(first) == 0 || !bytes.Equal(first, second) {
					t.Errorf("%s: the same arguments give different files", name)
				}
			}
			decode(t, filepath.Join(scratch, "sheet.png"))
			// All of the user's images are drawn.
			images := filepath.Join(scratch, "images")
			if err := os.Mkdir(images, 0o755); err != nil {
				t.Fatal(err)
			}
			picture, err := os.ReadFile(filepath.Join(scratch, "sheet.png"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a.png", "b.png"} {
				writeFile(t, filepath.Join(images, name), picture)
			}
			if got := succeed(
				t,
				"viz",
				dir,
				images,
				filepath.Join(images, "a.png"),
				"--out",
				filepath.Join(scratch, "own.html"),
				"--seed",
				"3",
			); got["count"] != 3.0 {
				t.Errorf("of three images: %v", got)
			}
			fail(
				t,
				1,
				"none.png",
				"viz",
				dir,
				filepath.Join(images, "none.png"),
				"--out",
				filepath.Join(scratch, "x.png"),
			)
			fail(t, 2, "--size", "viz", dir, "--out", filepath.Join(scratch, "x.png"), "--size", "64")
			fail(t, 2, "export its encoder", "viz", dir, "--out", filepath.Join(scratch, "x.png"), "--block", "1")
			fail(t, 2, "set task=localmim",
				"viz", dir, "--config", "vit_small", "--out", filepath.Join(scratch, "x.png"))
		})
	}
}

// decode checks that a PNG is complete.
func decode(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err := png.Decode(f); err != nil || m.Bounds().Dx() < 500 {
		t.Errorf("%s: %v", path, err)
	}
}

func TestVizOfClassifier(t *testing.T) {
	t.Parallel()
	data, scratch := fashion(t, 40, 20), t.TempDir()
	train := func(config string) string {
		dir := filepath.Join(t.TempDir(), "run")
		succeed(t, "train", config, "--data", data, "--run", dir, "--set", "train.epochs=1",
			"--set", "sched.warmup_epochs=0")
		return dir
	}
	page := filepath.Join(scratch, "page.html")
	run := train(tinyTransformer(t, "vit"))
	for _, c := range []struct {
		family, run string
		panels      int
		// the image, Grad-CAM, and for a ViT the mean of the heads and each of them
	}{{"vit", run, 3 + 3}, {"swin", train(tinyTransformer(t, "swin")), 2}} {
		if got := succeed(t, "viz", c.run, "--out", page, "--count", "3"); got["count"] != 3.0 ||
			got["kind"] != "gradcam" {
			t.Errorf("viz of a %s: %v", c.family, got)
		}
		text, _ := os.ReadFile(page)
		if got := strings.Count(string(text), "<img"); got != 3*c.panels || strings.Count(string(text), "\u00a0%") < 3 {
			t.Errorf("%s: %d pictures, want %d, with the confidence of each answer", c.family, got, 3*c.panels)
		}
		// three images of three classes, from the first to the last
		for _, class := range []string{"(T-shirt/top)", "(Coat)", "(Ankle boot)"} {
			if !strings.Contains(string(text), class) {
				t.Errorf("%s: no image is of class %s", c.family, class)
			}
		}
		again := filepath.Join(scratch, "again.html")
		succeed(t, "viz", c.run, "--out", again, "--count", "3", "--threads", "1")
		if second, _ := os.ReadFile(again); !bytes.Equal(text, second) {
			t.Errorf("%s: the same arguments give different files", c.family)
		}
		if c.family == "swin" {
			fail(t, 2, "--block: only a ViT has attention", "viz", c.run, "--out", again, "--block", "1")
		}
	}
	first, last := filepath.Join(scratch, "first.html"), filepath.Join(scratch, "last.html")
	succeed(t, "viz", run, "--out", first, "--count", "3", "--block", "1")
	succeed(t, "viz", run, "--out", last, "--count", "3", "--block", "2")
	a, _ := os.ReadFile(first)
	b, _ := os.ReadFile(last)
	if !strings.Contains(string(a), "Attention of block 1 of 2:") || !strings.Contains(string(b), "block 2 of 2:") {
		t.Error("the pages do not say which block they show")
	}
	pictures := func(text []byte) string { _, after, _ := strings.Cut(string(text), "<img"); return after }
	succeed(t, "viz", run, "--out", page, "--count", "3")
	text, _ := os.ReadFile(page)
	if pictures(text) != pictures(b) || pictures(text) == pictures(a) {
		t.Error("want the last of two blocks without --block, and another picture of the first")
	}
	fail(t, 2, "--block: want a block from 1 to 2, got 3", "viz", run, "--out", page, "--block", "3")
	fail(t, 2, "--block: want a block from 1 on, got 0", "viz", run, "--out", page, "--block", "0")
	swin := run
	fail(t, 2, "ends in .html", "viz", swin, "--out", "page.jpg")
	fail(t, 2, "--out", "viz", swin)
	fail(t, 2, "--count", "viz", swin, "--out", page, "--count", "0")
	fail(t, 1, "no such file", "viz", filepath.Join(scratch, "none"), "--out", page)
}
