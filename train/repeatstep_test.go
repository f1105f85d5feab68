package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph"
	"fasternet/internal/ramdisk"
	"fasternet/kernels"
)

// exploding makes the weights huge in the first step.
var exploding = []string{"optim.lr=1e30", "sched.warmup_epochs=0", "sched.form=constant", "checkpoint.every_steps=1"}

// A step whose loss is NaN is repeated. The message names the op, the state before the step equals the
// checkpoint to the bit, running statistics included, and the saved batch reproduces the finding.
func TestRepeat(t *testing.T) {
	for _, c := range []struct{ model, settings, op string }{
		{"fasternet", "", `FasterNetBlock "stages.0.blocks.0" (forward)`},
		{"fasternet", "train.accum_steps=2", `FasterNetBlock "stages.0.blocks.0" (forward)`},
		{"fasternet", "train.grad_checkpointing=true", `FasterNetBlock "stages.0.blocks.0" (forward)`},
		{"vit", "", `AttentionBlock "blocks.0.attn" (forward)`},
		{"vit", "precision=bf16", `AttentionBlock "blocks.0.attn" (forward)`},
		{"swin", "", `AttentionBlock "layers.0.blocks.0.attn" (forward)`},
		{"localmim of a vit", "", `AttentionBlock "blocks.0.attn" (forward)`},
		{"localmim of a vit", "precision=bf16", `AttentionBlock "blocks.0.attn" (forward)`},
		{"localmim of a fasternet", "", `FasterNetBlock "stages.0.blocks.0" (forward)`},
		{"localmim of a swin", "train.accum_steps=2", `AttentionBlock "layers.0.blocks.0.attn" (forward)`},
	} {
		t.Run(c.model+" "+c.settings, func(t *testing.T) {
			if c.settings == "precision=bf16" && kernels.Default().BF16() == "" {
				t.Skip("no bf16 here")
			}
			settings := slices.Clone(exploding)
			if c.settings != "" {
				settings = append(settings, c.settings)
			}
			config := smallConfig(t, small[c.model], noise(t), settings...)
			dir := filepath.Join(ramdisk.Dir(t), "run")
			e := diverges(t, config, dir, io.Discard)
			for _, want := range []string{"the loss is NaN", c.op, "sample", "ubyte[", e.Saved, "checkpoint is kept"} {
				if !strings.Contains(e.Error(), want) {
					t.Errorf("%q does not name %q", e, want)
				}
			}
			last, err := checkpoints.Read(filepath.Join(dir, "checkpoints", checkpoints.Last))
			if err != nil {
				t.Fatal(err)
			}
			state, err := checkpoints.Read(strings.TrimSuffix(e.Saved, batchEnding) + stateEnding)
			if err != nil {
				t.Fatal(err)
			}
			if d := differing(last, state); d != "" {
				t.Errorf("the saved state is not the one before the step: %s", d)
			}
			r, err := DebugStep(context.Background(), config, StepOptions{Dir: dir, Batch: e.Saved})
			if err != nil || r.Finding != e.Finding || r.Finite || r.Loss != nil {
				t.Errorf("the saved batch gives %+v, %v\nwant %q", r.Finding, err, e.Finding)
			}
			// So does the step after the checkpoint, with the next batch.
			r, err = DebugStep(context.Background(), config, StepOptions{Dir: dir})
			if err != nil || r.Finding != e.Finding {
				t.Errorf("the step after the checkpoint gives %+v, %v\nwant %q", r.Finding, err, e.Finding)
			}
		})
	}
}

// diverges runs a configuration that diverges.
func diverges(t *testing.T, c *configs.Config, dir string, log io.Writer) *DivergedError {
	t.Helper()
	_, err := Run(context.Background(), c, Options{Dir: dir, Log: log})
	var e *DivergedError
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	return e
}

// bright makes a data set of 31 black images and one white one. With a tiny deviation only the white one leaves
// the range of float32.
func bright(t *testing.T, white int) string {
	t.Helper()
	dir := noise(t)
	const n = 32
	images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, n)
	images = append(images, 0, 0, 0, 28, 0, 0, 0, 28)
	labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, n)
	for i := range n {
		pixel := []byte{0}
		if i == white {
			pixel[0] = 255
		}
		images, labels = append(images, bytes.Repeat(pixel, 28*28)...), append(labels, byte(i%10))
	}
	for _, c := range []struct {
		file    string
		content []byte
	}{{"images-idx3", images}, {"labels-idx1", labels}} {
		if err := os.WriteFile(filepath.Join(dir, "train-"+c.file+"-ubyte"), c.content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The message names the one sample that makes values infinite, and its rank.
func TestRepeatNamesSample(t *testing.T) {
	settings := []string{
		"data.mean=[0]", "data.std=[3e-39]", "augment.mixup=0", "augment.cutmix=0", "sched.warmup_epochs=0",
		"train.batch_size=32", "train.epochs=1",
	}
	const white = 13
	for _, model := range []string{"vit", "swin", "fasternet"} {
		e := diverges(
			t,
			smallConfig(t, small[model], bright(t, white), settings...),
			filepath.Join(ramdisk.Dir(t), "run"),
			io.Discard,
		)
		want := fmt.Sprintf("image %d, train-images-idx3-ubyte[%[1]d], class Dress)", white)
		if !strings.Contains(e.Finding, want) {
			t.Errorf("%s: %q does not name %q", model, e.Finding, want)
		}
	}
	dir := filepath.Join(ramdisk.Dir(t), "ranks")
	c := smallConfig(t, small["fasternet"], bright(t, white), append(settings, "train.sync_batchnorm=true")...)
	var named *DivergedError
	for rank, err := range ranked(2, c, Options{Dir: dir}, nil) {
		if !errors.As(err, &named) || !strings.Contains(named.Finding, fmt.Sprintf("image %d,", white)) {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	saved, err := filepath.Glob(filepath.Join(dir, DebugFolder, "*"+batchEnding))
	if err != nil || len(saved) != 1 {
		t.Fatal(saved, err)
	}
	b, err := readBatch(saved[0])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(b.batch.Indices, white) ||
		len(b.batch.Places) != 16 ||
		b.at.Whole != 32 ||
		b.at.Rank != named.Rank {
		t.Errorf("the batch of %s has the samples %v, places %v of %d",
			b.at.Rank, b.batch.Indices, b.batch.Places, b.at.Whole)
	}
}

// flaky has a loss that is NaN once.
type flaky struct {
	task
	left int
}

func (f *flaky) gradients(b *data.Batch, at graph.Position) (float32, []float64, error) {
	loss, scales, err := f.task.gradients(b, at)
	if f.left--; f.left == 0 {
		loss = float32(math.NaN())
	}
	return loss, scales, err
}

// If the repeated step is finite everywhere, the message says so.
func TestRepeatIsFinite(t *testing.T) {
	for _, accum := range []int{1, 2} {
		c := smallConfig(t, small["vit"], noise(t), fmt.Sprintf("train.accum_steps=%d", accum))
		tr := &trainer{
			config:   c,
			ranks:    ranks{collective.Single{}},
			dir:      filepath.Join(ramdisk.Dir(t), "run"),
			show:     NewDisplay(io.Discard),
			explains: true,
			patience: context.Background(),
		}
		if err := tr.open(context.Background(), Options{Dir: tr.dir}); err != nil {
			t.Fatal(err)
		}
		tr.task = &flaky{tr.task, 3}
		err := tr.loop(context.Background())
		if err == nil ||
			!strings.Contains(err.Error(), "the loss is NaN; when repeated, the step is finite everywhere (loss [") {
			t.Errorf("got %v", err)
		}
		if err := tr.close(); err != nil {
			t.Error(err)
		}
	}
}

// Weights that an update makes infinite are found before they reach a checkpoint.
func TestUpdateIsNotFinite(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t), append(exploding, "optim.lr=1e40")...)
	dir := filepath.Join(ramdisk.Dir(t), "run")
	e := diverges(t, c, dir, io.Discard)
	for _, want := range []string{
		"epoch 1, step 1", "parameter cls_token[0] is ",
		"after the update by adamw with learning rate 1e+40",
		"when repeated, the step is finite up to this update",
	} {
		if !strings.Contains(e.Error(), want) {
			t.Errorf("%q does not say %q", e, want)
		}
	}
	if names := Checkpoints(dir).Names(); len(names) > 0 {
		t.Errorf("there are checkpoints: %v", names)
	}
	if r, err := DebugStep(context.Background(), c, StepOptions{Dir: dir, Batch: e.Saved}); err != nil || !r.Finite {
		t.Errorf("the saved step: %+v, %v", r, err)
	}
}

// An update whose step cannot be repeated still leaves its batch.
func TestUpdateWithoutState(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t))
	tr := &trainer{
		config:   c,
		ranks:    ranks{collective.Single{}},
		dir:      filepath.Join(ramdisk.Dir(t), "run"),
		show:     NewDisplay(io.Discard),
		explains: true,
		patience: context.Background(),
	}
	if err := tr.open(context.Background(), Options{Dir: tr.dir}); err != nil {
		t.Fatal(err)
	}
	loader, err := tr.loaderFor(0)
	if err != nil {
		t.Fatal(err)
	}
	it := loader.Epoch(context.Background(), 0, 0)
	defer it.Close()
	b, err := it.Next()
	if err != nil {
		t.Fatal(err)
	}
	e := &DivergedError{Samples: b.Indices, update: "parameter w[0] is +Inf after the update"}
	tr.explain(e, attempt{batches: 1, last: b, it: it, undo: func(bool) {}, updated: true})
	if !strings.Contains(e.Error(),
		"+Inf after the update; loss and gradients were finite; the step cannot be repeated") ||
		e.Saved == "" {
		t.Errorf("got %v", e)
	}
	if _, err := readBatch(e.Saved); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(strings.TrimSuffix(e.Saved, batchEnding) + stateEnding); err == nil {
		t.Error("a state is saved")
	}
	if err := tr.close(); err != nil {
		t.Error(err)
	}
}
