package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/inspect"
	"fasternet/kernels"
	"fasternet/model"
)

// StepOptions choose the step that DebugStep computes.
type StepOptions struct {
	Dir        string // folder of the run
	Checkpoint string // a file, or a name in the run such as "best"; "" for the newest
	Batch      string // a saved batch; "" for a batch of the data set
	Step       int    // in the epoch, from 1; 0 for the step after the checkpoint
	Epoch      int    // from 1; 0 for the epoch of the checkpoint
	Log        io.Writer
}

// StepReport describes a step of training.
type StepReport struct {
	Checkpoint string         `json:"checkpoint"` // "" for the weights at the start of the run
	Batch      string         `json:"batch,omitempty"`
	Epoch      int            `json:"epoch"` // from 1
	Step       int            `json:"step"`  // in the epoch, from 1
	Batches    int            `json:"batches"`
	Images     int            `json:"images"`
	Loss       *float64       `json:"loss"`      // mean over the batches; null if it is not finite
	GradNorm   *float64       `json:"grad_norm"` // null if it is not finite
	Finite     bool           `json:"finite"`    // all values are finite
	Finding    string         `json:"finding,omitempty"`
	Rows       []*inspect.Row `json:"rows"`
}

// DebugStep computes the forward and backward passes of one training step of a run, and reports the range of
// every value. It updates no weights and writes nothing.
func DebugStep(ctx context.Context, c *configs.Config, o StepOptions) (*StepReport, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	t := &trainer{
		config:   c,
		ranks:    ranks{collective.Single{}},
		dir:      o.Dir,
		show:     NewDisplay(o.Log),
		began:    clock(),
		patience: ctx,
	}
	state, path, err := t.stateToDebug(o)
	if err != nil {
		return nil, err
	}
	var b *savedBatch
	if o.Batch != "" {
		if b, err = readBatch(o.Batch); err != nil {
			return nil, err
		}
	}
	if err := t.openToDebug(ctx, state, path, b); err != nil {
		return nil, err
	}
	defer t.pool.Close()
	r := &StepReport{Checkpoint: path, Batch: o.Batch}
	if b == nil {
		return r, t.debugNext(ctx, r, o)
	}
	t.progress.Epoch, t.progress.Step, t.progress.Batches = b.at.Epoch, b.at.Step, b.at.Batches
	if err := b.fits(t.task); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Batch, err)
	}
	own := *c // the batch decides the random numbers
	own.Seed = b.at.Seed
	t.config = &own
	if err := t.debug(r, 1, func() (*data.Batch, error) { return b.batch, nil }); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Batch, err)
	}
	return r, nil
}

// stateToDebug finds the checkpoint. Unlike a resumed run it changes nothing in the folder.
func (t *trainer) stateToDebug(o StepOptions) (*checkpoints.File, string, error) {
	folder := Checkpoints(o.Dir)
	if o.Checkpoint != "" {
		path := o.Checkpoint
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(path, `/\`) {
			path = folder.Path(strings.TrimSuffix(path, ".safetensors") + ".safetensors")
		}
		f, err := checkpoints.Read(path)
		return f, path, err
	}
	if before, ok := strings.CutSuffix(o.Batch, batchEnding); ok {
		path := before + stateEnding
		if f, err := checkpoints.Read(path); err == nil {
			return f, path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.show.Line("warning: %v", err)
		}
	}
	for _, name := range folder.Names() {
		f, err := checkpoints.Read(folder.Path(name))
		if err == nil {
			return f, folder.Path(name), nil
		}
		t.show.Line("warning: %v", err)
	}
	t.show.Line("note: %s has no checkpoint: the step uses the weights at the start of the run", o.Dir)
	return nil, "", nil
}

// openToDebug makes what a step needs. With a saved batch, the data set may be missing if the checkpoint names
// its classes.
func (t *trainer) openToDebug(ctx context.Context, state *checkpoints.File, path string, b *savedBatch) (err error) {
	t.pool = kernels.NewPool(t.config.Threads)
	defer func() {
		if err != nil {
			t.pool.Close()
		}
	}()
	var names []string
	if b != nil && state != nil && json.Unmarshal([]byte(state.Meta[model.ClassesKey]), &names) == nil {
		t.train, t.val = knownSamples{names, b.samples}, knownSamples{classes: names}
	} else if err := t.openData(ctx); err != nil {
		return err
	}
	if err := t.makeTask(); err != nil {
		return err
	}
	t.buckets = newBuckets(t.ranks, nil, bucketSize)
	if state == nil {
		return t.startFrom()
	}
	if t.progress, err = progressOf(state.Meta); err == nil {
		err = model.Restore(
			t.task.store(),
			state,
			checkpoints.OptimizerPrefix,
			checkpoints.EMAPrefix,
			checkpoints.GradientPrefix,
		)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// debugNext computes a step with batches of the data set.
func (t *trainer) debugNext(ctx context.Context, r *StepReport, o StepOptions) error {
	p := &t.progress
	loader, err := t.loaderFor(p.Epoch)
	if err != nil {
		return err
	}
	steps := loader.Steps()
	epoch, step, begun := p.Epoch, p.Step, p.Batches-p.Step // begun: batches before this epoch
	if step >= steps {                                      // only the evaluation of the epoch is left
		epoch, step = epoch+1, 0
	}
	if o.Epoch > 0 {
		epoch, step = o.Epoch-1, 0
	}
	if o.Step > steps {
		return fmt.Errorf("step %d: want %[2]d or less, the steps of an epoch", o.Step, steps)
	}
	if o.Step > 0 {
		step = o.Step - 1
	}
	p.Epoch, p.Step, p.Batches = epoch, step, begun+(epoch-p.Epoch)*steps+step
	if loader, err = t.loaderFor(epoch); err != nil {
		return err
	}
	it := loader.Epoch(ctx, epoch, step)
	defer it.Close()
	return t.debug(r, min(t.config.Train.AccumSteps, steps-step), it.Next)
}

// debug runs the passes of a step with n batches and fills the report.
func (t *trainer) debug(r *StepReport, n int, next func() (*data.Batch, error)) error {
	p := t.progress
	r.Epoch, r.Step, r.Batches = p.Epoch+1, p.Step+1, n
	t.optimizer.ZeroGrad()
	var table inspect.Table
	var f inspect.Finder
	t.lookAtState(&f)
	loss := 0.0
	for k := range n {
		b, err := next()
		if err != nil {
			return err
		}
		l, err := t.observed(&f, b, t.position(p.Batches+k, b), table.Observe)
		if err != nil {
			return err
		}
		r.Images += b.Size
		loss += float64(l) / float64(n)
		if r.Finding == "" && f.Found() {
			found := finding{Inputs: f.Inputs, Op: f.Op}
			found.Text = t.describeSamples(found, b) + t.describeLargest()
			r.Finding = found.String()
		}
	}
	norm := t.optimizer.GradNorm() / float64(n)
	for _, q := range t.task.store().Params() {
		table.Parameter(q)
	}
	r.Rows = table.Rows
	r.Finite = r.Finding == "" && finite(loss) && finite(norm)
	if finite(loss) {
		r.Loss = &loss
	}
	if finite(norm) {
		r.GradNorm = &norm
	}
	return nil
}

// knownSamples is the data set of a saved batch: only the names are known.
type knownSamples struct {
	classes []string
	samples []sampleRecord
}

func (d knownSamples) Len() int {
	n := 0
	for _, s := range d.samples {
		n = max(n, s.Index+1)
	}
	return n
}

func (d knownSamples) Classes() []string { return d.classes }
func (d knownSamples) Label(int) int     { return 0 }

func (d knownSamples) Name(i int) string {
	for _, s := range d.samples {
		if s.Index == i {
			return s.Name
		}
	}
	return fmt.Sprintf("sample %d", i)
}

func (d knownSamples) Image(i int) (*picture.Image, error) {
	return nil, fmt.Errorf("%s: the data set is not open", d.Name(i))
}
