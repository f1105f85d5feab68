package train

import (
	"errors"
	"fmt"
	"io/fs"

	"fasternet/checkpoints"
	"fasternet/model"
)

// startFrom gives the model the weights that the configuration names.
func (t *trainer) startFrom() error {
	if t.config.From == "" {
		return nil
	}
	var table model.Table
	err := t.task.start(t.config.From, model.LoadOptions{PreferEMA: t.config.FromEMA, Report: func(m model.Table) { table = m }})
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	which := "weights"
	if table.EMA {
		which = "averaged weights (EMA)"
	}
	t.origin = append(t.origin, fmt.Sprintf("starting from the %s of %s: %s", which, table.Path, table.Summary()))
	if table.EMA {
		t.origin = append(t.origin, "note: --from-ema=false takes the weights of the last step instead")
	}
	for _, n := range table.Notes {
		t.origin = append(t.origin, "note: "+n)
	}
	t.noteKnown(table.Path)
	return nil
}

// startLogs opens all logs of the run.
func (t *trainer) startLogs(o Options) error {
	if err := t.folder.writeFingerprints(*t.prints, t.resumed); err != nil {
		return err
	}
	if err := t.folder.start(t.config, t.progress); err != nil {
		return err
	}
	if err := t.begin(o); err != nil || !t.config.Log.TensorBoard {
		return err
	}
	var err error
	t.board, err = openBoard(t.folder.path(TensorBoardFolder), t.progress, t.steps)
	return err
}

// resume takes the newest checkpoint of the folder, if there is one.
func (t *trainer) resume() (bool, error) {
	f, path, err := t.folder.Checkpoints.Newest(func(err error) { t.show.Line("warning: %v; using the one before it", err) })
	if errors.Is(err, fs.ErrNotExist) {
		t.show.Line("nothing to resume in %s: starting from the beginning", t.folder.Dir)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err = t.checkHoldOut(f); err == nil {
		t.progress, err = readProgress(f)
	}
	if err == nil {
		err = t.compareData(path, f)
	}
	if err == nil {
		err = t.restore(f)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	t.show.Line("resuming %s at epoch %d, step %d", path, t.progress.Epoch+1, t.progress.Step+1)
	if epochs := t.config.Train.Epochs; t.progress.Epoch >= epochs {
		t.show.Line("nothing is left to train, all %d epochs are done; --set train.epochs=N for more", epochs)
	}
	return true, nil
}

// restore takes the state of the run from a checkpoint, but for its progress.
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

// interrupt writes the last checkpoint of a run that was asked to stop, and returns
// why it was.
func (t *trainer) interrupt(reason error) error {
	if err := t.save(t.folder.SaveLast); err != nil {
		return err
	}
	t.show.End()
	by, err := "", ErrInterrupted
	if errors.Is(reason, ErrTimeLimit) {
		by, err = "by the time limit ", errTimeUp
	}
	t.show.Line("stopped %sin epoch %d after step %d; --resume continues from here", by, t.progress.Epoch+1, t.progress.Step)
	return err
}

// checkpoint is the state of the run.
func (t *trainer) checkpoint() checkpoints.File {
	meta, err := model.Meta(t.config, t.train.Classes())
	if err != nil { // the same texts were made when the run began
		panic(err)
	}
	meta[ProgressKey] = t.progress.text()
	if meta[DataKey], err = t.prints.text(); err == nil {
		err = model.AddPaths(meta, t.paths)
	}
	if err != nil {
		panic(err) // likewise
	}
	tensors := append(model.Tensors(t.task.store()), t.optimizer.Tensors()...)
	if t.ema != nil {
		tensors = append(tensors, t.ema.Tensors()...)
	}
	return checkpoints.File{Meta: meta, Tensors: tensors}
}
