package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"fasternet/configs"
	"fasternet/train"

	"github.com/gofrs/flock"
)

// Options say where a sweep is and how to run it.
type Options struct {
	Dir      string // folder of the sweep, with a run in trial-NNN for each trial
	Resume   bool   // continue the sweep in Dir, if there is one
	Parallel int    // trials at once; 0 for the number in the plan
	Threads  int    // of all trials together; 0 for one per processor
	Settings []string
	Log      io.Writer      // of the runs; nil for none
	Say      func(string)   // shows a line about the sweep
	Ended    func(*Outcome) // after every job, for a report; may be nil
	Program  string         // version of the program, for the record
	Procs    func() int     // processors; for tests
	train    func(context.Context, *configs.Config, train.Options) (train.Outcome, error)
}

// Trial is a trial with its results.
type Trial struct {
	Number  int      `json:"trial"` // from 1
	Values  Values   `json:"settings"`
	State   string   `json:"state"`
	Epochs  int      `json:"epochs"`         // trained epochs
	Top1    *float64 `json:"top1,omitempty"` // percent, of its best checkpoint
	Top5    *float64 `json:"top5,omitempty"`
	Loss    *float64 `json:"loss,omitempty"`
	Best    int      `json:"best_epoch,omitempty"` // from 1
	Run     string   `json:"run,omitempty"`
	Error   string   `json:"error,omitempty"`
	Results []Result `json:"results,omitempty"` // after each rung
}

// States of a trial.
const (
	Finished = "finished" // trained to the end
	Stopped  = "stopped"  // not among the best of its rung
	Invalid  = "invalid"  // no configuration
	Failed   = "failed"   // an error, e.g. it diverged
	Waiting  = "waiting"  // not trained to the end of its rung
)

// Outcome is a sweep, the best trial first.
type Outcome struct {
	Dir    string   `json:"dir"`
	Search string   `json:"search"`
	Metric string   `json:"metric"`
	Keys   []string `json:"keys"`
	Rungs  []int    `json:"rungs"` // epochs
	Best   *Trial   `json:"best,omitempty"`
	Trials []Trial  `json:"trials"`
	Done   bool     `json:"done"`
}

// trial is the state of a trial.
type trial struct {
	config  *configs.Config
	invalid error
	begun   int // begun rungs
	results []Result
	running bool
}

func (t *trial) done() int { return len(t.results) }

func (t *trial) failed() bool {
	return t.invalid != nil || len(t.results) > 0 && t.results[len(t.results)-1].Error != ""
}

// state is a sweep in progress.
type state struct {
	plan   *Plan
	metric string
	rungs  []int
	trials []trial
	o      Options

	mu      sync.Mutex
	journal *journal
}

// prepare makes the configurations of all trials. It returns an error if none is valid.
func prepare(p *Plan, o Options) (*state, error) {
	s := &state{plan: p, o: o, trials: make([]trial, p.Trials)}
	base, err := load(p.Config, append(slices.Clone(p.Settings), o.Settings...))
	if err != nil && !lacksSearched(p, o) {
		return nil, fmt.Errorf("%s: config: %w", p.Path, err)
	}
	var first error
	valid := 0
	for i := range s.trials {
		t := &s.trials[i]
		if t.config, t.invalid = p.Trial(i, o.Settings...); t.invalid != nil {
			if first == nil {
				first = fmt.Errorf("trial %d (%s): %w", i+1, Describe(p.Values(i)), t.invalid)
			}
			continue
		}
		valid++
		if base == nil {
			base = t.config
		}
	}
	if valid == 0 {
		return nil, fmt.Errorf("%s:%d: space: none of the %d trials is valid; %w",
			p.Path, p.Space[0].Line, p.Trials, first)
	}
	epochs := 0
	for i := range s.trials {
		c := s.trials[i].config
		if c == nil {
			continue
		}
		if s.metric = p.Metric; s.metric == "" {
			s.metric = c.Checkpoint.Monitor
		}
		if s.metric == "top1" && c.Task != "classify" {
			return nil, fmt.Errorf("%s: metric: task %s has no accuracy: want loss", p.Path, c.Task)
		}
		if s.metric != "top1" && s.metric != "loss" {
			return nil, fmt.Errorf("%s: metric: a sweep compares runs by top1 or loss, "+
				"not by %s (checkpoint.monitor): want metric: loss",
				p.Path, s.metric)
		}
		if epochs != 0 && epochs != c.Train.Epochs && p.Search == ASHA {
			return nil, fmt.Errorf("%s: space: search: asha needs one train.epochs for all trials, "+
				"the most that a trial can train: leave it out",
				p.Path)
		}
		if c.Train.Budget != "" && p.Search == ASHA {
			return nil, fmt.Errorf("%s: search: asha compares trials after epochs, "+
				"but train.budget ends them by the clock: choose one",
				p.Path)
		}
		epochs = max(epochs, c.Train.Epochs)
		if c.Threads != 0 && o.Threads == 0 {
			s.o.Threads = max(s.o.Threads, c.Threads)
		}
	}
	if p.Search == ASHA && p.MinEpochs > epochs {
		return nil, fmt.Errorf("%s: asha.min_epochs: want no more than train.epochs, %d, got %d",
			p.Path, epochs, p.MinEpochs)
	}
	s.rungs = p.rungs(epochs)
	if s.o.Parallel == 0 {
		s.o.Parallel = p.Parallel
	}
	s.o.Parallel = min(s.o.Parallel, p.Trials)
	if s.o.train == nil {
		s.o.train = train.Run
	}
	if s.o.Say == nil {
		s.o.Say = func(string) {}
	}
	return s, nil
}

// lacksSearched reports whether the configuration may lack keys that only the trials have.
func lacksSearched(p *Plan, o Options) bool {
	_, err := p.Trial(0, o.Settings...)
	return err == nil
}

// Preview returns a sweep before it runs: its trials with their values, and the rungs.
func Preview(p *Plan, o Options) (*Outcome, error) {
	s, err := prepare(p, o)
	if err != nil {
		return nil, err
	}
	return s.outcome(), nil
}

// Run runs or continues a sweep. The context ends it after the batches in progress: the runs write checkpoints,
// and the error wraps train.ErrInterrupted. Failed trials are not errors, unless all fail.
func Run(ctx context.Context, p *Plan, o Options) (out *Outcome, err error) {
	s, err := prepare(p, o)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	lock := flock.New(filepath.Join(o.Dir, "sweep.lock"))
	if locked, err := lock.TryLock(); err == nil && !locked {
		return nil, fmt.Errorf("%s: another process works on this sweep: wait, stop that process, "+
			"or choose another folder (--run)",
			o.Dir)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := s.open(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.journal.close()) }()
	if err := s.work(ctx); err != nil {
		return s.outcome(), err
	}
	out = s.outcome()
	if out.Best == nil {
		for _, t := range out.Trials {
			if t.State == Failed {
				return out, fmt.Errorf("none of the %d trials could be trained; the first error, of trial %d: %s",
					len(out.Trials), t.Number, t.Error)
			}
		}
	}
	return out, nil
}

// open opens the journal and restores its state.
func (s *state) open() error {
	path := filepath.Join(s.o.Dir, JournalFile)
	if _, err := os.Stat(path); err == nil && !s.o.Resume {
		return fmt.Errorf("%s already has a sweep: continue it with --resume, or make another with --run DIR", s.o.Dir)
	}
	j, entries, err := openJournal(s.o.Dir)
	if err != nil {
		return err
	}
	s.journal = j
	now := s.recorded()
	if len(entries) == 0 {
		return s.journal.add(entry{Kind: planned, Plan: &now})
	}
	if err := s.replay(entries, now); err != nil {
		return errors.Join(err, j.close())
	}
	return nil
}

func (s *state) recorded() recorded {
	p := s.plan
	r := recorded{
		Config:   p.Config,
		Search:   p.Search,
		Seed:     p.Seed,
		Metric:   s.metric,
		Settings: append([]string{}, p.Settings...),
		Epochs:   s.rungs[len(s.rungs)-1],
	}
	if p.Search == ASHA {
		r.MinEpochs, r.Reduction = p.MinEpochs, p.Reduction
	}
	for _, d := range p.Space {
		r.Space = append(r.Space, recordKey{d.Key, d.String()})
	}
	return r
}

// replay restores the state from the entries of a journal.
func (s *state) replay(entries []entry, now recorded) error {
	path := filepath.Join(s.o.Dir, JournalFile)
	if entries[0].Kind != planned || entries[0].Plan == nil {
		return fmt.Errorf("%s:1: want the plan of the sweep", path)
	}
	if what := differs(*entries[0].Plan, now); what != "" {
		return fmt.Errorf("%s: %s: the sweep in %s began with another one: "+
			"restore it, or choose another folder (--run)",
			s.plan.Path, what, s.o.Dir)
	}
	for n, e := range entries[1:] {
		if e.Trial < 1 || e.Rung < 1 || e.Rung > len(s.rungs) {
			return fmt.Errorf("%s:%d: there is no trial %d with a rung %d", path, n+2, e.Trial, e.Rung)
		}
		if e.Trial > len(s.trials) { // the plan has fewer trials than before
			continue
		}
		t := &s.trials[e.Trial-1]
		switch {
		case e.Kind == begun && e.Rung == len(t.results)+1:
			t.begun = e.Rung
		case e.Kind == ended && e.Result != nil && e.Rung == len(t.results)+1:
			t.begun = e.Rung
			t.results = append(t.results, *e.Result)
		default:
			return fmt.Errorf("%s:%d: %s of trial %d, rung %d, is not what comes next",
				path, n+2, e.Kind, e.Trial, e.Rung)
		}
	}
	return nil
}

// differs names the first difference between two plans; "" for none.
func differs(was, is recorded) string {
	switch {
	case was.Config != is.Config:
		return fmt.Sprintf("config: %s, not %s", is.Config, was.Config)
	case was.Search != is.Search:
		return fmt.Sprintf("search: %s, not %s", is.Search, was.Search)
	case was.Seed != is.Seed:
		return fmt.Sprintf("seed: %d, not %d", is.Seed, was.Seed)
	case was.Metric != is.Metric:
		return fmt.Sprintf("metric: %s, not %s", is.Metric, was.Metric)
	case !slices.Equal(was.Settings, is.Settings):
		return fmt.Sprintf("settings: %v, not %v", is.Settings, was.Settings)
	case !slices.Equal(was.Space, is.Space):
		return fmt.Sprintf("space: %v, not %v", is.Space, was.Space)
	case was.MinEpochs != is.MinEpochs || was.Reduction != is.Reduction:
		return fmt.Sprintf("asha: min_epochs %d and reduction %d, not %d and %d",
			is.MinEpochs, is.Reduction, was.MinEpochs, was.Reduction)
	case was.Epochs != is.Epochs:
		return fmt.Sprintf("train.epochs: %d, not %d", is.Epochs, was.Epochs)
	}
	return ""
}

// work does all jobs, some at once.
func (s *state) work(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type end struct {
		job job
		err error
	}
	ends := make(chan end)
	running := 0
	var failure error
	for {
		for failure == nil && ctx.Err() == nil && running < s.o.Parallel {
			j, ok := s.take()
			if !ok {
				break
			}
			running++
			go func() { ends <- end{j, s.do(ctx, j)} }()
		}
		if running == 0 {
			if failure == nil && ctx.Err() != nil {
				failure = train.ErrInterrupted
			}
			return failure
		}
		e := <-ends
		running--
		s.mu.Lock()
		s.trials[e.job.trial].running = false
		s.mu.Unlock()
		if e.err != nil && failure == nil {
			failure = e.err
			cancel() // the other trials write their checkpoints
		}
	}
}

// take returns the next job, and marks it as running.
func (s *state) take() (job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.next()
	if ok {
		s.trials[j.trial].running = true
		s.trials[j.trial].begun = j.rung + 1
	}
	return j, ok
}

// runDir returns the folder of a trial's run.
func (s *state) runDir(trial int) string {
	return filepath.Join(s.o.Dir, fmt.Sprintf("%s-%03d", s.plan.noun(), trial+1))
}

// do trains a trial up to a rung. It returns errors of the sweep; an error of the trial is its result.
func (s *state) do(ctx context.Context, j job) error {
	t := &s.trials[j.trial]
	s.mu.Lock()
	err := s.journal.add(entry{Kind: begun, Trial: j.trial + 1, Rung: j.rung + 1})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	c := *t.config
	c.Threads = s.threads()
	until := min(s.rungs[j.rung], c.Train.Epochs)
	s.o.Say(fmt.Sprintf("%s %d, up to epoch %d of %d: %s",
		s.plan.noun(), j.trial+1, until, c.Train.Epochs, Describe(s.plan.Values(j.trial))))
	out, err := s.o.train(ctx, &c, train.Options{
		Dir: s.runDir(j.trial), Resume: true, Until: until, Log: s.o.Log, Program: s.o.Program, Preset: s.preset(&c),
	})
	if ctx.Err() != nil && err != nil || errors.Is(err, train.ErrInterrupted) {
		return train.ErrInterrupted
	}
	r := Result{
		Epochs:    out.Epochs,
		BestEpoch: out.Epoch,
		Top1:      out.Top1,
		Top5:      out.Top5,
		Loss:      out.Loss,
		Count:     out.Count,
		Early:     out.Early,
	}
	if err != nil {
		r = Result{Epochs: out.Epochs, Error: err.Error()}
		s.o.Say(fmt.Sprintf("%s %d failed: %v", s.plan.noun(), j.trial+1, err))
	} else {
		s.o.Say(fmt.Sprintf("%s %d after epoch %d: %s", s.plan.noun(), j.trial+1, r.Epochs, s.figure(r)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.journal.add(entry{Kind: ended, Trial: j.trial + 1, Rung: j.rung + 1, Result: &r}); err != nil {
		return err
	}
	t.results = append(t.results, r)
	if s.o.Ended != nil {
		s.o.Ended(s.outcome())
	}
	return nil
}

func (s *state) preset(c *configs.Config) string {
	if slices.Contains(configs.Presets(), s.plan.Config) {
		return s.plan.Config
	}
	return c.Base
}

// threads returns the threads of one trial.
func (s *state) threads() int {
	n := s.o.Threads
	if n == 0 {
		n = s.o.Procs()
	}
	return max(n/s.o.Parallel, 1)
}

// figure describes the metric of a result.
func (s *state) figure(r Result) string {
	if s.metric == "top1" {
		return fmt.Sprintf("top-1 %.2f %%", r.Top1)
	}
	return fmt.Sprintf("loss %.4f", r.Loss)
}

// Describe lists values on a line.
func Describe(values Values) string {
	text := ""
	for i, v := range values {
		if i > 0 {
			text += ", "
		}
		text += v.Key + "=" + v.Value
	}
	return text
}
