package train

import (
	"context"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fasternet/internal/ramdisk"
)

// The schedule ends within its time, whether the machine keeps its speed, becomes slower or faster, or stands still
// for a while.
func TestPhaseFollowsTheClock(t *testing.T) {
	const total = 100.0
	for _, c := range []struct {
		name string
		step func(n int, spent float64) float64 // seconds of an update
	}{
		{"even", func(int, float64) float64 { return 0.1 }},
		{"slower from the middle on", func(_ int, spent float64) float64 {
			if spent > 50 {
				return 0.4
			}
			return 0.1
		}},
		{"faster from the middle on", func(_ int, spent float64) float64 {
			if spent > 50 {
				return 0.02
			}
			return 0.1
		}},
		{"stands still once", func(n int, _ float64) float64 {
			if n == 300 {
				return 20
			}
			return 0.1
		}},
		{"slow at first", func(n int, _ float64) float64 { return 0.1 + 2*math.Exp(-float64(n)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pace mean
			spent, phase, largest := 0.0, 0.0, 0.0
			n := 0
			for ; phase < 1 && n < 100_000; n++ {
				took := c.step(n, spent)
				spent += took
				pace.add(took)
				next := nextPhase(phase, (total-spent)/pace.value)
				if next < phase || next > 1 {
					t.Fatalf("phase %v after %v", next, phase)
				}
				if phase < 0.95 {
					largest = max(largest, next-phase)
				}
				phase = next
			}
			if spent < 0.97*total || spent > 1.03*total {
				t.Errorf("%v of %v seconds, in %d updates", spent, total, n)
			}
			if largest > largestPhase*1.001 {
				t.Errorf("the schedule leaps by %v", largest)
			}
		})
	}
}

// A run that has used its budget says so when it is resumed. With a longer one it goes on, at an earlier
// part of the longer schedule.
func TestLongerBudget(t *testing.T) {
	data := noise(t)
	defer func() { clock = time.Now }()
	by := 3 * time.Millisecond
	clock = ticking(&by)
	dir := filepath.Join(ramdisk.Dir(t), "run")
	run := func(budget string, resume bool) (Outcome, string) {
		t.Helper()
		var log strings.Builder
		c := smallConfig(t, small["fasternet"], data, "threads=1", "train.budget="+budget, "train.epochs=10",
			"sched.form=timm", "sched.on_updates=true", "sched.min_lr=1e-6")
		out, err := Run(context.Background(), c, Options{Dir: dir, Log: &log, Resume: resume})
		if err != nil {
			t.Fatal(err)
		}
		return out, log.String()
	}
	first, _ := run("4s", false)
	again, log := run("4s", true)
	const used = "nothing is left to train, the run has used its train.budget 4s; a longer --budget goes on"
	if again.Epochs != first.Epochs || !strings.Contains(log, used) {
		t.Errorf("%d epochs, then %d:\n%s", first.Epochs, again.Epochs, log)
	}
	longer, log := run("8s", true)
	if longer.Epochs < first.Epochs*3/2 || longer.Epochs > first.Epochs*3 ||
		!strings.Contains(log, "of train.budget 8s are left") {
		t.Errorf("%d epochs in 4s, %d in 8s:\n%s", first.Epochs, longer.Epochs, log)
	}
	// Without a budget epochs count, and with one again it is as far as they are.
	epochs := longer.Epochs
	c := smallConfig(t, small["fasternet"], data, "threads=1", "train.epochs=2")
	half := filepath.Join(ramdisk.Dir(t), "half")
	if _, err := Run(context.Background(), c, Options{Dir: half, Log: io.Discard}); err != nil {
		t.Fatal(err)
	}
	dir = half
	if out, _ := run("8s", true); out.Epochs <= 2 || out.Epochs >= epochs+2 {
		t.Errorf("%d epochs after two of ten without a budget; with one from the beginning %d", out.Epochs, epochs)
	}
}

// ticking returns a clock that advances at every reading.
func ticking(by *time.Duration) func() time.Time {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		at = at.Add(*by)
		return at
	}
}

// A run with a budget ends in time with the lowest learning rate, in the middle of an epoch if necessary, and is
// evaluated there. After an interruption it has the rest of the time.
func TestBudget(t *testing.T) {
	data := noise(t)
	defer func() { clock = time.Now }()
	for _, test := range []struct {
		name   string
		by     time.Duration // advance of the clock at each reading
		later  time.Duration // the same, from the tenth update on
		epochs [2]int        // the run ends between these
		stop   bool
		more   []string
	}{
		{name: "as planned", by: 3 * time.Millisecond, later: 3 * time.Millisecond, epochs: [2]int{3, 80}},
		{name: "slower", by: 2 * time.Millisecond, later: 4 * time.Millisecond, epochs: [2]int{3, 80}},
		{name: "stopped", by: 3 * time.Millisecond, later: 3 * time.Millisecond, epochs: [2]int{3, 80}, stop: true},
		{
			name:   "averaged, seldom evaluated",
			by:     3 * time.Millisecond,
			later:  3 * time.Millisecond,
			epochs: [2]int{3, 80},
			more:   []string{"ema.decay=0.9", "train.val_interval=4"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			by := test.by
			clock = ticking(&by)
			settings := slices.Concat(test.more, []string{
				"threads=1", "train.budget=8s", "train.epochs=10", "train.log_interval=1",
				"sched.form=timm", "sched.on_updates=true", "sched.warmup_epochs=1", "sched.warmup_prefix=true",
				"sched.min_lr=1e-6",
			})
			c := smallConfig(t, small["fasternet"], data, settings...)
			dir := filepath.Join(ramdisk.Dir(t), "run")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			o := Options{Dir: dir, Log: io.Discard, Before: time.Second, After: time.Second, Observe: func(s Status) {
				if s.Updates == 10 {
					by = test.later
					if test.stop {
						cancel()
					}
				}
			}}
			out, err := Run(ctx, c, o)
			if test.stop {
				if !errors.Is(err, ErrInterrupted) {
					t.Fatalf("stopped: %v", err)
				}
				o.Resume, o.Before = true, 0
				out, err = Run(context.Background(), c, o)
			}
			if err != nil {
				t.Fatal(err)
			}
			if out.Epochs < test.epochs[0] || out.Epochs > test.epochs[1] || out.Count == 0 {
				t.Errorf("%d epochs, want %v; %d images evaluated", out.Epochs, test.epochs, out.Count)
			}
			records, err := (&Folder{Dir: dir}).Records()
			if err != nil {
				t.Fatal(err)
			}
			last, before, fell := 0.0, math.Inf(1), false
			for _, r := range records {
				if r.Kind == StepRecord {
					if fell && r.LR > before {
						t.Errorf("the learning rate rises from %v to %v in batch %d", before, r.LR, r.Batches)
					}
					fell = fell || r.LR < before && last > 0
					last, before = r.LR, r.LR
				}
			}
			if last > 0.05*c.Optim.LR {
				t.Errorf("the last learning rate is %v, of %v", last, c.Optim.LR)
			}
			if e := records[len(records)-1]; e.Kind != EpochRecord || e.EvalLoss == nil {
				t.Errorf("it ends with %+v", e)
			}
			p := progressIn(t, dir)
			if p.Phase != 1 || p.Spent < 5.5 || p.Spent > 7.8 { // one second is for the work after the run
				t.Errorf("phase %v after %v of 8 seconds", p.Phase, p.Spent)
			}
			// Nothing is left to do.
			o.Resume, o.Before = true, 0
			var log strings.Builder
			o.Log = &log
			again, err := Run(context.Background(), c, o)
			if err != nil || again.Epochs != out.Epochs {
				t.Errorf("resumed again: %d epochs, %v\n%s", again.Epochs, err, log.String())
			}
		})
	}
}

func progressIn(t *testing.T, dir string) Progress {
	t.Helper()
	f, _, err := Checkpoints(dir).Newest(func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	p, err := progressOf(f.Meta)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
