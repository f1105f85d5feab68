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
	"strconv"
	"strings"
	"sync"
	"testing"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
	"fasternet/internal/ramdisk"
	"fasternet/model"
	"fasternet/ops"
)

// member is what one of several ranks is started with.
type member struct {
	ctx    context.Context
	config configs.Config
	Options
}

// ranked trains with n ranks in one process. It returns their errors: of one that has
// ended the job none, since it did not come back.
func ranked(n int, c *configs.Config, o Options, change func(rank int, m *member)) []error {
	var all sync.WaitGroup
	errs := make([]error, n)
	for rank, g := range collective.Local(n) {
		m := &member{context.Background(), *c, o}
		if m.Group = g; rank > 0 {
			m.Log = nil
		}
		if change != nil {
			change(rank, m)
		}
		all.Go(func() { _, errs[rank] = Run(m.ctx, &m.config, m.Options) })
	}
	all.Wait()
	return errs
}

// farthest is the tensor, of weights, averages or statistics, that differs most between
// checkpoints, relative to its norm, or to that of values of 0.001. The moments count as one tensor: gradients that
// are nothing but rounding, as those of what the next norm takes away, have no digits.
func farthest(a, b *checkpoints.File) (name string, by float64) {
	const moments = "optimizer's moments"
	diffs, norms, least := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, x := range a.Tensors {
		y, ok := b.Lookup(x.Name)
		if !ok || len(x.F32) != len(y.F32) {
			return x.Name, math.Inf(1)
		}
		name := x.Name
		if strings.HasPrefix(name, model.OptimizerPrefix) {
			name = moments
		}
		for i, v := range x.F32 {
			d := float64(v) - float64(y.F32[i])
			diffs[name] += d * d
			norms[name] += float64(v) * float64(v)
			least[name] += 1e-6
		}
	}
	for n, d := range diffs {
		if d := math.Sqrt(d / max(norms[n], least[n])); !(d <= by) {
			name, by = n, d
		}
	}
	return name, by
}

// For one batch and one sequence of random draws it does not matter how many ranks
// share it: weights, averages, statistics and moments after 20 steps are those of one
// rank, but for the order of sums. So are losses and evaluations.
func TestRanks(t *testing.T) {
	data := noise(t)
	models := maps.Clone(small)
	models["localmim of a swin, masks of images"] = strings.Replace(small["localmim of a swin"], "mim: {", "mim: {mask_per: sample, ", 1)
	for name, model := range models {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{
				"optim.opt=momentum", "optim.lr=0.01", "optim.clip_grad=1", "ema.decay=0.9", "train.epochs=5", "train.sync_batchnorm=true",
				"train.val_batch_size=6", "train.val_interval=3", "threads=1", "data.workers=1", "checkpoint.every_steps=0", "log.tensorboard=false", "checkpoint.top_k=2",
			}
			c := smallConfig(t, model, data, settings...)
			dir := filepath.Join(ramdisk.Dir(t), "one")
			if _, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard}); err != nil {
				t.Fatal(err)
			}
			want := last(t, dir)
			for _, n := range []int{2, 3} {
				dir := filepath.Join(ramdisk.Dir(t), fmt.Sprint(n))
				if err := errors.Join(ranked(n, c, Options{Dir: dir}, nil)...); err != nil {
					t.Fatal(err)
				}
				got := last(t, dir)
				name, d := farthest(want, got)
				if t.Logf("%d ranks: at most %.2g, %s", n, d, name); d > 1e-5 {
					t.Errorf("%d ranks: %s differs by %.3g", n, name, d)
				}
				sameScores(t, want, got)
			}
		})
	}
}

// sameScores compares what two runs know of their losses and evaluations.
func sameScores(t *testing.T, want, got *checkpoints.File) {
	t.Helper()
	w, err1 := readProgress(want)
	g, err2 := readProgress(got)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(a) }
	if !near(w.Last.TrainLoss, g.Last.TrainLoss) || !near(w.Last.Loss, g.Last.Loss) || w.Last.Top1 != g.Last.Top1 || w.Last.Count != g.Last.Count ||
		w.Best.Epoch != g.Best.Epoch || w.Batches != g.Batches || w.Updates != g.Updates {
		t.Errorf("got %+v, want %+v", g, w)
	}
}

// Settings that act on a batch, on a step or on the weights do so with ranks too.
func TestRanksWithSettings(t *testing.T) {
	images := stripes(t, 72, 22)
	teacher := filepath.Join(ramdisk.Dir(t), "teacher")
	if _, err := Run(context.Background(), load(t, images, "train.epochs=1", "sched.warmup_epochs=0", "data.std=[0.4]"), Options{Dir: teacher}); err != nil {
		t.Fatal(err)
	}
	for name, settings := range map[string][]string{
		"accumulation, views, decays":  {"train.accum_steps=3", "augment.repeats=3", "optim.layer_decay=0.7", "augment.mixup=0", "augment.mixup_mode=elem", "augment.cutmix=1", "ema.decay=0.9", "ema.warmup=true"},
		"precise norms, frozen, bce":   {"train.precise_bn=20", "train.frozen_stages=1", "loss.name=bce", "optim.clip_mode=agc", "optim.clip_grad=0.1", "augment.mixup_mode=pair", "augment.mixup=0.5"},
		"hard teacher":                 {"distill.type=hard", "distill.teacher=" + teacher, "sched.form=timm", "sched.on_updates=true"},
		"soft teacher":                 {"distill.type=soft", "distill.teacher=" + teacher, "augment.mixup=0.3", "loss.name=bce", "loss.sum_classes=true"},
		"sizes, blocks computed twice": {"train.grad_checkpointing=true", "data.multi_scale=24_1", "augment.mixup=0.3", "augment.erasing.prob=0.5", "optim.clip_mode=value", "optim.clip_grad=0.05"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, images, append(settings, "train.sync_batchnorm=true", "optim.opt=momentum", "optim.lr=0.01", "threads=1", "train.epochs=2", "sched.warmup_epochs=0", "train.val_batch_size=4")...)
			one, three := filepath.Join(ramdisk.Dir(t), "run"), filepath.Join(ramdisk.Dir(t), "run")
			if _, err := Run(context.Background(), c, Options{Dir: one, Log: io.Discard}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(ranked(3, c, Options{Dir: three}, nil)...); err != nil {
				t.Fatal(err)
			}
			want, got := last(t, one), last(t, three)
			if name, d := farthest(want, got); d > 1e-5 {
				t.Errorf("%s differs by %.3g", name, d)
			}
			sameScores(t, want, got)
		})
	}
}

// A run of four ranks is stopped by one of them, in the middle of an epoch; one and
// two ranks go on. What comes out is what one rank would have made.
func TestRanksResume(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "optim.opt=momentum", "optim.lr=0.01", "train.sync_batchnorm=true", "ema.decay=0.9", "threads=1")
	whole := finished(t, c)
	stopped := filepath.Join(ramdisk.Dir(t), "run")
	errs := ranked(4, c, Options{Dir: stopped}, func(rank int, m *member) {
		if rank == 2 {
			ctx, cancel := context.WithCancelCause(context.Background())
			m.ctx = ctx
			m.Observe = func(s Status) {
				if s.Batches == 3 {
					cancel(ErrTimeLimit)
				}
			}
		}
	})
	for rank, err := range errs {
		if !errors.Is(err, ErrTimeLimit) || !errors.Is(err, ErrInterrupted) {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	if p, err := readProgress(last(t, stopped)); err != nil || p.Batches != 3 || p.LossCount != 48 {
		t.Fatalf("stopped at %+v, %v", p, err)
	}
	for _, n := range []int{1, 2} {
		dir := filepath.Join(ramdisk.Dir(t), "run")
		if err := os.CopyFS(dir, os.DirFS(stopped)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(ranked(n, c, Options{Dir: dir, Resume: true}, nil)...); err != nil {
			t.Fatal(err)
		}
		if name, d := farthest(whole, last(t, dir)); d > 1e-5 {
			t.Errorf("resumed on %d: %s differs by %.3g", n, name, d)
		}
		records, err := (&Folder{Dir: dir}).Records()
		if err != nil || len(records) != 10 || records[9].Synced > 0 != (n > 1) { // 8 steps, 2 epochs
			t.Errorf("%d records, %v", len(records), err)
		}
	}
}

// With one number of ranks the bits are the same, whatever else differs.
func TestRanksReproducible(t *testing.T) {
	data := noise(t)
	var want *checkpoints.File
	for _, settings := range [][]string{{"threads=1", "data.workers=3"}, {"threads=2", "data.workers=1", "data.prefetch=5"}} {
		dir := filepath.Join(ramdisk.Dir(t), "run")
		if err := errors.Join(ranked(3, smallConfig(t, small["fasternet"], data, settings...), Options{Dir: dir}, nil)...); err != nil {
			t.Fatal(err)
		}
		got := last(t, dir)
		if want == nil {
			want = got
		}
		if what := differing(got, want); what != "" {
			t.Errorf("%v: other bits in %s", settings, what)
		}
	}
}

// Without sync_batchnorm the first norm has, with reduce, the mean of the shares'
// means, which is that of the batch; with broadcast that of rank 0's share.
func TestDistBN(t *testing.T) {
	data := noise(t)
	run := func(n int, settings ...string) []float32 {
		c := smallConfig(t, small["fasternet"], data, append(settings, "train.epochs=1", "sched.warmup_epochs=0", "optim.lr=1e-12", "train.batch_size=64", "threads=1", "ema.decay=0.5")...)
		dir := filepath.Join(ramdisk.Dir(t), "run")
		if err := errors.Join(ranked(n, c, Options{Dir: dir}, nil)...); err != nil {
			t.Fatal(err)
		}
		f := last(t, dir)
		live, _ := f.Lookup("patch_embed.norm.running_mean")
		average, _ := f.Lookup(model.EMAPrefix + "patch_embed.norm.running_mean")
		if !slices.Equal(live.F32, average.F32) { // the first step copies
			t.Errorf("%v: the average has %v, not %v", settings, average.F32[:2], live.F32[:2])
		}
		return live.F32
	}
	differ := func(a, b []float32) (most float64) {
		for i, v := range a {
			most = max(most, math.Abs(float64(v-b[i])))
		}
		return most
	}
	want := run(1)
	if d := differ(want, run(2, "train.dist_bn=reduce")); d > 1e-6 {
		t.Errorf("reduce: the mean is off by %g", d)
	}
	if d := differ(want, run(2, "train.dist_bn=broadcast")); d < 1e-5 {
		t.Errorf("broadcast: the mean is off by %g only", d)
	}
}

// What does not fit is said on all ranks, before anything is written.
func TestRanksErrors(t *testing.T) {
	data := noise(t)
	c := smallConfig(t, small["fasternet"], data)
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, LogFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func(dir string) []error{
		"rank 0: data: a batch of 16 samples cannot be shared by 9 ranks: mixup": func(dir string) []error {
			return ranked(9, c, Options{Dir: dir}, nil)
		},
		"rank 1: its setting optim.lr is 0.5, that of rank 0 is 0.003": func(dir string) []error {
			return ranked(2, c, Options{Dir: dir}, func(rank int, m *member) {
				m.config.Threads = 1 + rank // may differ
				if rank == 1 {
					m.config.Optim.LR = 0.5
				}
			})
		},
		"rank 2: its program is new, that of rank 0 is old": func(dir string) []error {
			return ranked(3, c, Options{Dir: dir, Program: "old"}, func(rank int, m *member) {
				if rank == 2 {
					m.Program = "new"
				}
			})
		},
		"rank 1: its training part of the data is 16 images": func(dir string) []error {
			return ranked(2, c, Options{Dir: dir}, func(rank int, m *member) {
				if rank == 1 {
					m.config.Data.Dir = stripes(t, 16, 20)
				}
			})
		},
		"rank 1: data: nowhere: no file": func(dir string) []error {
			return ranked(2, c, Options{Dir: dir}, func(rank int, m *member) {
				if rank == 1 {
					m.config.Data.Dir = "nowhere"
				}
			})
		},
		"rank 0: " + taken + " already holds a run": func(string) []error {
			return ranked(2, c, Options{Dir: taken}, nil)
		},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		for rank, err := range f(dir) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d: %v, want %q", rank, err, want)
			}
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: there is a folder", want)
		}
	}
}

// A rank that fails by itself in the middle of an epoch ends the job: the others are
// told of it where they wait. The last checkpoint is good.
func TestRankFails(t *testing.T) {
	root := t.TempDir()
	for _, part := range []string{"train", "val"} {
		for i := range 12 {
			path := filepath.Join(root, part, "class"+strconv.Itoa(i%2), fmt.Sprintf("%02d.png", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			var content bytes.Buffer
			if err := png.Encode(&content, image.NewGray(image.Rect(0, 0, 36, 36+i))); err != nil {
				t.Fatal(err)
			}
			if part == "train" && i == 7 {
				content.Truncate(content.Len() / 2)
			}
			if err := os.WriteFile(path, content.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := configs.Parse("small", strings.ReplaceAll(small["fasternet"], "in_chans: 1", "in_chans: 3")+"data: {image_size: 32}\nsched: {warmup_epochs: 0}\n"+
		"train: {epochs: 3, batch_size: 4}\ncheckpoint: {every_steps: 1}", "data.dir="+root, "augment.mixup=0", "augment.cutmix=0")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(ramdisk.Dir(t), "run")
	silent := 0
	for rank, err := range ranked(3, c, Options{Dir: dir}, nil) {
		var from *collective.RankError
		switch {
		case err == nil:
			silent = rank
		case !errors.As(err, &from) || !strings.Contains(err.Error(), "07.png") || !strings.Contains(err.Error(), "on_bad_image"):
			t.Errorf("rank %d: %v", rank, err)
		default:
			defer func() {
				if from.Rank != silent {
					t.Errorf("rank %d: the error is of rank %d, that of rank %d ended the job", rank, from.Rank, silent)
				}
			}()
		}
	}
	c.Data.OnBadImage = "skip"
	dir = filepath.Join(ramdisk.Dir(t), "run")
	var log signal
	if err := errors.Join(ranked(3, c, Options{Dir: dir, Log: &log}, nil)...); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.all.String(), "warning: 1 of 12 training images could not be read") {
		t.Errorf("rank 0 does not count the bad image:\n%s", log.all.String())
	}
}

// The error of a step that diverges names the rank whose loss or gradient it was.
func TestRankDiverges(t *testing.T) {
	var all sync.WaitGroup
	for rank, g := range collective.Local(3) {
		all.Go(func() {
			w, v := ops.NewParam("w", 3), ops.NewParam("v", 5, 4)
			tr := &trainer{ranks: ranks{g}}
			b := newBuckets(g, inOrder([]*ops.Param{w, v}, []*ops.Param{v}), 1)
			for step := range 2 {
				for i := range v.GradData() {
					v.GradData()[i] = float32(i)
				}
				w.GradData()[2] = float32(rank)
				if step == 1 && rank == 1 {
					w.GradData()[1] = float32(math.Inf(1))
				}
				b.final(v) // of a batch before the last: nothing is complete
				b.active = true
				b.final(v)
				if b.next != 1 || len(b.list) != 2 {
					t.Errorf("%d of %d buckets are on their way", b.next, len(b.list))
				}
				if err := b.wait(); err != nil { // w has had no gradient
					t.Error(err)
				}
				if got := v.GradData()[19]; got != 3*19 || w.GradData()[2] != 3 || b.broken != (step == 1 && rank == 1) {
					t.Errorf("rank %d, step %d: sums %v and %v, broken %v", rank, step, got, w.GradData(), b.broken)
				}
			}
			err := tr.diverged(&DivergedError{Epoch: 1, Step: 2, Loss: 1, GradNorm: math.Inf(1)}, b.broken, []int{10 * rank})
			if want := "training diverged on rank 1 in epoch 2, step 3 (samples [10] …): the gradient norm is +Inf"; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("rank %d: %v", rank, err)
			}
		})
	}
	all.Wait()
}

// A run that diverges does so on all ranks.
func TestRanksDiverge(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t), "optim.lr=1e30", "sched.warmup_epochs=0", "sched.form=constant")
	for rank, err := range ranked(2, c, Options{Dir: filepath.Join(ramdisk.Dir(t), "run")}, nil) {
		var diverged *DivergedError
		if !errors.As(err, &diverged) || diverged.Rank == "" {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}
