package train

import (
	"encoding/json"
	"fmt"

	"fasternet/checkpoints"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/internal/disk"
	"fasternet/internal/printable"
)

// EvaluationFile has the evaluation of the best checkpoint in detail.
const EvaluationFile = "evaluation.json"

// Mistakes is the number of most confident mistakes that are kept.
const Mistakes = 24

// Evaluation is the evaluation of a classifier on the validation images after an epoch.
type Evaluation struct {
	Epoch   int      `json:"epoch"` // from 0; the file counts from First
	First   int      `json:"first_epoch,omitempty"`
	Classes []string `json:"classes"`
	eval.Report
}

// keepEvaluation writes the evaluation of the best epoch.
func (t *trainer) keepEvaluation(epoch int) error {
	if task, ok := t.task.(*multiLabel); ok {
		return t.folder.WriteLabels(LabelEvaluation{Epoch: epoch + 1, LabelReport: *task.last})
	}
	task, ok := t.task.(*classification)
	if !ok {
		return nil
	}
	if t.folder == nil { // another rank writes it
		return nil
	}
	if err := task.last.Measure(metrics.Options{Names: t.val.Classes(), Resamples: eval.Resamples}); err != nil {
		return err
	}
	task.last.Inspect(t.val)
	return t.folder.WriteEvaluation(Evaluation{Epoch: epoch, Classes: t.val.Classes(), Report: *task.last})
}

// WriteEvaluation replaces the evaluation in the folder.
func (f *Folder) WriteEvaluation(e Evaluation) error {
	if f == nil {
		return nil
	}
	e.Epoch, e.First = e.Epoch+1, 1
	text, err := printable.Marshal(e)
	if err != nil {
		return fmt.Errorf("%s: %w", EvaluationFile, err)
	}
	return checkpoints.WriteAtomic(f.path(EvaluationFile), writer(append(text, '\n')))
}

// Evaluation reads the evaluation of the best epoch. Without one the error wraps
// fs.ErrNotExist.
func (f *Folder) Evaluation() (*Evaluation, error) {
	text, err := disk.ReadFile(f.path(EvaluationFile))
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	var e Evaluation
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(EvaluationFile), err)
	}
	e.Epoch, e.First = e.Epoch-e.First, 0
	if e.Confusion == nil {
		return nil, fmt.Errorf("%s: it has no confusion matrix", f.path(EvaluationFile))
	}
	return &e, nil
}
