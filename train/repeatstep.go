package train

import (
	"encoding/json"
	"fmt"
	"slices"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/data"
	"fasternet/graph"
	"fasternet/internal/inspect"
	"fasternet/ops"
)

// attempt is a step of the optimizer, with everything needed to repeat it.
type attempt struct {
	batches int            // batches of the step
	last    *data.Batch    // the last batch, still in memory
	it      *data.Iterator // source of the batches
	before  Progress
	undo    func(all bool) // restores the running statistics
	updated bool           // the weights were updated
	// state is the state from before the update; nil if it is unknown.
	state *checkpoints.File
	lr    float64
}

// clone returns a copy that shares no memory which a step changes.
func (p Progress) clone() Progress {
	p.ScaleSums, p.Window.Scales = slices.Clone(p.ScaleSums), slices.Clone(p.Window.Scales)
	return p
}

// finding is the result of a repeated step on a rank.
type finding struct {
	Inputs []inspect.Fault `json:"inputs"`
	Op     *inspect.Fault  `json:"op"`
	Loss   string          `json:"loss"` // loss of this rank's batches
	Text   string          `json:"text"` // describes samples and weights
}

func (f finding) any() bool { return f.Op != nil || len(f.Inputs) > 0 }

// first returns the first fault of the step.
func (f finding) first() inspect.Fault {
	if len(f.Inputs) > 0 {
		return f.Inputs[0]
	}
	return *f.Op
}

// explain repeats the step in which training diverged, checks the result of every op on all ranks, and completes the
// error: it names the first value that is not finite, and where the batch is saved. Running statistics are
// then as before the step. An error meanwhile is part of the explanation.
func (t *trainer) explain(e *DivergedError, a attempt) {
	if !t.explains {
		return
	}
	t.show.End()
	t.show.Line("%s in epoch %d, step %d: repeating the step with a check after every op",
		e.what(), e.Epoch+1, e.Step+1)
	if a.updated && a.state != nil {
		if err := t.restore(a.state); err != nil {
			t.show.Line("warning: the weights from before the update: %v", err)
			a.state = nil
		}
	}
	a.undo(true)
	if a.updated && a.state == nil {
		e.Finding = "loss and gradients were finite; the step cannot be repeated, " +
			"because the weights from before the update are gone"
		t.saveOrWarn(0, a, a.last, e)
	} else {
		b, found, err := t.repeat(a)
		a.undo(true)
		if err == nil {
			err = t.conclude(e, a, b, found)
		}
		if err != nil {
			e.Finding = fmt.Sprintf("the step could not be repeated: %v", err)
		}
	}
	t.show.note(e.Finding)
	if e.Saved != "" {
		t.show.Line("see all values with: fasternet-train debug step %s --batch %s", t.dir, e.Saved)
	}
}

// repeat runs the forward and backward passes of a step again, up to the first batch with a value that is not
// finite on any rank. It returns that batch, or the last.
func (t *trainer) repeat(a attempt) (*data.Batch, finding, error) {
	t.buckets.active = false // do not sum over the ranks
	t.optimizer.ZeroGrad()
	var f inspect.Finder
	t.lookAtState(&f)
	it := a.it
	if a.batches > 1 { // only the last is in memory: make all again
		it.Close()
		it = t.loader.Epoch(t.patience, a.before.Epoch, a.before.Step)
		defer it.Close()
	}
	var b *data.Batch
	var losses []float32
	for k := range a.batches {
		b = a.last
		if a.batches > 1 {
			var err error
			b, err = it.Next()
			if err = collective.Agree(t.ranks, err); err != nil {
				return nil, finding{}, err
			}
		}
		loss, err := t.observed(&f, b, t.position(a.before.Batches+k, b), nil)
		if err != nil {
			return nil, finding{}, err
		}
		losses = append(losses, loss)
		bad := []float64{0}
		if f.Found() {
			bad[0] = 1
		}
		if err := t.ranks.Sum64(bad); err != nil {
			return nil, finding{}, err
		}
		if bad[0] > 0 {
			break
		}
	}
	out := finding{Inputs: f.Inputs, Op: f.Op, Loss: fmt.Sprint(losses)}
	if out.any() {
		out.Text = t.describeSamples(out, b) + t.describeLargest()
	}
	if a.batches > 1 {
		b = keep(b)
	}
	return b, out, nil
}

// describeLargest names the parameter with the largest value, if that is unusually large.
func (t *trainer) describeLargest() string {
	const usual = 1e6
	most, name := usual, ""
	for _, p := range t.task.store().Params() {
		r := inspect.RangeOf(p.Data())
		if v := max(r.Max, -r.Min); v > most {
			most, name = v, p.Name
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; the largest weight is %.3g, in parameter %s", most, name)
}

// lookAtState checks the state at the beginning of the step.
func (t *trainer) lookAtState(f *inspect.Finder) {
	for _, e := range t.task.store().Entries {
		switch {
		case e.Param != nil:
			f.Parameter("parameter "+e.Name, e.Shape, e.Param.Data())
		case e.Buffer != nil:
			f.Parameter("buffer "+e.Name, e.Shape, e.Buffer)
		}
	}
}

// observed runs a batch with a finder that sees all values, and with see if that is not nil.
func (t *trainer) observed(
	f *inspect.Finder,
	b *data.Batch,
	at graph.Position,
	see func(ops.Observed),
) (float32, error) {
	f.Begin(b.Size)
	inputs, err := t.task.inputs(b)
	if err != nil {
		return 0, err
	}
	for _, in := range inputs {
		f.Input(in.name, in.shape, in.values)
	}
	if err := t.task.watch(b, func(o ops.Observed) error {
		f.Observe(o)
		if see != nil {
			see(o)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	loss, _, err := t.task.gradients(b, at)
	if end := t.task.watch(b, nil); err == nil {
		err = end
	}
	return loss, err
}

// position returns the position of batch n of the run.
func (t *trainer) position(n int, b *data.Batch) graph.Position {
	return graph.Position{Seed: t.config.Seed, Step: uint64(n), Places: b.Places, Batch: b.Whole}
}

// conclude chooses the first finding of all ranks, saves that batch, and completes the error.
func (t *trainer) conclude(e *DivergedError, a attempt, b *data.Batch, own finding) error {
	text, err := json.Marshal(own)
	if err != nil {
		return err
	}
	texts, err := t.ranks.Gather(text)
	if err != nil {
		return err
	}
	rank, found := 0, own
	for r, text := range texts {
		var f finding
		if err := json.Unmarshal(text, &f); err != nil {
			return fmt.Errorf("%s: %w", t.ranks.Name(r), err)
		}
		if r == 0 || f.any() && (!found.any() || f.first().Before(found.first())) {
			rank, found = r, f
		}
	}
	if found.any() && t.ranks.Size() > 1 {
		e.Rank = t.ranks.Name(rank)
	}
	switch {
	case found.any():
		e.Finding = found.String()
	case a.updated:
		e.Finding = "when repeated, the step is finite up to this update"
	default:
		e.Finding = fmt.Sprintf("when repeated, the step is finite everywhere (loss %s): "+
			"the memory, the processor or the loader may be at fault",
			found.Loss)
		if t.ranks.Size() > 1 {
			e.Finding += ", or the sum over the ranks is too large"
		}
	}
	t.saveOrWarn(rank, a, b, e)
	return nil
}

// saveOrWarn saves the batch of a rank, or warns. The run ends with its own error.
func (t *trainer) saveOrWarn(rank int, a attempt, b *data.Batch, e *DivergedError) {
	var err error
	if e.Saved, err = t.saveStep(rank, a, b, e); err != nil {
		t.show.Line("warning: could not save the batch: %v", err)
	}
}

// String describes the finding, with the samples.
func (f finding) String() string {
	if f.Op == nil {
		return fmt.Sprintf("not finite before the first op: %v%s", f.Inputs[0], f.Text)
	}
	text := fmt.Sprintf("first not finite: %v%s", *f.Op, f.Text)
	if n := len(f.Inputs); n > 0 {
		text += fmt.Sprintf("; before the step, %v", f.Inputs[0])
		if n > 1 {
			text += fmt.Sprintf(" (and %d more)", n-1)
		}
	}
	return text
}
