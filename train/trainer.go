package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/internal/disk"
	"fasternet/internal/memory"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/optim"
)

// Options say where a run is and what it starts from.
type Options struct {
	Dir    string    // folder of the run
	Resume bool      // continue from the newest checkpoint in Dir, if there is one
	Log    io.Writer // progress, usually to standard error; nil for none
	// MaxTime interrupts the run, which can be resumed; 0 for no limit. At least one step is made, so that a run
	// which is resumed again and again makes progress.
	MaxTime time.Duration
	// Before is the part of train.budget used before Run was called, and After the part to leave when it
	// returns.
	Before, After time.Duration
	// Until ends the run after this many epochs, with an evaluation and a checkpoint, as if they were all. It can
	// be resumed, with the learning rates of the whole run. 0 for no such end.
	Until int
	// Group connects the ranks, each with a call of Run; nil for this process alone. Rank 0 writes, reads Dir,
	// and shows most messages.
	Group collective.Group

	// Text is the configuration as a file with comments, for the folder; nil writes all keys.
	Text    []byte
	Preset  string // preset of the configuration, for the record; may be empty
	Program string // version of the program, for the record; may be empty
	// Observe gets the state after every update, on the goroutine that trains. It may be nil.
	Observe func(Status)
	// Ended is called on rank 0 with the result while this process still owns the folder. So what it writes
	// there meets no other process. It may be nil.
	Ended func(error)
}

// ErrInterrupted says that the context was cancelled: the run stopped after a step, wrote its last checkpoint and can
// be resumed.
var ErrInterrupted = errors.New("interrupted")

// ErrTimeLimit says that Options.MaxTime interrupted the run.
var ErrTimeLimit = errors.New("time limit reached")

// DivergedError says that the loss or a gradient is no longer finite.
type DivergedError struct {
	Epoch, Step    int // from 0
	Loss, GradNorm float64
	Samples        []int  // samples of the batch
	Rank           string // the rank where it was, if there are several

	// Results of repeating the step; both may be empty.
	Finding string // the first value that is not finite, and the sample
	Saved   string // the file with the batch

	update string // which weights are not finite after the update
}

// what says which number is not finite.
func (e *DivergedError) what() string {
	switch {
	case e.update != "":
		return e.update
	case !finite(e.Loss):
		return fmt.Sprintf("the loss is %v", e.Loss)
	}
	return fmt.Sprintf("the gradient norm is %v", e.GradNorm)
}

func (e *DivergedError) Error() string {
	what := e.what()
	if len(e.Samples) == 0 {
		return fmt.Sprintf("training diverged in epoch %d: on the validation images %s; "+
			"try a lower optim.lr, a longer sched.warmup_epochs, or optim.clip_grad=1; "+
			"the last good checkpoint is kept", e.Epoch+
			1, what)
	}
	few := e.Samples[:min(len(e.Samples), 8)]
	where := ""
	if e.Rank != "" {
		where = " on " + e.Rank
	}
	if e.Finding != "" {
		what += "; " + e.Finding
	}
	if e.Saved != "" {
		what += "; the batch is in " + e.Saved
	}
	return fmt.Sprintf("training diverged%s in epoch %d, step %d (samples %v …): %s; "+
		"try a lower optim.lr, a longer sched.warmup_epochs, or optim.clip_grad=1; the last good checkpoint is kept",
		where, e.Epoch+1, e.Step+1, few, what)
}

// Run trains the model of a configuration.
func Run(ctx context.Context, c *configs.Config, o Options) (out Outcome, err error) {
	if o.Group == nil {
		o.Group = collective.Single{}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	t := &trainer{
		config:   c,
		ranks:    ranks{o.Group},
		dir:      o.Dir,
		show:     NewDisplay(o.Log),
		began:    clock(),
		observer: o.Observe,
		explains: true,
		until:    o.Until,
		preset:   cmp.Or(o.Preset, c.Base),
	}
	out, err = t.run(ctx, o)
	return out, t.ranks.settle(err)
}

func (t *trainer) run(ctx context.Context, o Options) (out Outcome, err error) {
	defer func() { err = errors.Join(err, t.close()) }()
	// A single rank that is asked to stop does not wait for images that do not come. Several ranks have to
	// agree first.
	if t.patience = ctx; t.ranks.Size() > 1 {
		t.patience = context.Background()
	}
	limited := ctx
	if o.MaxTime > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, o.MaxTime, ErrTimeLimit)
		defer cancel()
	}
	if err := t.open(ctx, o); err != nil { // a limit applies to the training only
		if errors.Is(err, ErrInterrupted) {
			next := "nothing is written, so give the same command again"
			if Holds(o.Dir) {
				next = "continue with --resume"
			}
			t.show.Line("stopped before the first step; %s", next)
		}
		return out, err
	}
	err = t.loop(limited)
	t.show.End()
	if failed := t.written(); failed != nil { // of a run that has ended with another error
		err = errors.Join(err, failed)
	}
	if t.ranks.knows(err) {
		err = errors.Join(err, t.countBad())
	}
	if !errors.Is(err, errReplaced) {
		t.end(err)
		if o.Ended != nil && t.folder != nil && t.ranks.knows(err) {
			o.Ended(err)
		}
	}
	return t.outcome(), err
}

// openData opens both parts of the data set.
func (t *trainer) openData(ctx context.Context) (err error) {
	c := t.config
	if t.train, t.val, err = sets.OpenBoth(ctx, c.Data); err != nil {
		return err
	}
	if n := c.Data.MaxPerClass; n > 0 {
		t.train = data.Few(t.train, n, c.Seed)
	}
	if !c.Classifies() {
		return nil
	}
	if note := eval.HeadNote(c.Model.NumClasses, len(t.train.Classes())); note != "" {
		t.notes = append(t.notes, note)
	}
	var notes []string
	t.val, notes, err = eval.WithClassesOf(t.train, t.val)
	t.notes = append(t.notes, notes...)
	return err
}

// trainer is a run in progress.
type trainer struct {
	config     *configs.Config
	ranks      ranks
	train, val data.Dataset
	pool       *kernels.Pool
	task       task
	optimizer  *optim.Optimizer
	ema        *optim.EMA // nil for none
	buckets    *buckets   // of gradients
	own        int        // samples of a batch on this rank
	dir        string
	folder     *Folder // nil except on rank 0
	show       *Display
	progress   Progress

	loaderSize int // image size of the loader
	loader     *data.Loader

	until     int           // the run ends after this many epochs in this process; 0 for all
	steps     int           // batches per epoch
	pace      pace          // of this epoch
	total     pace          // of earlier epochs in this process
	evaluated time.Duration // time of the last evaluation
	observer  func(Status)
	board     *board

	patience     context.Context // ends when the run no longer waits for images
	saved        string          // progress of the last checkpoint
	saving       *saving         // the checkpoint that is being written; nil for none
	stood        time.Duration   // time waited for checkpoints since the last record of an epoch
	hasGradients bool            // the gradients of the last step are known

	left     bool // left to a preparation in the background: see promptly
	explains bool // repeat a step that diverges

	bad, badVal badImages // of training, and of the validation of a pre-training

	budget      *budget // nil for none
	preset      string  // preset of the configuration; "" for none
	began       time.Time
	firstStep   int      // batches that this process did not train
	firstUpdate int      // updates that this process did not train
	origin      []string // lines about the weights to start from
	notes       []string // lines about the data
	prints      *fingerprints
	was         *configs.Config // configuration of the resumed checkpoint; nil if unknown
	resumed     *fingerprints   // of the resumed checkpoint; nil if it has none
	paths       configs.Paths   // absolute forms of the relative paths in the configuration
}

func (t *trainer) close() error {
	if !t.left && t.pool != nil {
		t.pool.Close()
	}
	if t.folder == nil {
		return nil
	}
	return errors.Join(t.board.close(), t.folder.Close())
}

// open makes or resumes the model and the folder.
func (t *trainer) open(ctx context.Context, o Options) error {
	if err := t.ranks.agree(ctx, t.promptly(ctx, func() error { return t.make(ctx, o) })); err != nil {
		return err
	}
	if err := t.compare(o); err != nil {
		return err
	}
	if err := t.ranks.agree(ctx, t.openFolder(ctx, o)); err != nil {
		return err
	}
	t.prints.Train.Stamps, t.prints.Val.Stamps = nil, nil // the folder keeps them
	if err := t.receive(); err != nil {
		return err
	}
	if err := t.startBudget(o); err != nil {
		return err
	}
	t.loader = nil // the loader may use the state of the model
	t.firstStep, t.firstUpdate, t.saved = t.progress.Batches, t.progress.Updates, t.progress.text()
	t.describe()
	t.showNotes()
	return nil
}

// make makes what a step needs, and finds errors before a folder is made.
func (t *trainer) make(ctx context.Context, o Options) (err error) {
	c := t.config
	if err := c.Check(); err != nil {
		return err
	}
	total, err := c.Train.BudgetTime()
	if err != nil {
		return err
	}
	if err := OpenWithin(ctx, t.began.Add(-o.Before), total, t.openData); err != nil {
		return err
	}
	if err := t.checkResumed(o); err != nil {
		return err
	}
	if t.prints, err = t.takeFingerprints(); err != nil {
		return err
	}
	if t.paths, err = c.AbsolutePaths(); err != nil {
		return err
	}
	// Values, gradients and two moments of each parameter.
	parameters, err := graph.Parameters(c.Model, c.Data.ImageSize, false)
	if err != nil {
		return err
	}
	if err := memory.Check("the parameters and their optimizer", 4*4*parameters); err != nil {
		return err
	}
	t.pool = kernels.NewPool(c.Threads)
	if err := t.makeTask(); err != nil {
		return err
	}
	return t.prepare()
}

// prepare compiles a step, and connects its gradients to the other ranks.
func (t *trainer) prepare() error {
	l, err := t.loaderFor(0)
	if err != nil {
		return err
	}
	if note := t.fewStepsNote(); note != "" {
		t.notes = append(t.notes, note)
		t.config.Notes = t.config.NotesWithoutRate()
	}
	learned, err := t.task.prepare(l.Own())
	if err != nil {
		return err
	}
	t.buckets = newBuckets(t.ranks, inOrder(trained(t.task.store().Params()), learned), bucketSize)
	p := t.task.parallel()
	p.Final = t.buckets.final
	if t.config.Train.SyncBatchNorm && t.ranks.Size() > 1 {
		p.Sum = t.ranks.Sum64
	}
	return nil
}

// openFolder opens the folder on rank 0, with the state to start from. The other ranks receive that state.
func (t *trainer) openFolder(ctx context.Context, o Options) (err error) {
	if t.ranks.Rank() != 0 {
		t.ema = optim.NewEMA(t.config.EMA, t.task.store(), t.pool)
		return nil
	}
	holds := Holds(o.Dir)
	if !o.Resume && holds {
		return fmt.Errorf("%s already has a run: continue it with --resume, or make another with --run DIR", o.Dir)
	}
	if !holds { // find weights that do not fit before making a folder
		if err := apart(o.Dir, t.config.Data.Dir); err != nil {
			return err
		}
		if err := t.promptly(ctx, t.startFrom); err != nil {
			return err
		}
		if err := t.checkRoom(o.Dir); err != nil {
			return err
		}
	}
	if t.folder, err = OpenFolder(o.Dir); err != nil {
		return err
	}
	t.ema = optim.NewEMA(t.config.EMA, t.task.store(), t.pool)
	if o.Resume {
		resumed, err := t.resume(ctx)
		switch {
		case resumed:
			t.origin = nil
		case err == nil && holds:
			err = t.promptly(ctx, t.startFrom)
		}
		if err != nil {
			return err
		}
	}
	if err := t.dropEpochs(t.progress.Dropped); err != nil { // the run may have been killed before this
		return err
	}
	if err := t.startLogs(o); err != nil {
		return err
	}
	t.show.logTo(t.folder.text)
	if t.progress.Batches > 0 {
		t.remeasure()
		if err := t.settle(); err != nil {
			return err
		}
	}
	if t.stale() {
		t.show.Line("nothing left to train: no better %s in %s (train.patience)",
			t.config.Checkpoint.Monitor, printable.Count(t.progress.Stale, "evaluation"))
	}
	if err := t.folder.unlocked; err != nil {
		t.show.Line("warning: %s: %v", o.Dir, err)
	}
	return nil
}

// kernels names the kernels in use.
func (t *trainer) kernels() string {
	return t.pool.Kernels().Describe(t.task.precision())
}

// loaderFor returns the loader of an epoch. Its image size may change.
func (t *trainer) loaderFor(epoch int) (*data.Loader, error) {
	size := t.config.Data.Scale(epoch)
	if t.loader != nil && t.loaderSize == size {
		return t.loader, nil
	}
	c := t.config
	options, err := loaderOptions(c, size)
	if err != nil {
		return nil, err
	}
	options.Rank, options.Ranks = t.ranks.Rank(), t.ranks.Size()
	if err := t.task.fill(&options); err != nil {
		return nil, err
	}
	l, err := data.NewLoader(t.train, options)
	if err != nil {
		return nil, err
	}
	t.loader, t.loaderSize, t.steps, t.own = l, size, l.Steps(), l.Own()
	return l, nil
}

func loaderOptions(c *configs.Config, size int) (data.LoaderOptions, error) {
	transform, err := preprocess.Training(c, size)
	return data.LoaderOptions{
		Batch:      c.Train.BatchSize,
		Workers:    c.Data.Workers,
		Prefetch:   c.Data.Prefetch,
		Shuffle:    true,
		DropLast:   true,
		Seed:       c.Seed,
		Transform:  transform,
		Sampling:   data.Sampling(c.Data.Sampling),
		Repeats:    c.Augment.Repeats,
		ReplaceBad: c.Data.OnBadImage == "skip",
	}, err
}

// Loader makes the training batches of a classifier in an epoch, counted from 0: to look at them, with traces
// of what they show, or to time them. For a pre-training they lack the masks.
func Loader(c *configs.Config, ds data.Dataset, epoch int, traces bool) (*data.Loader, error) {
	o, err := loaderOptions(c, c.Data.Scale(epoch))
	if err != nil {
		return nil, err
	}
	o.Trace = traces
	if c.Classifies() {
		o.Mix = preprocess.Mixing(c.Augment, max(c.Model.NumClasses, len(ds.Classes())))
	}
	return data.NewLoader(ds, o)
}

// Config reads the configuration of the run in a folder. Its relative paths lead where they led when the run was last
// started, whatever the working folder is now. Paths in the settings start from the working folder.
func Config(dir string, settings ...string) (*configs.Config, error) {
	f := &Folder{Dir: dir}
	path := f.path(ConfigFile)
	text, err := disk.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no run to resume: %w", err)
	}
	c, err := configs.Parse(path, string(text), settings...)
	if err != nil {
		return nil, err
	}
	if launches, err := f.Launches(); err == nil && len(launches) > 0 {
		c.Notes = append(c.Notes, c.Locate(launches[len(launches)-1].Paths.Without(settings))...)
	}
	return c, nil
}
