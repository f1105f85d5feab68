//go:build linux

package soak

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fasternet/internal/ramdisk"
)

// budget is how long all runs together take.
var budget = flag.Duration("soak", 0, "run for so long")

func TestMain(m *testing.M) {
	if job := os.Getenv(jobVariable); job != "" { // this process runs a job of the test below
		os.Exit(work(job))
	}
	os.Exit(m.Run())
}

// common holds the settings of all runs: small images in files, a last batch of validation images that
// is not full, an average of the weights, histograms, an evaluation and checkpoints in every epoch.
const common = `
data: {dir: data, image_size: 64, workers: 2}
train: {epochs: 100000, batch_size: 32, val_batch_size: 32, log_interval: 1}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
ema: {decay: 0.99}
log: {histogram_interval: 5}
`

const classifying = common + `
augment: {mixup: 0.2, erasing: {prob: 0.25}, rand_augment: rand-m9-mstd0.5-inc1}
checkpoint: {top_k: 2}
`

const distilling = classifying + "distill: {type: soft, teacher: teacher}\n"

const pretraining = common + "task: localmim\n"

// The models have some million parameters: the few megabytes of the runtime are little in comparison.
const (
	teacher   = classifying + "model: {embed_dim: 24, depths: [1, 1], feature_dim: 64}\n"
	fasterNet = "model: {embed_dim: 48, depths: [1, 2, 8, 2], feature_dim: 1280}\n"
	vit       = "model: {name: vit, embed_dim: 320, depth: 6, num_heads: 5, patch_size: 16}\n"
	swin      = "model: {name: swin, embed_dim: 64, depths: [1, 1, 2, 2], num_heads: [2, 4, 8, 16], window_size: 4}\n"
)

var runs = []struct{ name, config string }{
	{"FasterNet", distilling + fasterNet},
	{"ViT", distilling + vit},
	{"Swin", distilling + swin},
	{"LocalMIM, ViT",
		pretraining + vit + "mim: {taps: [3, 6], scales: [4, 1], mask_unit: 16, decoder_dim: 64, " +
			"decoder_heads: 2, picture_interval: 2}\n"},
	{"LocalMIM, Swin",
		pretraining + swin + "mim: {taps: [1, 2, 3, 4], scales: [1, 1, 1, 1], mask_unit: 32, decoder_dim: 64, " +
			"decoder_heads: 2, mask_ratio: 0.5, picture_interval: 2}\n"},
}

func TestSoak(t *testing.T) {
	if *budget == 0 {
		t.Skip("make soak runs it")
	}
	dir := ramdisk.Dir(t)
	if err := writeImages(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("teacher", teacher)
	if _, err := launch(dir, job{Name: "teacher", Epochs: 1}); err != nil {
		t.Fatalf("teacher: %v", err)
	}
	fmt.Printf("%-14s  %6s", "run", "epochs")
	for _, q := range quantities {
		fmt.Printf("  %-*s", 2*q.width+12, q.title)
	}
	fmt.Println()
	for i, r := range runs {
		name := fmt.Sprint("run", i+1)
		write(name, r.config)
		found, err := launch(dir, job{Name: name, Time: *budget / time.Duration(len(runs))})
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		fmt.Printf("%-14s  %6d", r.name, found.Epochs)
		for k, q := range quantities {
			first, last := found.First[k], found.Last[k]
			growth := last/first - 1
			fmt.Printf("  %*.*f → %*.*f (%+.1f %%)",
				q.width, q.digits, first/q.unit, q.width, q.digits, last/q.unit, 100*growth)
			if growth > tolerance {
				t.Errorf("%s: %s grows by %.1f %%", r.name, strings.TrimSuffix(q.title, ", MB"), 100*growth)
			}
		}
		fmt.Println()
	}
}
