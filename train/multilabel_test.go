package train

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/internal/datatest"
	"fasternet/internal/ramdisk"
)

// shades makes grey images with labels by their brightness, in a table for each part.
func shades(t *testing.T) string {
	t.Helper()
	dir := ramdisk.Dir(t)
	for _, part := range []struct {
		name string
		n    int
	}{{"train", 48}, {"val", 20}} {
		table := "file,labels\n"
		for i := range part.n {
			v := uint8(40 + i*4)
			file := fmt.Sprintf("%s%02d.png", part.name, i)
			datatest.WriteFile(t, filepath.Join(dir,
				file), datatest.EncodePNG(t, datatest.Filled(image.NewGray(image.Rect(0, 0, 28, 28)), color.Gray{
				v,
			})))
			table += file + "," + []string{"dark", "dark;even", "", "bright", "bright;even"}[i%2+i/20] + "\n"
		}
		datatest.WriteFile(t, filepath.Join(dir, part.name+".csv"), []byte(table))
	}
	return dir
}

// Several ranks train images with several labels as one rank does, with the same thresholds.
func TestMultiLabelRanks(t *testing.T) {
	t.Parallel()
	dir := shades(t)
	c, err := configs.Parse("small", `task: multilabel
model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 4, patch_stride: 4, in_chans: 1}
data: {name: annotations, dir: `+dir+`, image_size: 28, mean: [0.5], std: [0.25], sampling: sqrt, workers: 1}
augment: {mixup: 0.3, scale: [0.9, 1]}
loss: {name: asl, class_weights: balanced}
optim: {opt: momentum, lr: 0.01}
sched: {warmup_epochs: 0}
train: {epochs: 2, batch_size: 12, val_batch_size: 3, sync_batchnorm: true}
ema: {decay: 0.9}
threads: 1
log: {tensorboard: false}
`)
	if err != nil {
		t.Fatal(err)
	}
	one := filepath.Join(ramdisk.Dir(t), "one")
	if _, err := Run(context.Background(), c, Options{Dir: one, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	want := last(t, one)
	several := filepath.Join(ramdisk.Dir(t), "two")
	if err := errors.Join(ranked(2, c, Options{Dir: several}, nil)...); err != nil {
		t.Fatal(err)
	}
	got := last(t, several)
	if name, d := farthest(want, got); d > 1e-5 {
		t.Errorf("2 ranks: %s differs by %.3g", name, d)
	}
	sameScores(t, want, got)
	a, err1 := progressOf(want.Meta)
	b, err2 := progressOf(got.Meta)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-5 }
	if !near(a.Last.MAP, b.Last.MAP) ||
		a.Last.MAP == 0 ||
		!near(a.Last.Plain.F1, b.Last.Plain.F1) ||
		len(a.Thresholds) != 3 ||
		!slices.EqualFunc(a.Thresholds, b.Thresholds, near) {
		t.Errorf("got %+v with thresholds %v, want %+v with %v", b.Last, b.Thresholds, a.Last, a.Thresholds)
	}
	if text := want.Meta["thresholds"]; !strings.HasPrefix(text, "[0.") {
		t.Errorf("the checkpoint has the thresholds %q", text)
	}
}
