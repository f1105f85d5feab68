package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/internal/ramdisk"
)

// An unreadable image does not end the evaluation of a pre-training with on_bad_image: skip, and is counted.
func TestPretrainingSkips(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		part string
		n    int
	}{{"train", 8}, {"val", 4}} {
		for i := range test.n {
			img := image.NewGray(image.Rect(0, 0, 40, 40))
			for p := range img.Pix {
				img.Pix[p] = uint8(p*(i+3) + p/40*i)
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "data", test.part, "all", fmt.Sprintf("%d.png", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if test.part == "val" && i == 2 {
				b.Truncate(b.Len() / 2)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(name, onBad string) (Outcome, string, error) {
		c, err := configs.Parse("test", `
task: localmim
model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2, in_chans: 1}
mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2}
data: {image_size: 32, mean: [0.3], std: [0.3]}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 2, batch_size: 4, val_batch_size: 2}
log: {tensorboard: false}
`, "data.dir="+filepath.Join(dir, "data"), "data.on_bad_image="+onBad)
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		out, err := Run(context.Background(), c, Options{Dir: filepath.Join(dir, name), Log: &log})
		return out, log.String(), err
	}
	out, log, err := run("skipped", "skip")
	if err != nil || out.Count != 4 || out.Epochs != 2 {
		t.Fatalf("%+v, %v\n%s", out, err, log)
	}
	for _, want := range []string{"2.png", "another image replaces it", "1 of 4 validation images could not be read"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q is there %d times in\n%s", want, strings.Count(log, want), log)
		}
	}
	if _, _, err := run("refused", "error"); err == nil || !strings.Contains(err.Error(), "2.png") {
		t.Errorf("without skipping: %v", err)
	}
}

// Evaluation gives the same bits for every batch size, also with a smaller last batch, and if a training batch
// has one mask for all of its images.
func TestValBatchSize(t *testing.T) {
	folder := noise(t)
	for _, name := range slices.Sorted(maps.Keys(small)) {
		model := small[name]
		var first eval.Result
		var scales []float64
		for i, batch := range []int{20, 1, 7, 64} {
			tr := newTrainer(t, smallConfig(t, model, folder, fmt.Sprintf("train.val_batch_size=%d", batch)))
			var err error
			if tr.val, err = sets.Open(t.Context(), tr.config.Data, false); err != nil {
				t.Fatal(err)
			}
			switch task := tr.task.(type) {
			case *classification:
				task.val = tr.val
			case *pretraining:
				task.val, task.replaced = tr.val, func([]data.BadSample) {}
			}
			got, err := tr.task.evaluate(t.Context(), tr.ranks, func(int) {})
			if err != nil || got.Count != 20 || !(got.Loss > 0) {
				t.Fatalf("%s: %+v, %v", name, got, err)
			}
			if i == 0 {
				first = got
			}
			if math.Float64bits(got.Loss) != math.Float64bits(first.Loss) || got != first {
				t.Errorf("%s in batches of %d: %+v, want %+v", name, batch, got, first)
			}
			if task, ok := tr.task.(*pretraining); ok {
				if i == 0 {
					scales = task.scales
				}
				sum := 0.0
				for k, l := range task.scales {
					if sum += l; l != scales[k] {
						t.Errorf("%s in batches of %d: scale %d has %v, want %v", name, batch, k+1, l, scales[k])
					}
				}
				if math.Abs(sum-got.Loss) > 1e-12*sum {
					t.Errorf("%s: the scales %v are not %v", name, task.scales, got.Loss)
				}
			}
		}
	}
}

// A run is asked to stop when a picture and histograms are due. After the resume they exist, once.
func TestStopWhenPicturesAreDue(t *testing.T) {
	if testing.Short() {
		t.Skip("stops and resumes many runs")
	}
	folder := noise(t)
	c := smallConfig(t, small["localmim of a vit"], folder, "mim.picture_interval=1", "log.histogram_interval=1",
		"checkpoint.every_steps=0", "data.workers=1", "threads=1")
	whole := filepath.Join(ramdisk.Dir(t), "run")
	if _, err := Run(context.Background(), c, Options{Dir: whole, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{
		"epoch_1000x gradients/cls_token 1000 ", "epoch_1000x weights/cls_token 2000 ",
		"epoch_1000x reconstructions 2000 ",
	} {
		n := 0
		for key := range events(t, whole) {
			if strings.HasPrefix(key, what) {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("an undisturbed run has %q %d times", what, n)
		}
	}
	// After the last step of the first epoch, during and after its evaluation, and in the next epoch.
	for questions := 4; ; questions++ {
		dir := filepath.Join(ramdisk.Dir(t), "run")
		_, err := Run(stopAfter(questions), c, Options{Dir: dir, Log: io.Discard})
		if err == nil && questions > 8 {
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("after %d questions: %v", questions, err)
		}
		if _, err := Run(context.Background(), c, Options{Dir: dir, Resume: true, Log: io.Discard}); err != nil {
			t.Fatal(err)
		}
		sameEvents(t, fmt.Sprintf("stopped after %d questions", questions), dir, whole)
		for _, epoch := range []int{1, 2} {
			name := filepath.Join(SamplesFolder, fmt.Sprintf("epoch-%03d.png", epoch))
			a, err1 := os.ReadFile(filepath.Join(dir, name))
			b, err2 := os.ReadFile(filepath.Join(whole, name))
			if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("stopped after %d questions: %s differs, %v", questions, name, err1)
			}
		}
	}
}
