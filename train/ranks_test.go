package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
	"fasternet/internal/ramdisk"
)

// member holds the arguments of one of several ranks.
type member struct {
	ctx    context.Context
	config configs.Config
	Options
}

// ranked trains with n ranks in one process, and returns their errors. A rank that has ended the job has none,
// because it did not return.
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

// farthest returns the tensor of weights, averages or statistics that differs most between checkpoints,
// relative to its norm or to the norm of values of 0.001. All moments count as one tensor: some gradients,
// which the next norm cancels, are nothing but rounding.
func farthest(a, b *checkpoints.File) (name string, by float64) {
	const moments = "optimizer's moments"
	diffs, norms, least := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, x := range a.Tensors {
		y, ok := b.Lookup(x.Name)
		if !ok || len(x.F32) != len(y.F32) {
			return x.Name, math.Inf(1)
		}
		name := x.Name
		if strings.HasPrefix(name, checkpoints.OptimizerPrefix) {
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

// With one batch and one sequence of random draws, the number of ranks does not matter: after 20 steps weights,
// averages, statistics, moments, losses and evaluations equal one rank's, except for the order of sums.
func TestRanks(t *testing.T) {
	data := noise(t)
	models := maps.Clone(small)
	models["localmim of a swin, masks of images"] = strings.Replace(small["localmim of a swin"], "mim: {",
		"mim: {mask_per: sample, ", 1)
	for name, model := range models {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{
				"optim.opt=momentum", "optim.lr=0.01", "optim.clip_grad=1", "ema.decay=0.9", "train.epochs=5",
				"train.sync_batchnorm=true",
				"train.val_batch_size=6", "train.val_interval=3", "threads=1", "data.workers=1",
				"checkpoint.every_steps=0", "log.tensorboard=false", "checkpoint.top_k=2",
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

// sameScores compares the losses and evaluations of two runs.
func sameScores(t *testing.T, want, got *checkpoints.File) {
	t.Helper()
	w, err1 := progressOf(want.Meta)
	g, err2 := progressOf(got.Meta)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(a) }
	if !near(w.Last.TrainLoss, g.Last.TrainLoss) ||
		!near(w.Last.Loss, g.Last.Loss) ||
		w.Last.Top1 != g.Last.Top1 ||
		w.Last.Count != g.Last.Count ||
		w.Best.Epoch != g.Best.Epoch || w.Batches != g.Batches || w.Updates != g.Updates {
		t.Errorf("got %+v, want %+v", g, w)
	}
}

// Settings that act on a batch, a step or the weights also work with ranks.
func TestRanksWithSettings(t *testing.T) {
	images := stripes(t, 72, 22)
	teacher := filepath.Join(ramdisk.Dir(t), "teacher")
	if _, err := Run(
		context.Background(),
		load(t, images, "train.epochs=1", "sched.warmup_epochs=0", "data.std=[0.4]"),
		Options{Dir: teacher},
	); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{
			"accumulation, views, decays",
			[]string{
				"train.accum_steps=3", "augment.repeats=3", "optim.layer_decay=0.7", "augment.mixup=0",
				"augment.mixup_mode=elem", "augment.cutmix=1", "ema.decay=0.9", "ema.warmup=true",
			},
		},
		{
			"precise norms, frozen, bce",
			[]string{
				"train.precise_bn=20", "train.frozen_stages=1", "loss.name=bce", "optim.clip_mode=agc",
				"optim.clip_grad=0.1", "augment.mixup_mode=pair", "augment.mixup=0.5",
			},
		},
		{
			"hard teacher",
			[]string{"distill.type=hard", "distill.teacher=" + teacher, "sched.form=timm", "sched.on_updates=true"},
		},
		{
			"soft teacher",
			[]string{
				"distill.type=soft", "distill.teacher=" + teacher, "augment.mixup=0.3", "loss.name=bce",
				"loss.sum_classes=true",
			},
		},
		{
			"sizes, blocks computed twice",
			[]string{
				"train.grad_checkpointing=true", "data.multi_scale=24_1", "augment.mixup=0.3",
				"augment.erasing.prob=0.5", "optim.clip_mode=value", "optim.clip_grad=0.05",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, images, append(test.settings, "train.sync_batchnorm=true", "optim.opt=momentum",
				"optim.lr=0.01", "threads=1", "train.epochs=2", "sched.warmup_epochs=0",
				"train.val_batch_size=4")...)
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

// One of four ranks stops a run in the middle of an epoch; one and two ranks resume it. The result equals the
// result of one rank.
func TestRanksResume(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "optim.opt=momentum", "optim.lr=0.01",
		"train.sync_batchnorm=true", "ema.decay=0.9", "threads=1")
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
	if p, err := progressOf(last(t, stopped).Meta); err != nil || p.Batches != 3 || p.LossCount != 48 {
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

// With the same number of ranks the bits are the same, whatever else differs.
func TestRanksReproducible(t *testing.T) {
	data := noise(t)
	var want *checkpoints.File
	for _, settings := range [][]string{
		{"threads=1", "data.workers=3"},
		{"threads=2", "data.workers=1", "data.prefetch=5"},
	} {
		dir := filepath.Join(ramdisk.Dir(t), "run")
		err := errors.Join(ranked(3, smallConfig(t, small["fasternet"], data, settings...), Options{Dir: dir}, nil)...)
		if err != nil {
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

// Without sync_batchnorm, the first norm with reduce has the mean of the shares' means, which is the mean of
// the batch; with broadcast it has the mean of rank 0's share.
func TestDistBN(t *testing.T) {
	data := noise(t)
	run := func(n int, settings ...string) []float32 {
		c := smallConfig(t, small["fasternet"], data, append(settings, "train.epochs=1", "sched.warmup_epochs=0",
			"optim.lr=1e-12", "train.batch_size=64", "threads=1", "ema.decay=0.5")...)
		dir := filepath.Join(ramdisk.Dir(t), "run")
		if err := errors.Join(ranked(n, c, Options{Dir: dir}, nil)...); err != nil {
			t.Fatal(err)
		}
		f := last(t, dir)
		live, _ := f.Lookup("patch_embed.norm.running_mean")
		average, _ := f.Lookup(checkpoints.EMAPrefix + "patch_embed.norm.running_mean")
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
