package train

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fasternet/checkpoints"
	"fasternet/internal/disk"
	"fasternet/internal/patience"
	"fasternet/internal/ramdisk"
)

// allCheckpoints reads the checkpoints of a run.
func allCheckpoints(t *testing.T, dir string) map[string]*checkpoints.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(CheckpointDir(dir), "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*checkpoints.File{}
	for _, path := range paths {
		f, err := checkpoints.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = f
	}
	return all
}

// A checkpoint has the values of its moment, however long the disk takes while training goes on.
func TestCheckpointsOfTheirMoment(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "train.epochs=3", "checkpoint.top_k=3", "ema.decay=0.9",
		"checkpoint.every_steps=3", "train.precise_bn=16")
	quick, slow := filepath.Join(ramdisk.Dir(t), "run"), filepath.Join(ramdisk.Dir(t), "run")
	if _, err := Run(context.Background(), c, Options{Dir: quick, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
		if op == disk.Write && strings.HasSuffix(file, ".safetensors.unfinished.tmp") {
			time.Sleep(30 * time.Millisecond)
		}
		return nil
	})
	_, err := Run(context.Background(), c, Options{Dir: slow, Log: io.Discard})
	undo()
	if err != nil {
		t.Fatal(err)
	}
	got, want := allCheckpoints(t, slow), allCheckpoints(t, quick)
	if len(got) != len(want) || len(want) != 6 { // best, last, previous and three epochs
		t.Fatalf("%d checkpoints, want %d", len(got), len(want))
	}
	for name, f := range want {
		if g := got[name]; g == nil {
			t.Errorf("%s is missing", name)
		} else if d := differing(g, f); d != "" {
			t.Errorf("%s: other bits in %s", name, d)
		}
	}
	sameLogs(t, "with a slow disk", slow, quick)
}

// Training does not wait for the disk: the next epoch starts before the checkpoint is complete.
func TestTrainingGoesOnWhileACheckpointIsWritten(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "train.epochs=2", "checkpoint.every_steps=0")
	ahead := make(chan struct{})
	var once sync.Once
	waited := true
	undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
		if op == disk.Sync && strings.HasPrefix(file, checkpoints.Best) {
			select {
			case <-ahead:
			case <-time.After(patience.Limit):
				waited = false
			}
		}
		return nil
	})
	dir := filepath.Join(ramdisk.Dir(t), "run")
	_, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard, Observe: func(s Status) {
		if s.Epoch == 1 && s.Step == 2 {
			once.Do(func() { close(ahead) })
		}
	}})
	undo()
	if err != nil {
		t.Fatal(err)
	}
	if !waited {
		t.Error("the next epoch has not begun before the checkpoint was written")
	}
	if p, err := progressOf(last(t, dir).Meta); err != nil || p.Epoch != 2 {
		t.Errorf("%+v, %v", p, err)
	}
}

// A checkpoint that cannot be written ends the run with an error, also the last one, and one that the run does not
// wait for. The previous checkpoint stays.
func TestCheckpointThatFailsLater(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "train.epochs=3", "checkpoint.every_steps=0")
	for _, test := range []struct {
		name  string
		op    string
		file  string
		nth   int
		epoch int // last epoch with a checkpoint
	}{
		{"the first sync", disk.Sync, "next.safetensors.unfinished.tmp", 1, 1},
		{"a write in the second epoch", disk.Write, "next.safetensors.unfinished.tmp", 4, 1},
		{"the last rename", disk.Rename, "last.safetensors", 3, 3},
		{"the last sync", disk.Sync, "next.safetensors.unfinished.tmp", 3, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(ramdisk.Dir(t), "run")
			var mu sync.Mutex
			count := 0
			undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
				if op != test.op || file != test.file {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				if count++; count == test.nth {
					return &disk.Failure{Err: syscall.EIO}
				}
				return nil
			})
			_, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard})
			undo()
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("after %d operations: %v", count, err)
			}
			left, err := filepath.Glob(filepath.Join(CheckpointDir(dir), "*.tmp"))
			if err != nil || len(left) != 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			newest, _, err := Checkpoints(dir).Newest(func(err error) { t.Error(err) })
			if err != nil {
				t.Fatal(err)
			}
			if p, err := progressOf(newest.Meta); err != nil || p.Epoch < test.epoch {
				t.Errorf("the newest is of epoch %d, want %d or more; %v", p.Epoch, test.epoch, err)
			}
			if _, err := Run(context.Background(), c, Options{Dir: dir, Resume: true, Log: io.Discard}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A stopped run ends after its checkpoint is complete.
func TestStopWhileACheckpointIsWritten(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "train.epochs=2", "checkpoint.every_steps=0")
	dir := filepath.Join(ramdisk.Dir(t), "run")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
		if op == disk.Sync && strings.HasPrefix(file, "next.safetensors") {
			cancel()
			time.Sleep(200 * time.Millisecond)
		}
		return nil
	})
	_, err := Run(ctx, c, Options{Dir: dir, Log: io.Discard})
	undo()
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if p, err := progressOf(last(t, dir).Meta); err != nil || p.Batches < 4 {
		t.Errorf("%+v, %v", p, err)
	}
	if left, _ := filepath.Glob(filepath.Join(CheckpointDir(dir), "*.tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
