package train

import (
	"context"
	"io"
	"path/filepath"
	"testing"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph"
	"fasternet/internal/flat"
	"fasternet/internal/ramdisk"
	"fasternet/kernels"
)

const tinyRun = `
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3], workers: 1}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 200, batch_size: 8, val_batch_size: 6, log_interval: 1}
checkpoint: {every_epochs: 20}
log: {histogram_interval: 5}
threads: 1
`

const (
	tinyBackbone = "model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, in_chans: 1, drop_path_rate: 0.2}\n"
	tinyViT      = "model: {name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: " +
		"8, mlp_ratio: 2, in_chans: 1}\n"
	tinySwin = "model: {name: swin, embed_dim: 8, depths: [2, 2], num_heads: [1, 2], patch_size: " +
		"4, window_size: 4, in_chans: 1}\n"
	tinyMIM = "task: localmim\nmim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 8, decoder_heads: " +
		"2, picture_interval: 20}\n"
)

// 200 epochs with evaluations leave no memory in use, for every family, and with everything that runs besides
// training.
func TestMemoryOfEvaluations(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for 200 epochs")
	}
	images := stripes(t, 16, 10)
	run := func(c *configs.Config, observe func(Status)) string {
		t.Helper()
		dir := filepath.Join(ramdisk.Dir(t), "run")
		if _, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard, Observe: observe}); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	parse := func(text string, settings ...string) *configs.Config {
		t.Helper()
		c, err := configs.Parse("tiny.yaml", text+tinyRun, append([]string{"data.dir=" + images}, settings...)...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	teacher := run(parse(tinyBackbone, "train.epochs=1"), nil)
	for _, c := range []struct {
		name, text string
		settings   []string
	}{
		{"fasternet", tinyBackbone, nil},
		{"fasternet with all", tinyBackbone, []string{
			"ema.decay=0.9", "train.precise_bn=16", "distill.type=soft", "distill.teacher=" + teacher,
			"data.multi_scale=24_10", "train.grad_checkpointing=true",
			"augment.mixup=0.8", "checkpoint.top_k=2"}},
		{"fasternet bf16", tinyBackbone, []string{"precision=bf16"}},
		{"vit", tinyViT, []string{"ema.decay=0.9", "distill.type=hard", "distill.teacher=" + teacher}},
		{"swin", tinySwin, []string{"ema.decay=0.9"}},
		{"localmim vit", tinyMIM + tinyViT, []string{"mim.mask_unit=8"}},
		{
			"localmim fasternet", tinyMIM + tinyBackbone,
			[]string{
				"mim.mask_unit=8", "ema.decay=0.9", "mim.scales=[2, 1]", "model.drop_path_rate=0",
				"train.precise_bn=16",
			},
		},
		{"localmim swin", tinyMIM + tinySwin, []string{"mim.mask_unit=8", "ema.decay=0.9", "mim.scales=[1, 1]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := parse(c.text, c.settings...)
			if config.Precision == "bf16" && kernels.Default().BF16() == "" {
				t.Skip("no bf16 here")
			}
			watch := flat.New(t, config.Train.Epochs)
			run(config, func(s Status) {
				if s.Step == s.Steps {
					watch.Round()
				}
			})
			watch.Check()
		})
	}
}

// watched is a task that reports every batch.
type watched struct {
	task
	round func()
}

func (w watched) gradients(b *data.Batch, at graph.Position) (float32, []float64, error) {
	loss, scales, err := w.task.gradients(b, at)
	w.round()
	return loss, scales, err
}

// A learning-rate search covers many epochs of a small data set.
func TestMemoryOfFindLR(t *testing.T) {
	c := load(t, stripes(t, 24, 10), "augment.mixup=0.8")
	tr := &trainer{
		config: c,
		ranks:  ranks{collective.Single{}},
		show:   NewDisplay(io.Discard),
		began:  clock(),
		pool:   kernels.NewPool(1),
	}
	defer tr.pool.Close()
	if err := tr.lookFor(t.Context()); err != nil {
		t.Fatal(err)
	}
	const steps = 300
	watch := flat.New(t, steps)
	tr.task = watched{tr.task, watch.Round}
	points, err := tr.sweep(context.Background(), FindOptions{Min: 1e-7, Max: 1e-3, Steps: steps})
	if err != nil || len(points) != steps {
		t.Fatalf("%d steps, %v", len(points), err)
	}
	watch.Check()
}
