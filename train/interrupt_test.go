package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"fasternet/checkpoints"
	"fasternet/internal/disk"
	"fasternet/internal/ramdisk"
)

// countdown is a context that ends after this many questions whether it has ended.
type countdown struct {
	context.Context
	left atomic.Int32
}

func stopAfter(questions int) *countdown {
	c := &countdown{Context: context.Background()}
	c.left.Store(int32(questions))
	return c
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// untimed returns the records of a log without measured times.
func untimed(t *testing.T, dir string) []Record {
	t.Helper()
	records, err := (&Folder{Dir: dir}).Records()
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		r := &records[i]
		r.Speed = 0
		r.Waited = 0
		r.Synced = 0
		r.Trained = 0
		r.Evaluated = 0
		r.Stood = 0
		r.Memory = 0
		r.Seconds = 0
		r.Time = ""
	}
	return records
}

// summaryOf returns the summary without measured columns.
func summaryOf(t *testing.T, dir string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, SummaryFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		row := columns([]byte(strings.TrimSuffix(line, "\n")))
		lines = append(lines, fmt.Sprint(row[:6], row[9:]))
	}
	return lines
}

func sameLogs(t *testing.T, what, got, want string) {
	t.Helper()
	a, b := untimed(t, got), untimed(t, want)
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || !reflect.DeepEqual(a[i], b[i]) {
			t.Errorf("%s: %d records, want %d; number %d differs:\n%+v\n%+v",
				what, len(a), len(b), i, a[min(i, len(a)):min(i+1, len(a))], b[min(i, len(b)):min(i+1, len(b))])
			break
		}
	}
	if a, b := summaryOf(t, got), summaryOf(t, want); !reflect.DeepEqual(a, b) {
		t.Errorf("%s: the summary is\n%s\nwant\n%s", what, strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// A run is stopped at each place where it checks for a stop, also between the batches of a step, and resumed. It ends
// with the same bits, and its log is equal except for times.
func TestStopAnywhere(t *testing.T) {
	data := noise(t)
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{
			"fasternet",
			[]string{
				"train.accum_steps=3", "train.batch_size=8", "train.log_interval=2", "ema.decay=0.9",
				"train.precise_bn=16", "data.workers=1", "log.histogram_interval=1",
			},
		},
		{"fasternet, every step", []string{"train.log_interval=3", "train.val_interval=2", "checkpoint.top_k=1"}},
		{"localmim of a vit", []string{"train.accum_steps=2", "train.batch_size=8", "train.log_interval=3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			family, _, _ := strings.Cut(test.name, ",")
			c := smallConfig(t, small[family], data, append(test.settings, "threads=1", "checkpoint.every_steps=0")...)
			whole := filepath.Join(ramdisk.Dir(t), "run")
			if _, err := Run(context.Background(), c, Options{Dir: whole, Log: io.Discard}); err != nil {
				t.Fatal(err)
			}
			for questions := 0; ; questions++ {
				dir := filepath.Join(ramdisk.Dir(t), "run")
				ctx := stopAfter(questions)
				_, err := Run(ctx, c, Options{Dir: dir, Resume: true, Log: io.Discard})
				if err == nil {
					if questions < 10 {
						t.Errorf("only %d questions", questions)
					}
					break
				}
				if !errors.Is(err, ErrInterrupted) {
					t.Fatalf("after %d questions: %v", questions, err)
				}
				if _, err := Run(context.Background(), c, Options{
					Dir:    dir,
					Resume: true,
					Log:    io.Discard,
				}); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("stopped after %d questions", questions)
				if d := differing(last(t, dir), last(t, whole)); d != "" {
					t.Errorf("%s: other bits in %s", what, d)
				}
				sameLogs(t, what, dir, whole)
				sameEvents(t, what, dir, whole)
			}
		})
	}
}

// Between the batches of a step the partial sum is dropped: the checkpoint is from before the step.
func TestStopWithinStep(t *testing.T) {
	c := smallConfig(t, small["fasternet"], noise(t), "train.accum_steps=4", "train.batch_size=8",
		"checkpoint.every_steps=0")
	dir := filepath.Join(ramdisk.Dir(t), "run")
	log := &signal{}
	// One check before the epoch, 3 between the batches of the first step, 1 after it, 1 in the second.
	if _, err := Run(stopAfter(5), c, Options{Dir: dir, Log: log}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if p, err := progressOf(last(t, dir).Meta); err != nil || p.Updates != 1 || p.Step != 4 || p.Batches != 4 {
		t.Errorf("stopped at %+v, %v\n%s", p, err, log.all.String())
	}
	for _, n := range last(t, dir).Tensors {
		if strings.HasSuffix(n.Name, ".num_batches_tracked") && n.I64[0] != 4 {
			t.Errorf("%s is %d: want the 4 batches of the step that was made", n.Name, n.I64[0])
		}
	}
}

// Before the first step there is nothing to save. During the preparations the run stops at once, before it makes
// a folder.
func TestStopBeforeTheFirstStep(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t))
	dir := filepath.Join(ramdisk.Dir(t), "run")
	done, cancel := context.WithCancel(context.Background())
	cancel()
	// The preparations may end before the context is checked.
	log := &signal{}
	if _, err := Run(done, c, Options{Dir: dir, Log: log}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if said := log.all.String(); strings.Contains(said, "--resume") != Holds(dir) {
		t.Errorf("there is a run to resume: %t, but it says %s", Holds(dir), said)
	}
	log = &signal{}
	if _, err := Run(stopAfter(0), c, Options{Dir: dir, Resume: true, Log: log}); !errors.Is(err, ErrInterrupted) ||
		!strings.Contains(log.all.String(), "stopped before the first step") {
		t.Errorf("%v\n%s", err, log.all.String())
	}
	if !Checkpoints(dir).Empty() {
		t.Error("a checkpoint of nothing was written")
	}
	if InUse(dir) != "" {
		t.Error("the lock is still there")
	}
}

// A call that cannot be stopped is left; a panic in it reaches the caller.
func TestPromptly(t *testing.T) {
	tr := &trainer{}
	if err := tr.promptly(context.Background(), func() error { return io.EOF }); !errors.Is(err, io.EOF) || tr.left {
		t.Error(err)
	}
	func() {
		defer func() {
			if v := recover(); v != "bug" {
				t.Errorf("recovered %v", v)
			}
		}()
		_ = tr.promptly(context.Background(), func() error { panic("bug") })
	}()
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan bool)
	defer close(release)
	err := tr.promptly(ctx, func() error {
		cancel()
		<-release
		return nil
	})
	if !errors.Is(err, ErrInterrupted) || !tr.left {
		t.Error(err)
	}
}

// With ranks: one of them is asked to stop between the batches of a step, and the running statistics of all ranks are
// as without a stop.
func TestStopRanks(t *testing.T) {
	data := noise(t)
	for _, settings := range [][]string{
		{"train.accum_steps=2"},
		{"train.accum_steps=2", "ema.decay=0.9", "train.dist_bn=broadcast"},
	} {
		c := smallConfig(t, small["fasternet"], data, append(settings, "threads=1", "data.workers=1",
			"checkpoint.every_steps=0")...)
		run := func(dir string, ctx context.Context) {
			for rank, err := range ranked(2, c, Options{Dir: dir, Resume: true}, func(rank int, m *member) {
				if rank == 1 {
					m.ctx = ctx
				}
			}) {
				if err != nil && !errors.Is(err, ErrInterrupted) {
					t.Fatalf("rank %d: %v", rank, err)
				}
			}
		}
		whole := filepath.Join(ramdisk.Dir(t), "run")
		run(whole, context.Background())
		for _, questions := range []int{1, 2, 3, 4, 5} {
			dir := filepath.Join(ramdisk.Dir(t), "run")
			run(dir, stopAfter(questions))
			run(dir, stopAfter(1+questions))
			run(dir, context.Background())
			what := fmt.Sprintf("%v, stopped after %d questions", settings, questions)
			if d := differing(last(t, dir), last(t, whole)); d != "" {
				t.Errorf("%s: other bits in %s", what, d)
			}
			sameLogs(t, what, dir, whole)
		}
	}
}

// A process dies between the record of an epoch and its checkpoint. After the resume TensorBoard shows the
// epoch once, with the step and the histograms at the same place.
func TestEventsAfterAFailure(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t), "checkpoint.every_steps=4", "log.histogram_interval=1",
		"threads=1", "data.workers=1")
	whole, dir := filepath.Join(ramdisk.Dir(t), "run"), filepath.Join(ramdisk.Dir(t), "run")
	if _, err := Run(context.Background(), c, Options{Dir: whole, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
		if op == disk.Create && strings.HasPrefix(file, checkpoints.Best) {
			return &disk.Failure{Err: io.ErrUnexpectedEOF}
		}
		return nil
	})
	_, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard})
	undo()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if p, err := progressOf(last(t, dir).Meta); err != nil || p.Epoch != 0 || p.Step != 4 {
		t.Fatalf("it ended at %+v, %v", p, err)
	}
	if _, err := Run(context.Background(), c, Options{Dir: dir, Resume: true, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	sameLogs(t, "after a failure", dir, whole)
	sameEvents(t, "after a failure", dir, whole)
}

// The summary has the memory, and the mean norm of the gradients over the epoch.
func TestSummaryColumns(t *testing.T) {
	c := smallConfig(t, small["vit"], noise(t), "train.epochs=1", "sched.warmup_epochs=0", "train.log_interval=1")
	dir := filepath.Join(ramdisk.Dir(t), "run")
	if _, err := Run(context.Background(), c, Options{Dir: dir, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	norms, n := 0.0, 0
	for _, r := range untimed(t, dir) {
		if r.Kind == StepRecord {
			norms, n = norms+r.GradNorm, n+1
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, SummaryFile))
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	row := columns([]byte(lines[1]))
	memory, err1 := strconv.ParseFloat(row[slices.Index(summaryHeader, "memory_mb")], 64)
	norm, err2 := strconv.ParseFloat(row[slices.Index(summaryHeader, "grad_norm")], 64)
	if err := errors.Join(err1, err2); err != nil || memory < 1 || math.Abs(norm-norms/4) > 1e-5*norm {
		t.Errorf("%q: memory %v MB, gradient norm %v, want %v; %v", lines[1], memory, norm, norms/4, err)
	}
}

// A run that waits for images can still be stopped.
func TestStopWaitingForImages(t *testing.T) {
	tr := newTrainer(t, smallConfig(t, small["fasternet"], noise(t)))
	if err := tr.prepare(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	tr.patience, tr.show = ctx, NewDisplay(io.Discard)
	it := tr.loader.Epoch(ctx, 0, 0)
	defer it.Close()
	cancel()
	if _, err := tr.update(context.Background(), it, 2, 0.1, newMeter(tr, 4)); !errors.Is(err, ErrInterrupted) ||
		tr.progress.Batches != 0 {
		t.Errorf("%v, %+v", err, tr.progress)
	}
}
