package train

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/model"
)

// stripes makes a small data set in the format of Fashion-MNIST: stripes in two directions and five degrees of
// brightness.
func stripes(t *testing.T, train, val int) string {
	t.Helper()
	dir := t.TempDir()
	idx := func(name string, data []byte, dims ...int) {
		out := []byte{0, 0, 8, byte(len(dims))}
		for _, d := range dims {
			out = binary.BigEndian.AppendUint32(out, uint32(d))
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(out, data...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		n    int
	}{{"train", train}, {"t10k", val}} {
		images, labels := make([]byte, c.n*784), make([]byte, c.n)
		for i := range c.n {
			class := i * 7 % 10
			labels[i] = byte(class)
			for p := range 784 {
				at := p % 28
				if class >= 5 {
					at = p / 28
				}
				if (at+i)%4 < 2 {
					images[i*784+p] = byte(50 + 45*(class%5) + (p+i)%7)
				}
			}
		}
		idx(c.name+"-images-idx3-ubyte", images, c.n, 28, 28)
		idx(c.name+"-labels-idx1-ubyte", labels, c.n)
	}
	return dir
}

const tinyStudent = `
model:
  {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2, in_chans: 1,
   drop_path_rate: 0.2, init_std: 0.1}
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3]}
augment: {padding: 1}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 3, batch_size: 8, val_batch_size: 30, log_interval: 1}
`

func load(t *testing.T, dir string, settings ...string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("tiny.yaml", tinyStudent, append([]string{"data.dir=" + dir}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signal is a log that calls f at the first line that contains a text.
type signal struct {
	text string
	f    func()
	all  strings.Builder
}

func (s *signal) Write(b []byte) (int, error) {
	s.all.Write(b)
	if s.f != nil && strings.Contains(string(b), s.text) {
		s.f()
		s.f = nil
	}
	return len(b), nil
}

// interrupted runs a configuration up to a line of its log.
func interrupted(t *testing.T, c *configs.Config, dir, at string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := &signal{text: at, f: cancel}
	if _, err := Run(ctx, c, Options{Dir: dir, Resume: true, Log: log}); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("stopped at %q: %v\n%s", at, err, log.all.String())
	}
}

func last(t *testing.T, dir string) *checkpoints.File {
	t.Helper()
	f, err := checkpoints.Read(filepath.Join(dir, "checkpoints", checkpoints.Last))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func same(t *testing.T, what string, a, b *checkpoints.File) {
	t.Helper()
	if len(a.Tensors) != len(b.Tensors) {
		t.Fatalf("%s: %d and %d tensors", what, len(a.Tensors), len(b.Tensors))
	}
	for i, x := range a.Tensors {
		if y := b.Tensors[i]; fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("%s: tensor %s differs", what, x.Name)
		}
	}
	if a.Meta[ProgressKey] != b.Meta[ProgressKey] {
		t.Errorf("%s: progress %s and %s", what, a.Meta[ProgressKey], b.Meta[ProgressKey])
	}
}

// A run is interrupted in an epoch or in an evaluation, and resumed with another number of threads and with
// grad_checkpointing. It ends with the same bits as an uninterrupted run.
func TestResumeWithEverything(t *testing.T) {
	dir := stripes(t, 84, 20) // 10 batches of 8; the last step has one batch
	teacher := filepath.Join(t.TempDir(), "teacher")
	if _, err := Run(
		context.Background(),
		load(t, dir, "train.epochs=1", "model.embed_dim=12", "data.mean=[0.2]"),
		Options{Dir: teacher, Log: io.Discard},
	); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		settings []string
	}{
		{
			"lamb",
			[]string{
				"optim.opt=lamb", "optim.clip_mode=agc", "optim.clip_grad=0.1", "distill.type=soft",
				"distill.tau=2", "train.frozen_stages=0", "optim.layer_decay=0.8",
			},
		},
		{
			"sgd",
			[]string{
				"optim.opt=sgd", "optim.clip_mode=value", "optim.clip_grad=0.01", "loss.name=bce",
				"loss.threshold=0.2", "distill.type=hard", `train.frozen=["stages.0.*", "*.bias"]`,
			},
		},
		{
			"lars",
			[]string{
				"optim.opt=lars", "optim.clip_grad=1", "optim.lr=1", "sched.form=step", "sched.decay_epochs=1",
				"sched.cooldown_epochs=1", "distill.type=hard",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := func(threads string, more ...string) *configs.Config {
				return load(t, dir, append(append([]string{
					"threads=" + threads, "train.accum_steps=3", "ema.decay=0.9", "ema.warmup=true",
					"train.precise_bn=20", "train.patience=2", "train.min_delta=50",
					"train.epochs=4", "data.multi_scale=24_2", "augment.mixup=0.2", "augment.cutmix=1",
					"distill.teacher=" + teacher, "distill.alpha=0.4",
				}, c.settings...), more...)...)
			}
			whole, broken := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "broken")
			log := &signal{}
			outcome, err := Run(context.Background(), config("1"), Options{Dir: whole, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			if !outcome.EMA || !outcome.Early || outcome.Epochs != 3 {
				t.Errorf("outcome %+v", outcome)
			}
			text := log.all.String()
			for _, want := range []string{
				"distillation from", "averaged weights", "ends early", "after epoch 3", "step 10/10",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("the log has no %q:\n%s", want, text)
				}
			}
			interrupted(t, config("2"), broken, "epoch 1/4 step 6/10")
			interrupted(t, config("1"), broken, "epoch 2/4 step 10/10") // ends in the evaluation
			interrupted(t, config("2", "train.grad_checkpointing=true"), broken, "epoch 3/4 step 3/10")
			if _, err := Run(context.Background(), config("2"), Options{
				Dir:    broken,
				Resume: true,
				Log:    io.Discard,
			}); err != nil {
				t.Fatal(err)
			}
			same(t, c.name, last(t, whole), last(t, broken))
			again := filepath.Join(t.TempDir(), "again")
			if _, err := Run(context.Background(), config("1", "train.grad_checkpointing=true"), Options{
				Dir: again,
				Log: io.Discard,
			}); err != nil {
				t.Fatal(err)
			}
			same(t, c.name+", checkpointed", last(t, whole), last(t, again))
			best := func(dir string) *checkpoints.File {
				f, err := checkpoints.Read(filepath.Join(dir, "checkpoints", checkpoints.Best))
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			same(t, c.name+", best", best(whole), best(broken))
			// Others read the average, unless they ask for the last weights.
			plain, err := model.Open(whole, model.LoadOptions{Weights: torch.Plain})
			if err != nil {
				t.Fatal(err)
			}
			avg, err := model.Open(whole, model.LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a, _ := plain.Model.Store().Lookup("head.weight")
			b, _ := avg.Model.Store().Lookup("head.weight")
			if fmt.Sprint(a.Param.Data()) == fmt.Sprint(b.Param.Data()) {
				t.Error("the averaged weights equal the last step's")
			}
		})
	}
}

// A time limit ends a run as an interrupt does.
func TestTimeLimit(t *testing.T) {
	dir, run := stripes(t, 40, 10), filepath.Join(t.TempDir(), "run")
	log := &signal{}
	_, err := Run(context.Background(), load(t, dir), Options{Dir: run, Log: log, MaxTime: time.Nanosecond})
	if !errors.Is(err, ErrInterrupted) ||
		!errors.Is(err, ErrTimeLimit) ||
		!strings.Contains(log.all.String(), "by the time limit in epoch 1 after step 1") {
		t.Errorf("%v\n%s", err, log.all.String())
	}
	if p, err := progressOf(last(t, run).Meta); err != nil || p.Updates != 1 {
		t.Errorf("progress %+v, %v", p, err)
	}
}

// A pre-training with averaged weights, frozen parameters and another optimizer also resumes to the same bits.
func TestPretrainingRecipe(t *testing.T) {
	dir := stripes(t, 40, 10)
	config := func(threads string) *configs.Config {
		c, err := configs.Parse("mim.yaml", `
task: localmim
model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2, in_chans: 1}
mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2, picture_interval: 0}
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3]}
augment: {padding: 1}
optim: {opt: lamb, lr: 0.01, weight_decay_on: no-1d-tables}
sched: {form: linear, on_updates: true, warmup_epochs: 0}
ema: {decay: 0.9}
train: {epochs: 2, batch_size: 8, val_batch_size: 10, log_interval: 1, patience: 5, frozen: ["patch_embed.*"]}
`, "data.dir="+dir, "threads="+threads)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole, broken := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "broken")
	log := &signal{}
	if _, err := Run(context.Background(), config("1"), Options{Dir: whole, Log: log}); err != nil {
		t.Fatal(err)
	}
	text := log.all.String()
	if !strings.Contains(text, "frozen: 2 tensors") || strings.Count(text, "averaged weights: validation loss") != 2 {
		t.Errorf("the log:\n%s", text)
	}
	interrupted(t, config("2"), broken, "epoch 2/2 step 2/5")
	if _, err := Run(context.Background(), config("1"), Options{
		Dir:    broken,
		Resume: true,
		Log:    io.Discard,
	}); err != nil {
		t.Fatal(err)
	}
	same(t, "pre-training", last(t, whole), last(t, broken))
}
