//go:build unix

package recipe

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fasternet/checkpoints"
	"fasternet/internal/patience"
	"fasternet/internal/ramdisk"
)

// few changes the settings of the preset that would take too long. Model, augmentation, optimizer, form
// of the schedule and sizes of images stay the same, with 1000 classes, of which the tree has four.
var few = set(
	"train.epochs=2",         // not 300
	"sched.warmup_epochs=1",  // not 20, which is more than the epochs
	"data.multi_scale=192_1", // switches to 224 px before the last epoch, not after 280
	"train.batch_size=16",    // not 128: the tree has 128 images
	"train.accum_steps=2",    // not 32, which would leave one step in an epoch
	"train.val_batch_size=8", // not 64: there are 16 images
	"train.log_interval=1",   // the test follows the log
)

// The preset of FasterNet-T0 trains on a tree with the layout of ImageNet, and continues after an
// interruption in the middle of an epoch as if nothing had happened.
func TestPreset(t *testing.T) {
	dir := ramdisk.Dir(t)
	data := filepath.Join(dir, "imagenet")
	imagenet(t, data)
	whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
	args := slices.Concat([]string{"train", "fasternet_t0", "--data", data}, few)
	out, said := succeed(t, append(args, "--run", whole)...)
	if out["count"] != 16.0 || out["epochs"] != 2.0 {
		t.Errorf("outcome %v", out)
	}
	for _, want := range []string{
		"fasternet: 3905500 parameters, 0.335 GMACs at 224 px; 128 training and 16 validation images in 4 classes",
		"batch 32 = 16 × 2 accumulated, adamw with peak lr 0.004, 2 epochs",
		"128 training images make only 4 steps per epoch, 8 in all, with steps of 32",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("nobody said %q:\n%s", want, said)
		}
	}
	if p := progressOf(t, whole); p.Updates != 8 || p.Batches != 16 {
		t.Errorf("the run has made %d updates of %d batches, want 8 of 16", p.Updates, p.Batches)
	}
	// The second epoch has the other size.
	p := interrupt(t, stopped, syscall.SIGTERM, 10, append(args, "--run", stopped)...)
	if p.Epoch != 1 {
		t.Errorf("interrupted in epoch %d, want 1", p.Epoch)
	}
	again, _ := succeed(t, "train", "--run", stopped, "--resume")
	if again["top1"] != out["top1"] || again["loss"] != out["loss"] {
		t.Errorf("resumed: %v, want %v", again, out)
	}
	same(t, stopped, whole)
	// eval takes data set, transform and classes from the checkpoint.
	if got, _ := succeed(t, "eval", "--model", whole); got["loss"] != out["loss"] || got["top5"] != out["top5"] {
		t.Errorf("eval: %v, training said %v", got, out)
	}
}

// Without any setting, the command in the preset's header begins, stops when asked, and can be resumed.
func TestPresetUntouched(t *testing.T) {
	if testing.Short() {
		t.Skip("batches of 128 images")
	}
	dir := ramdisk.Dir(t)
	data, run := filepath.Join(dir, "imagenet"), filepath.Join(dir, "run")
	imagenet(t, data)
	// It has 300 epochs of one batch; the time limit ends it after the first step.
	code, _, said := invoke(t, "train", "fasternet_t0", "--data", data, "--run", run, "--max-hours", "1e-9")
	if code != 143 ||
		!strings.Contains(said, "stopped by the time limit in epoch 1 after step 1") ||
		!strings.Contains(said, "batch 4096 = 128 × 32 accumulated") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if p := progressOf(t, run); p.Updates != 1 || p.LossCount != 128 {
		t.Errorf("stopped at %+v", p)
	}
	cmd := exec.Command(program, "train", "--run", run, "--resume")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the first epoch is evaluated and recorded", func() bool { return len(scores(t, run)) >= 2 })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 143 {
		t.Fatal(err)
	}
	// The second step, of 32 batches, may be left for the next resume.
	if p := progressOf(t, run); p.Last.Count != valPerClass*len(wnids) || p.Epoch < 1 || p.Updates != p.Epoch {
		t.Errorf("resumed and stopped at %+v", p)
	}
}

// The tree has the promised files, and files with wrong endings are read too.
func TestTree(t *testing.T) {
	dir := ramdisk.Dir(t)
	imagenet(t, dir)
	got, said := succeed(t, "data", "verify", dir)
	if got["broken"] != 0.0 || got["images"] != 144.0 {
		t.Errorf("%v\n%s", got, said)
	}
	png, err := os.ReadFile(filepath.Join(dir, "train", "n03445777", "n03445777_7.JPEG"))
	if err != nil || string(png[1:4]) != "PNG" {
		t.Errorf("the PNG begins with %q, %v", png[:4], err)
	}
	// The frame header has a fourth component.
	cmyk, err := os.ReadFile(filepath.Join(dir, "train", "n01440764", "n01440764_7.JPEG"))
	if err != nil || !strings.Contains(string(cmyk), "\xff\xc0\x00\x14\x08\x00\x95\x00\xc8\x04") {
		t.Errorf("no JPEG of 200×149 pixels and four components: %v", err)
	}
	yuv422, err := os.ReadFile(filepath.Join(dir, "train", "n02085620", "n02085620_20.JPEG"))
	if err != nil || !strings.Contains(string(yuv422), "\xff\xc0\x00\x11\x08\x00\xf0\x00\xa1\x03\x01\x21\x00") {
		t.Errorf("no JPEG of 161×240 pixels with chroma at half the width: %v", err)
	}
}

// everything turns on all features at once. The images are small, so that it takes seconds.
var everything = set(
	"data.image_size=96", "data.multi_scale=64_1", "data.on_bad_image=skip", "data.max_per_class=30",
	"augment.rand_augment=rand-m9-mstd0.5-inc1", "augment.erasing={prob: 0.5, mode: pixel, count: 2}",
	"augment.repeats=2", "augment.mixup_mode=elem", "augment.mixup=0.7", "augment.mixup_off_epoch=2",
	"loss.name=bce", "loss.threshold=0.1", "loss.sum_classes=true",
	"distill.type=soft", "distill.alpha=0.4", "distill.tau=2",
	"optim.opt=lamb", "optim.weight_decay_on=no-1d", "optim.layer_decay=0.9",
	"optim.clip_grad=0.5", "optim.clip_mode=agc",
	"sched.form=timm", "sched.on_updates=true", "sched.cooldown_epochs=1",
	"sched.warmup_epochs=1", "sched.warmup_prefix=true",
	"ema.decay=0.99", "ema.warmup=true",
	"train.epochs=3", "train.batch_size=8", "train.accum_steps=2", "train.val_batch_size=6", "train.log_interval=1",
	"train.frozen=[stages.0.blocks.0.mlp.0.weight]", "train.precise_bn=24", "train.patience=9",
	"checkpoint.every_steps=3", "checkpoint.top_k=2", "checkpoint.monitor=loss", "log.histogram_interval=2",
	"precision=auto",
)

// All features of training together resume to the bit, with a larger FasterNet as the teacher and with
// a file that cannot be read; with other numbers of threads and workers too.
func TestEverything(t *testing.T) {
	dir := ramdisk.Dir(t)
	data, teacher := filepath.Join(dir, "imagenet"), filepath.Join(dir, "teacher")
	imagenet(t, data)
	// The teacher must learn something: one epoch at 64 px.
	succeed(t, slices.Concat([]string{"train", "fasternet_t1", "--data", data, "--run", teacher}, set(
		"train.epochs=1", "sched.warmup_epochs=0", "train.batch_size=16", "train.accum_steps=1",
		"data.image_size=64", "data.multi_scale="))...)
	broken := filepath.Join(data, "train", wnids[3], wnids[3]+"_20.JPEG")
	raw, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	write(t, broken, raw[:len(raw)/3])

	args := slices.Concat(
		[]string{"train", "fasternet_t0", "--data", data}, everything, set("distill.teacher="+teacher))
	whole := filepath.Join(dir, "whole")
	want, said := succeed(t, slices.Concat(args, []string{"--run", whole}, set("threads=1", "data.workers=1"))...)
	for _, line := range []string{
		"soft distillation from " + filepath.Join(teacher, "checkpoints", checkpoints.Best) + ", alpha 0.4, tau 2",
		"frozen: 1 tensor with", "averaged weights (EMA) with decay 0.99",
		"the run ends early after 9 evaluations", "lamb with peak lr 0.004 × 0.9 a layer",
		"of 120 training images could not be read and were replaced",
	} {
		if !strings.Contains(said, line) {
			t.Errorf("nobody said %q:\n%s", line, said)
		}
	}
	for _, c := range []struct {
		signal syscall.Signal
		after  int // an epoch has 15 batches
	}{{syscall.SIGKILL, 8}, {syscall.SIGTERM, 20}} {
		stopped := filepath.Join(dir, c.signal.String())
		all := slices.Concat(args, []string{"--run", stopped})
		interrupt(t, stopped, c.signal, c.after, slices.Concat(all, set("threads=2", "data.workers=3"))...)
		got, _ := succeed(t, slices.Concat(all, []string{"--resume"}, set("threads=2", "data.workers=2"))...)
		if got["loss"] != want["loss"] || got["top1"] != want["top1"] || got["ema"] != true {
			t.Errorf("%v: %v, want %v", c.signal, got, want)
		}
		same(t, stopped, whole)
	}
	if got, _ := succeed(t, "eval", "--model", whole, "--ema"); got["loss"] != want["loss"] {
		t.Errorf("eval --ema: %v, training said %v", got, want)
	}
}
