package train

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
)

// An image that cannot be read does not end the evaluation of a pre-training that
// passes over such, and is counted.
func TestPretrainingSkips(t *testing.T) {
	dir := t.TempDir()
	for part, n := range map[string]int{"train": 8, "val": 4} {
		for i := range n {
			img := image.NewGray(image.Rect(0, 0, 40, 40))
			for p := range img.Pix {
				img.Pix[p] = uint8(p*(i+3) + p/40*i)
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "data", part, "all", fmt.Sprintf("%d.png", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if part == "val" && i == 2 {
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
	for _, want := range []string{"2.png", "another image takes its place", "1 of 4 validation images could not be read"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q is there %d times in\n%s", want, strings.Count(log, want), log)
		}
	}
	if _, _, err := run("refused", "error"); err == nil || !strings.Contains(err.Error(), "2.png") {
		t.Errorf("without skipping: %v", err)
	}
}
