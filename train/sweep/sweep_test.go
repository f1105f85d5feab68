package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fasternet/configs"
	_ "fasternet/graph/families"
	"fasternet/train"
)

// Errors of a file name its line.
func TestParseErrors(t *testing.T) {
	const good = "config: quickstart\ntrials: 3\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "s.yaml: the file is empty"},
		{"no YAML", "a: [1", "s.yaml: line 1"},
		{"no mapping", "- a", "s.yaml:1: the file: want keys and values"},
		{"unknown key", good + "spcae: {}\n", "s.yaml:3: spcae: unknown key, did you mean space?"},
		{"key twice", good + "trials: 4\n", "s.yaml:3: trials: the key appears twice"},
		{"no configuration", "trials: 3\nspace: {optim.lr: [1]}\n", "s.yaml:1: config: want a preset"},
		{"no space", good, "s.yaml:1: space: want the keys"},
		{"no trials", "config: quickstart\nspace: {optim.lr: [1]}\n", "s.yaml:1: trials: want a number"},
		{
			"trials of another type", "config: quickstart\ntrials: many\n",
			`s.yaml:2: trials: want an integer from 1 to 100000, got "many"`,
		},
		{
			"unknown search", good + "search: ahsa\n",
			`s.yaml:3: search: want random or grid or asha, got "ahsa", did you mean asha?`,
		},
		{"unknown metric", good + "metric: f1\n", "s.yaml:3: metric: want top1 or loss"},
		{
			"unknown setting", good + "space:\n  optim.lrr: [1]\n",
			"s.yaml:4: space.optim.lrr: unknown key, did you mean optim.lr?",
		},
		{
			"setting without its section", good + "space:\n  batch_size: [1]\n",
			"s.yaml:4: space.batch_size: unknown key, did you mean train.batch_size?",
		},
		{
			"section", good + "space:\n  optim: {lr: [1]}\n",
			"s.yaml:4: space.optim: unknown key: this is a section; write the full key, e.g. optim.",
		},
		{
			"one value", good + "space:\n  optim.lr: 0.1\n",
			"s.yaml:4: space.optim.lr: want a list of values, or a range",
		},
		{"no choices", good + "space:\n  optim.lr: []\n", "s.yaml:4: space.optim.lr: want a list of values"},
		{
			"choice of another type", good + "space:\n  optim.lr: [fast]\n",
			`s.yaml:4: space.optim.lr: want a number, got "fast"`,
		},
		{
			"impossible choice",
			good + "space:\n  optim.opt:\n    - adamw\n    - adam\n",
			`s.yaml:6: space.optim.opt: want adamw or sgd`,
		},
		{
			"choice out of range", good + "space:\n  train.batch_size: [8, 0]\n",
			"s.yaml:4: space.train.batch_size: want 1 or more, got 0",
		},
		{
			"choice twice", good + "space:\n  optim.lr: [0.1, 0.1]\n",
			"s.yaml:4: space.optim.lr: the value 0.1 appears twice",
		},
		{
			"unknown range",
			good + "space:\n  optim.lr: {loguniform: [1, 2]}\n",
			"s.yaml:4: space.optim.lr.loguniform: unknown kind of range, did you mean log_uniform?",
		},
		{
			"reversed",
			good + "space:\n  optim.lr: {uniform: [0.1, 0.01]}\n",
			"s.yaml:4: space.optim.lr: the range is reversed",
		},
		{
			"one point",
			good + "space:\n  optim.lr: {uniform: [0.1, 0.1]}\n",
			"s.yaml:4: space.optim.lr: the range has only the value",
		},
		{
			"logarithm of 0",
			good + "space:\n  optim.lr: {log_uniform: [0, 1]}\n",
			"s.yaml:4: space.optim.lr: a logarithmic range needs numbers above 0, got 0",
		},
		{
			"logarithm of a negative number",
			good + "space:\n  optim.lr: {log_uniform: [-1, 1]}\n",
			"s.yaml:4: space.optim.lr: a logarithmic range needs numbers above 0, got -1",
		},
		{
			"three ends",
			good + "space:\n  optim.lr: {uniform: [1, 2, 3]}\n",
			"s.yaml:4: space.optim.lr: want two numbers",
		},
		{"infinite", good + "space:\n  optim.lr: {uniform: [1, .inf]}\n", "s.yaml:4: space.optim.lr: want a number"},
		{
			"fraction of an integer",
			good + "space:\n  train.epochs: {int: [1.5, 3]}\n",
			`s.yaml:4: space.train.epochs: want an integer, got "1.5"`,
		},
		{
			"fractions for an integer",
			good + "space:\n  train.epochs: {uniform: [1, 3]}\n",
			"s.yaml:4: space.train.epochs: the key is an integer: want {int: [1, 3]}",
		},
		{
			"range of a text",
			good + "space:\n  optim.opt: {uniform: [1, 3]}\n",
			"s.yaml:4: space.optim.opt: the key is not a number",
		},
		{
			"end out of range",
			good + "space:\n  augment.mixup_prob: {uniform: [0, 2]}\n",
			"s.yaml:4: space.augment.mixup_prob: want 1 or less, got 2",
		},
		{
			"setting that is also searched",
			good + "settings: {optim.lr: 1}\nspace: {optim.lr: [2]}\n",
			"s.yaml:4: space.optim.lr: the key is also in settings",
		},
		{
			"wrong setting", good + "settings:\n  train.epochs: 0\n",
			"s.yaml:4: settings.train.epochs: want 1 or more, got 0",
		},
		{
			"asha of another search",
			good + "space: {optim.lr: [1]}\nasha: {reduction: 3}\n",
			"s.yaml:4: asha: needs search: asha",
		},
		{
			"reduction", good + "search: asha\nasha: {reduction: 1}\n",
			"s.yaml:4: asha.reduction: want an integer from 2 to 100",
		},
		{
			"grid of a range",
			"config: quickstart\nsearch: grid\nspace:\n  optim.lr: {uniform: [1, 2]}\n",
			"s.yaml:4: space.optim.lr: a grid needs a list of values",
		},
		{
			"grid with trials",
			good + "search: grid\nspace: {optim.lr: [1]}\n",
			"s.yaml:2: trials: a grid has one trial per combination",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse("s.yaml", []byte(tt.text)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s…", err, tt.want)
			}
		})
	}
}

func mustParse(t *testing.T, text string) *Plan {
	t.Helper()
	p, err := Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Values are spread over their ranges, and depend only on seed, trial and key.
func TestValues(t *testing.T) {
	p := mustParse(t, `config: quickstart
trials: 2000
seed: 1
space:
  optim.lr: {log_uniform: [1e-4, 1e-2]}
  optim.weight_decay: {uniform: [0, 0.1]}
  train.batch_size: {int: [6, 8]}
  data.prefetch: {log_int: [1, 100]}
  optim.opt: [adamw, lamb]
`)
	counts := map[string]int{}
	for i := range p.Trials {
		v := p.Values(i)
		number := func(k int) float64 {
			x, err := strconv.ParseFloat(v[k].Value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		if lr := number(0); lr < 1e-4 || lr > 1e-2 {
			t.Fatalf("a learning rate of %v", lr)
		} else if lr < 1e-3 {
			counts["small"]++
		}
		if wd := number(1); wd < 0 || wd > 0.1 {
			t.Fatalf("a weight decay of %v", wd)
		} else if wd < 0.05 {
			counts["light"]++
		}
		if n := number(3); n < 1 || n > 100 {
			t.Fatalf("a prefetch of %v", n)
		} else if n <= 10 {
			counts["few"]++
		}
		counts[v[2].Value]++
		counts[v[4].Value]++
	}
	for what, want := range map[string]int{
		"small": 1000,
		"light": 1000,
		"6":     667,
		"7":     667,
		"8":     667,
		"adamw": 1000,
		"lamb":  1000,
		"few":   1130,
	} {
		if n := counts[what]; n < want-100 || n > want+100 {
			t.Errorf("%s: %d of 2000, want about %d", what, n, want)
		}
	}
	more := *p
	more.Trials, more.Space = 3000, slices.Clone(p.Space)
	slices.Reverse(more.Space)
	if a, b := p.Values(7), more.Values(7); a[0] != b[4] || a[4] != b[0] {
		t.Errorf("trial 8 of a longer sweep in another order: %v, not %v", b, a)
	}
	if other := *p; true {
		if other.Seed = 2; reflect.DeepEqual(other.Values(7), p.Values(7)) {
			t.Error("another seed gives the same values")
		}
	}
}

func TestGrid(t *testing.T) {
	p := mustParse(t,
		"config: quickstart\nsearch: grid\nspace:\n  optim.lr: [0.1, 0.2]\n  optim.opt: [adamw, lamb, lars]\n")
	var all []string
	for i := range p.Trials {
		all = append(all, Describe(p.Values(i)))
	}
	if len(slices.Compact(slices.Sorted(slices.Values(all)))) != 6 || all[1] != "optim.lr=0.1, optim.opt=lamb" {
		t.Errorf("%d trials: %q", p.Trials, all)
	}
}

// trainer replaces train.Run: the accuracy is a function of the learning rate and the epochs. It remembers the
// epochs of each folder.
type trainer struct {
	epochs map[string]int
	jobs   []string
	stop   int // interrupts after this many jobs; 0 for never
	fails  func(c *configs.Config) error
}

func (f *trainer) run(_ context.Context, c *configs.Config, o train.Options) (train.Outcome, error) {
	f.jobs = append(f.jobs, fmt.Sprintf("%s to %d", filepath.Base(o.Dir), o.Until))
	if f.stop > 0 && len(f.jobs) == f.stop {
		return train.Outcome{}, train.ErrInterrupted
	}
	if f.fails != nil {
		if err := f.fails(c); err != nil {
			return train.Outcome{}, err
		}
	}
	f.epochs[o.Dir] = o.Until
	out := train.Outcome{Epochs: o.Until, Epoch: o.Until}
	out.Top1 = 100*c.Optim.LR + float64(o.Until)
	out.Loss = 1 - c.Optim.LR
	return out, nil
}

const asha = `config: quickstart
search: asha
trials: 9
seed: 5
settings: {train.epochs: 9, sched.warmup_epochs: 0}
space: {optim.lr: {uniform: [0, 1]}}
asha: {min_epochs: 1, reduction: 3}
`

func sweep(t *testing.T, p *Plan, dir string, f *trainer, resume bool) (*Outcome, error) {
	t.Helper()
	if f.epochs == nil {
		f.epochs = map[string]int{}
	}
	return Run(context.Background(), p, Options{Dir: dir, Resume: resume, Procs: func() int { return 2 }, train: f.run})
}

// Of nine trials after one epoch, the best three continue to three epochs, and the best one to nine.
func TestASHA(t *testing.T) {
	p := mustParse(t, asha)
	f := &trainer{}
	out, err := sweep(t, p, t.TempDir(), f, false)
	if err != nil {
		t.Fatal(err)
	}
	epochs := map[int]int{}
	for _, trial := range out.Trials {
		epochs[trial.Epochs]++
	}
	// A trial may continue before a better one is known, so there are a few more than in synchronous halving.
	if out.Best == nil ||
		out.Best.Epochs != 9 ||
		epochs[9] < 1 ||
		epochs[9] > 2 ||
		epochs[9]+epochs[3] < 3 ||
		epochs[1] < 3 ||
		!out.Done {
		t.Errorf("epochs of the trials: %v; the best %+v", epochs, out.Best)
	}
	best := 0.0
	for i := range p.Trials {
		lr, _ := strconv.ParseFloat(p.Values(i)[0].Value, 64)
		best = max(best, lr)
	}
	if lr, _ := strconv.ParseFloat(out.Best.Values[0].Value, 64); lr != best {
		t.Errorf("the best has a learning rate of %v, want %v", lr, best)
	}
	total := 0
	for _, n := range f.epochs {
		total += n
	}
	if total >= 9*9/2 {
		t.Errorf("%d epochs were trained of the 81 of random search", total)
	}
}

// A sweep that is interrupted after any number of jobs continues, and ends like an uninterrupted one.
func TestResume(t *testing.T) {
	p := mustParse(t, asha)
	want, err := sweep(t, p, t.TempDir(), &trainer{}, false)
	if err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop <= 14; stop += 3 {
		dir := t.TempDir()
		first := &trainer{stop: stop}
		if _, err := sweep(t, p, dir, first, false); stop <= len(first.jobs) && !errors.Is(err, train.ErrInterrupted) {
			t.Fatalf("after %d jobs: %v", stop, err)
		}
		if _, err := sweep(t, p, dir, &trainer{}, false); err == nil ||
			!strings.Contains(err.Error(), "continue it with --resume") {
			t.Errorf("a second sweep in the folder: %v", err)
		}
		// A line that a crash has cut off does not count.
		journal, err := os.OpenFile(filepath.Join(dir, JournalFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = journal.WriteString(`{"kind":"end","trial":`)
		_ = journal.Close()
		second := &trainer{}
		got, err := sweep(t, p, dir, second, true)
		if err != nil {
			t.Fatal(err)
		}
		for k := range second.jobs {
			if slices.Contains(first.jobs[:min(stop, len(first.jobs))-1], second.jobs[k]) {
				t.Errorf("after %d jobs: %s is done again", stop, second.jobs[k])
			}
		}
		if a, b := comparable(t, want), comparable(t, got); a != b {
			t.Errorf("after %d jobs:\n%s\nwant\n%s", stop, b, a)
		}
	}
}

// comparable returns an outcome without its folder.
func comparable(t *testing.T, o *Outcome) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), o.Dir, "DIR")
}

// Another plan is refused; more trials are fine.
func TestResumeAnotherPlan(t *testing.T) {
	dir := t.TempDir()
	if _, err := sweep(t, mustParse(t, asha), dir, &trainer{}, false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, from, to, want string }{
		{"seed", "seed: 5", "seed: 6", "s.yaml: seed: 6, not 5"},
		{"range", "[0, 1]", "[0, 2]", "s.yaml: space: "},
		{"epochs", "train.epochs: 9", "train.epochs: 27", "s.yaml: settings: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParse(t, strings.Replace(asha, tt.from, tt.to, 1))
			if _, err := sweep(t, p, dir, &trainer{}, true); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s…", err, tt.want)
			}
		})
	}
	f := &trainer{}
	out, err := sweep(t, mustParse(t, strings.Replace(asha, "trials: 9", "trials: 12", 1)), dir, f, true)
	if err != nil || len(out.Trials) != 12 || f.jobs[0] != "trial-010 to 1" {
		t.Errorf("three more trials: %v, %q", err, f.jobs)
	}
}

// Trials that fail or are invalid are listed. It is an error if no trial succeeds.
func TestFailures(t *testing.T) {
	text := "config: quickstart\ntrials: 12\nsettings: {augment.mixup: 0.5, train.epochs: 1, sched.warmup_epochs: " +
		"0}\nspace:\n  train.batch_size: [8, 9, 10]\n"
	p := mustParse(t, text)
	out, err := sweep(t, p, t.TempDir(), &trainer{fails: func(c *configs.Config) error {
		if c.Train.BatchSize == 8 {
			return &train.DivergedError{}
		}
		return nil
	}}, false)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for _, x := range out.Trials {
		states[x.State]++
	}
	if states[Invalid] == 0 || states[Failed] == 0 || states[Finished] == 0 || out.Trials[0].State != Finished {
		t.Errorf("states: %v, the first is %+v", states, out.Trials[0])
	}
	if _, err := sweep(
		t,
		p,
		t.TempDir(),
		&trainer{fails: func(*configs.Config) error { return errors.New("the disk burns") }},
		false,
	); err == nil ||
		!strings.Contains(err.Error(), "none of the 12 trials could be trained") ||
		!strings.Contains(err.Error(), "the disk burns") {
		t.Errorf("all fail: %v", err)
	}
	p = mustParse(t, strings.Replace(text, "[8, 9, 10]", "[7, 9, 11]", 1))
	if _, err := Preview(p, Options{}); err == nil ||
		!strings.HasPrefix(err.Error(), "s.yaml:5: space: none of the 12 trials is valid; "+
			"trial 1 (train.batch_size=") ||
		!strings.Contains(err.Error(), "want an even number") {
		t.Errorf("no valid trial: %v", err)
	}
}
