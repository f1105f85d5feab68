package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/model"
)

// startFrom gives the model the weights that the configuration names.
func (t *trainer) startFrom() error {
	if t.config.From == "" {
		return nil
	}
	var table model.Table
	c := t.config
	err := t.task.start(c.From, model.LoadOptions{
		Weights:      torch.Choice(c.FromWeights),
		StateKey:     c.FromStateKey,
		AllowMissing: c.FromAllowMissing,
		AllowNaN:     c.FromAllowNaN,
		Report:       func(m model.Table) { table = m },
	})
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	which := "weights"
	if table.EMA {
		which = "averaged weights (EMA)"
	}
	t.origin = append(t.origin, fmt.Sprintf("starting from the %s of %s: %s", which, table.Path, table.Summary()))
	for _, n := range table.Notes {
		t.origin = append(t.origin, model.Remark(n))
	}
	t.noteKnown(table.Path)
	return nil
}

// startLogs opens all logs of the run.
func (t *trainer) startLogs(o Options) error {
	if err := t.folder.writeFingerprints(*t.prints, t.resumed); err != nil {
		return err
	}
	if err := t.folder.start(t.config, o.Text, t.progress); err != nil {
		return err
	}
	if err := t.begin(o); err != nil || !t.config.Log.TensorBoard {
		return err
	}
	var err error
	if t.board, err = openBoard(t.folder.path(TensorBoardFolder), t.progress, t.steps); err != nil {
		return err
	}
	if p := t.progress; p.Step > 0 && p.Step == t.steps { // its record was dropped with the later ones
		records, err := t.folder.Records()
		if n := len(records); err != nil || n == 0 || records[n-1].Batches != p.Batches {
			return err
		}
		return t.board.step(records[len(records)-1], t.steps)
	}
	return nil
}

// resume restores the newest checkpoint of the folder, if there is one.
func (t *trainer) resume(ctx context.Context) (bool, error) {
	var f *checkpoints.File
	var path string
	err := t.promptly(ctx, func() (err error) {
		f, path, err = t.folder.Checkpoints.Newest(func(err error) {
			t.show.Line("warning: %v; the file is put aside", err)
		})
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		t.show.Line("nothing to resume in %s: starting a new run", t.folder.Dir)
		if own, err := Config(t.folder.Dir); !errors.Is(err, fs.ErrNotExist) {
			t.compareSettings(own, err)
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err = t.checkHoldOut(f); err == nil {
		t.progress, err = progressOf(f.Meta)
	}
	if err == nil {
		err = t.compareData(path, f)
	}
	if err == nil {
		err = t.restore(f)
		t.restoreGradients(f)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	t.noteKernels()
	t.show.Line("resuming %s at epoch %d, step %d", path, t.progress.Epoch+1, t.progress.Step+1)
	own, err := configs.Parse("config in the checkpoint", f.Meta[model.ConfigKey])
	t.compareSettings(own, err)
	if err == nil {
		t.was = own
		if err := t.otherBudget(own.Train); err != nil {
			return false, err
		}
	}
	if epochs := t.config.Train.Epochs; t.config.Train.Budget == "" && t.progress.Epoch >= epochs {
		t.show.Line("nothing left to train: all %d epochs are done; train more with --set train.epochs=N", epochs)
	}
	return true, nil
}

// compareSettings names the settings that a resumed run changes; err says why they are unknown.
func (t *trainer) compareSettings(was *configs.Config, err error) {
	var differing []configs.Difference
	if err == nil {
		differing, err = configs.Differences(was, t.config)
	}
	if err != nil {
		t.show.Line("warning: changed settings are unknown: %v", err)
		return
	}
	for _, d := range differing {
		was, is := d.Values[0], d.Values[1]
		t.show.Line("setting %s: now %s, before %s", d.Key, cmp.Or(is, "missing"), cmp.Or(was, "missing"))
	}
}

// restore restores the state of the run from a checkpoint, except its progress.
func (t *trainer) restore(f *checkpoints.File) error {
	err := model.Restore(t.task.store(), f, checkpoints.OptimizerPrefix, checkpoints.EMAPrefix)
	if err == nil {
		err = t.optimizer.Restore(f)
	}
	if err == nil && t.ema != nil {
		err = t.ema.Restore(f)
	}
	return err
}

// checkpoint returns the state of the run, with the gradients if a histogram of them is due.
func (t *trainer) checkpoint() checkpoints.File {
	f := t.state()
	if p := t.progress; p.Step > 0 && p.Step == t.steps && t.histogramDue() {
		f.Tensors = append(f.Tensors, t.gradients()...)
	}
	return f
}

// state returns what a run resumes from.
func (t *trainer) state() checkpoints.File {
	meta, err := model.Meta(t.config, t.train.Classes())
	if err != nil { // the same texts succeeded when the run began
		panic(err)
	}
	if err := model.AddThresholds(meta, t.progress.Thresholds); err != nil {
		panic(err) // they are also in the progress
	}
	meta[ProgressKey] = t.progress.text()
	if meta[DataKey], err = t.prints.text(); err == nil {
		err = model.AddPaths(meta, t.paths)
	}
	if err != nil {
		panic(err) // impossible, as above
	}
	tensors := append(model.Tensors(t.task.store()), t.optimizer.Tensors()...)
	if t.ema != nil {
		tensors = append(tensors, t.ema.Tensors()...)
	}
	return checkpoints.File{Meta: meta, Tensors: tensors}
}
