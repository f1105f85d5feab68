package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/kernels"
)

// newTrainer makes a run without a folder.
func newTrainer(t *testing.T, c *configs.Config) *trainer {
	t.Helper()
	tr := &trainer{config: c, ranks: ranks{collective.Single{}}, pool: kernels.NewPool(2)}
	t.Cleanup(tr.pool.Close)
	var err error
	if tr.train, err = sets.Open(t.Context(), c.Data, true); err != nil {
		t.Fatal(err)
	}
	if err := tr.makeTask(); err != nil {
		t.Fatal(err)
	}
	return tr
}

// The statistics become the mean over the batches, whatever they were before. An interrupt leaves them unchanged.
func TestPreciseBN(t *testing.T) {
	tr := newTrainer(t, load(t, stripes(t, 40, 10), "train.precise_bn=31", "augment.mixup=1"))
	norms := tr.task.store().Norms
	before := norms[0].Eps
	loader, err := tr.loaderFor(0)
	if err != nil {
		t.Fatal(err)
	}
	program, err := tr.task.(*classification).runner.Statistics(8, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	mean := make([]float64, len(norms[1].RunningMean))
	it := loader.Epoch(context.Background(), 0, 0)
	for range 3 { // 31 images are 3 full batches and one more
		b, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range norms {
			n.Momentum = 1
			clear(n.RunningMean)
		}
		if err := program.Measure(b.Images); err != nil {
			t.Fatal(err)
		}
		for i, m := range norms[1].RunningMean {
			mean[i] += float64(m) / 3
		}
	}
	it.Close()
	for _, n := range norms {
		n.Momentum, *n.Tracked = 0.1, 7
	}
	var first []float32
	for round := range 2 {
		if err := tr.preciseBN(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := norms[1].RunningMean
		for i, want := range mean {
			if math.Abs(float64(got[i])-want) > 1e-5*math.Abs(want)+1e-6 {
				t.Errorf("channel %d has the mean %v, want %v", i, got[i], want)
			}
		}
		if round == 1 && !slices.Equal(first, got) {
			t.Error("measured again, the statistics differ")
		}
		first = slices.Clone(got)
	}
	if n := norms[1]; n.Momentum != 0.1 || *n.Tracked != 7 || n.Eps != before {
		t.Errorf("the norm is left with momentum %v and %d batches", n.Momentum, *n.Tracked)
	}
	norms[1].RunningMean[0] = 42
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.preciseBN(ctx); !errors.Is(err, ErrInterrupted) || norms[1].RunningMean[0] != 42 {
		t.Errorf("interrupted: %v, mean %v", err, norms[1].RunningMean[0])
	}
}

// Training images have the smaller size up to the epoch of the switch.
func TestMultiScale(t *testing.T) {
	tr := newTrainer(t, load(t, stripes(t, 16, 10), "data.multi_scale=24_2"))
	for epoch, want := range []int{24, 24, 32, 32} {
		loader, err := tr.loaderFor(epoch)
		if err != nil {
			t.Fatal(err)
		}
		it := loader.Epoch(context.Background(), epoch, 0)
		b, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		if b.Height != want || b.Width != want {
			t.Errorf("epoch %d has %d×%d images, want %d", epoch, b.Height, b.Width, want)
		}
		it.Close()
	}
}

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		monitor string
		delta   float64
		scores  []float64
		want    string // evaluations without a better one
	}{
		{"top1", 0, []float64{10, 20, 20, 15, 21, 3}, "[0 0 1 2 0 1]"},
		{"top1", 2, []float64{10, 11, 12, 13, 14}, "[0 1 2 0 1]"},
		{"loss", 0.5, []float64{3, 2.8, 2.4, 2.4, 1}, "[0 1 0 1 0]"},
	} {
		var p Progress
		var got []int
		for _, v := range c.scores {
			p.wait(Score{Result: eval.Result{Top1: v, Loss: v}}, c.monitor, c.delta)
			got = append(got, p.Stale)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// If a model becomes NaN in the last step of an epoch, its evaluation finds it. No record or checkpoint could
// hold NaN.
func TestDivergedInValidation(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t), "optim.lr=1e30", "sched.warmup_epochs=0", "train.epochs=1",
		"train.batch_size=64", "train.accum_steps=1")
	dir := filepath.Join(t.TempDir(), "run")
	_, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard})
	var diverged *DivergedError
	if !errors.As(err, &diverged) || !strings.Contains(err.Error(), "validation images the loss is NaN") {
		t.Errorf("error %v", err)
	}
	if !(checkpoints.Folder{Dir: CheckpointDir(dir)}).Empty() {
		t.Error("it was saved")
	}
}

// Standing describes how far a run is.
func TestStanding(t *testing.T) {
	for _, c := range []struct{ progress, want string }{
		{`{"epoch":0,"step":0,"batches":0}`, "after 0 epochs"},
		{`{"epoch":1,"step":0,"batches":9}`, "after 1 epoch"},
		{`{"epoch":2,"step":0,"batches":9}`, "after 2 epochs"},
	} {
		t.Run(c.progress, func(t *testing.T) {
			if got, err := Standing(c.progress); err != nil || got != c.want {
				t.Errorf("%s: %q, %v; want %q", c.progress, got, err, c.want)
			}
		})
	}
	if _, err := Standing(`{"epoch":-1}`); err == nil {
		t.Error("epoch -1")
	}
}
