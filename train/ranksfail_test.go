package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/internal/ramdisk"
	"fasternet/ops"
)

// All ranks report what does not fit, before anything is written.
func TestRanksErrors(t *testing.T) {
	data := noise(t)
	c := smallConfig(t, small["fasternet"], data)
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, LogFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		f    func(dir string) []error
	}{
		{"rank 0: data: a batch of 16 samples cannot be shared by 9 ranks: mixup", func(dir string) []error {
			return ranked(9, c, Options{Dir: dir}, nil)
		}},
		{"rank 1: its setting optim.lr is 0.5, but rank 0 has 0.003", func(dir string) []error {
			return ranked(2, c, Options{Dir: dir}, func(rank int, m *member) {
				m.config.Threads = 1 + rank // may differ
				if rank == 1 {
					m.config.Optim.LR = 0.5
				}
			})
		}},
		{"rank 2: its program is new, but rank 0 has old", func(dir string) []error {
			return ranked(3, c, Options{Dir: dir, Program: "old"}, func(rank int, m *member) {
				if rank == 2 {
					m.Program = "new"
				}
			})
		}},
		{"rank 1: its training part of the data is 16 images", func(dir string) []error {
			return ranked(2, c, Options{Dir: dir}, func(rank int, m *member) {
				if rank == 1 {
					m.config.Data.Dir = stripes(t, 16, 20)
				}
			})
		}},
		{"rank 1: data.dir: nowhere: no such folder", func(dir string) []error {
			return ranked(2, c, Options{Dir: dir}, func(rank int, m *member) {
				if rank == 1 {
					m.config.Data.Dir = "nowhere"
				}
			})
		}},
		{"rank 0: " + taken + " already has a run", func(string) []error {
			return ranked(2, c, Options{Dir: taken}, nil)
		}},
	} {
		t.Run(test.want, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			for rank, err := range test.f(dir) {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("rank %d: %v, want %q", rank, err, test.want)
				}
			}
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s: there is a folder", test.want)
			}
		})
	}
}

// A rank that fails in the middle of an epoch ends the job. The others learn of it where they wait. The last
// checkpoint is good.
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
	c, err := configs.Parse("small", strings.ReplaceAll(small["fasternet"], "in_chans: 1",
		"in_chans: 3")+"data: {image_size: 32}\nsched: {warmup_epochs: 0}\n"+
		"train: {epochs: 3, batch_size: 4}\ncheckpoint: {every_steps: 1}", "data.dir="+
		root, "augment.mixup=0", "augment.cutmix=0")
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
		case !errors.As(err, &from) ||
			!strings.Contains(err.Error(), "07.png") ||
			!strings.Contains(err.Error(), "on_bad_image"):
			t.Errorf("rank %d: %v", rank, err)
		default:
			defer func() {
				if from.Rank != silent {
					t.Errorf("rank %d: the error is of rank %d, but rank %d ended the job", rank, from.Rank, silent)
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

// An interrupt on a single rank ends an evaluation, and the measurement of norms before it, on all ranks.
func TestRankInterruptsEvaluation(t *testing.T) {
	images := stripes(t, 24, 22)
	for _, precise := range []string{"0", "16"} {
		c := load(t, images, "train.precise_bn="+precise, "train.val_batch_size=4", "threads=1")
		var all sync.WaitGroup
		for rank, g := range collective.Local(3) {
			all.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				tr := &trainer{config: c, ranks: ranks{g}, show: NewDisplay(io.Discard)}
				defer tr.close()
				if err := tr.make(ctx, Options{}); err != nil {
					t.Error(err)
					g.Abort(err)
				}
				if _, err := tr.evaluate(ctx, &Score{}); err != nil {
					t.Errorf("rank %d: %v", rank, err)
				}
				if rank == 1 {
					cancel()
				}
				if _, err := tr.evaluate(ctx, &Score{}); !errors.Is(err, ErrInterrupted) ||
					errors.Is(err, ErrTimeLimit) {
					t.Errorf("rank %d, interrupted: %v", rank, err)
				}
			})
		}
		all.Wait()
	}
}

// The error of a diverging step names the rank with the loss or gradient that is not finite.
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
				b.final(v) // a batch before the last: nothing is complete
				b.active = true
				b.final(v)
				if b.next != 1 || len(b.list) != 2 {
					t.Errorf("%d of %d buckets are on their way", b.next, len(b.list))
				}
				if err := b.wait(); err != nil { // w has had no gradient
					t.Error(err)
				}
				got := v.GradData()[19]
				if got != 3*19 || w.GradData()[2] != 3 || b.broken != (step == 1 && rank == 1) {
					t.Errorf("rank %d, step %d: sums %v and %v, broken %v", rank, step, got, w.GradData(), b.broken)
				}
			}
			err := tr.diverged(
				&DivergedError{Epoch: 1, Step: 2, Loss: 1, GradNorm: math.Inf(1)},
				b.broken,
				[]int{10 * rank},
				attempt{},
			)
			want := "training diverged on rank 1 in epoch 2, step 3 (samples [10] …): the gradient norm is +Inf"
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("rank %d: %v", rank, err)
			}
		})
	}
	all.Wait()
}

// All ranks of a diverging run report it.
func TestRanksDiverge(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t), "optim.lr=1e30", "sched.warmup_epochs=0", "sched.form=constant")
	for rank, err := range ranked(2, c, Options{Dir: filepath.Join(ramdisk.Dir(t), "run")}, nil) {
		var diverged *DivergedError
		if !errors.As(err, &diverged) || diverged.Rank == "" {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}
