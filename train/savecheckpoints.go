package train

import (
	"slices"
	"strings"
	"time"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/formats"
)

// saving is a checkpoint that is written while training goes on. It reads the values in place, without a copy
// of weights and moments. So they must not change before they are read, usually long before the next update.
type saving struct {
	read chan struct{} // closed when the values are read
	done chan struct{} // closed when the files are complete or have failed
	err  error         // of the writing; valid after done
}

// saveUnder writes a checkpoint under several names, in their order, and then removes the checkpoints of some
// epochs. Rank 0 does it. A single rank writes while training goes on, and beforeChange or written return its
// errors later. With several ranks, all of them learn whether the files could be written.
func (t *trainer) saveUnder(names []string, drop []int) error {
	defer t.stand(clock())
	if err := t.written(); err != nil {
		return err
	}
	if len(names) == 0 {
		return t.dropEpochs(drop)
	}
	buffers := t.statistics()
	if t.ema != nil {
		buffers = append(buffers, t.ema.Statistics()...)
	}
	if err := t.distribute(buffers); err != nil {
		return err
	}
	err := t.beginSaving(names, drop)
	if err == nil && t.ranks.Size() > 1 {
		err = t.written()
	}
	if err := collective.Agree(t.ranks, err); err != nil {
		return err
	}
	if slices.Contains(names, checkpoints.Last) {
		t.saved = t.progress.text()
	}
	return nil
}

// beginSaving starts to write a checkpoint of the current state.
func (t *trainer) beginSaving(names []string, drop []int) error {
	if t.folder == nil {
		return nil
	}
	err := t.folder.prepare()
	t.tellLost()
	if err != nil {
		return err
	}
	f := t.checkpoint()
	t.keepStatistics(&f)
	s := &saving{read: make(chan struct{}), done: make(chan struct{})}
	t.saving = s
	go func() {
		defer close(s.done)
		if s.err = t.folder.Checkpoints.SaveTogether(f, names, func() { close(s.read) }); s.err == nil {
			s.err = t.dropEpochs(drop)
		}
	}()
	if slices.ContainsFunc(f.Tensors, func(x formats.Tensor) bool {
		return strings.HasPrefix(x.Name, checkpoints.GradientPrefix)
	}) {
		return t.written() // the next batch changes the gradients
	}
	return nil
}

// keepStatistics copies what a forward pass changes: the running statistics of batch norms.
func (t *trainer) keepStatistics(f *checkpoints.File) {
	buffers := map[string]bool{}
	for _, e := range t.task.store().Entries {
		buffers[e.Name] = e.Buffer != nil
	}
	for i := range f.Tensors {
		if x := &f.Tensors[i]; buffers[x.Name] {
			x.F32 = slices.Clone(x.F32)
		}
	}
}

// beforeChange waits until a checkpoint has read the values that are going to change. It also returns the error of a
// checkpoint that has ended.
func (t *trainer) beforeChange() error {
	if t.saving == nil {
		return nil
	}
	defer t.stand(clock())
	<-t.saving.read
	select {
	case <-t.saving.done:
		return t.written()
	default:
		return nil
	}
}

// written waits for the checkpoint that is being written, and returns its error once.
func (t *trainer) written() error {
	s := t.saving
	if s == nil {
		return nil
	}
	<-s.done
	t.saving = nil
	return s.err
}

// stand adds the time since then to the time that training waited for checkpoints.
func (t *trainer) stand(then time.Time) { t.stood += since(then) }

// saveLast writes the last checkpoint.
func (t *trainer) saveLast() error { return t.saveUnder([]string{checkpoints.Last}, nil) }
