package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
	"fasternet/internal/ramdisk"
	"fasternet/model"
)

// ranked trains with n ranks in one process. It returns the errors of the ranks; nil
// also for one that has ended the job.
func ranked(n int, c *configs.Config, o Options, change func(rank int, c *configs.Config, o *Options)) []error {
	var all sync.WaitGroup
	errs := make([]error, n)
	for rank, g := range collective.Local(n) {
		c, o := *c, o
		if o.Group = g; rank > 0 || o.Log == nil {
			o.Log = io.Discard
		}
		if change != nil {
			change(rank, &c, &o)
		}
		all.Go(func() { _, errs[rank] = Run(context.Background(), &c, o) })
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
	for name, model := range small {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []string{
				"optim.opt=momentum", "optim.lr=0.01", "optim.clip_grad=1", "ema.decay=0.9", "train.epochs=5", "train.sync_batchnorm=true",
				"train.val_batch_size=6", "threads=1", "data.workers=1", "checkpoint.every_steps=0", "log.tensorboard=false", "checkpoint.top_k=2",
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
