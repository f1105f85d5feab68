package train

import (
	"context"
	"encoding/json"
	"fmt"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/eval"
	"fasternet/internal/disk"
	"fasternet/internal/printable"
	"fasternet/kernels"
)

// multiLabel trains a classifier on images with any number of labels.
type multiLabel struct {
	*classification
	last *eval.LabelReport // of the last evaluation
}

func newMultiLabel(c *configs.Config, train, val data.Dataset, pool *kernels.Pool) (*multiLabel, error) {
	for _, ds := range []data.Dataset{train, val} {
		if !data.IsMultiLabel(ds) {
			return nil, fmt.Errorf("task multilabel: the data set has one label per image: " +
				"set data.multi_label=true, and data.name to a format with several labels")
		}
	}
	t, err := newClassification(c, train, val, pool)
	if err != nil {
		return nil, err
	}
	return &multiLabel{classification: t}, nil
}

func (t *multiLabel) describe() string {
	labels, none := 0, 0
	for i := range t.train.Len() {
		n := len(data.LabelSet(t.train, i))
		labels += n
		if n == 0 {
			none++
		}
	}
	text := t.classification.describe() + fmt.Sprintf("; %.2f labels per training image",
		float64(labels)/float64(t.train.Len()))
	if none > 0 {
		text += fmt.Sprintf(", %d without any", none)
	}
	return text
}

func (t *multiLabel) evaluate(ctx context.Context, with ranks, progress func(done int)) (eval.Result, error) {
	runner, err := t.runner.ForInference()
	if err != nil {
		return eval.Result{}, err
	}
	transform := preprocess.Evaluation(t.config.Data, t.config.Model.InChans)
	o := t.evaluation(with, progress)
	if t.batches == nil {
		t.batches, err = eval.NewLoader(runner, t.val, transform, o)
	}
	if err == nil {
		o.Loader = t.batches
		t.last, err = eval.ExamineLabelsPart(ctx, runner, t.val, transform, o)
	}
	if err := with.agree(ctx, err); err != nil {
		return eval.Result{}, err
	}
	if err := t.last.Merge(with, t.val, nil); err != nil {
		return eval.Result{}, err
	}
	return t.last.Result, nil
}

func (t *multiLabel) result(r eval.Result) string {
	return fmt.Sprintf("validation mAP %.2f %%, micro %.2f %%, macro F1 %.2f %%, loss %.4f",
		r.MAP, r.MicroMAP, r.F1, r.Loss)
}

// LabelsFile has the evaluation of the best checkpoint in detail, for task multilabel.
const LabelsFile = "labels.json"

// LabelEvaluation is the evaluation of a model on the labels of the validation images after an epoch.
type LabelEvaluation struct {
	Epoch int `json:"epoch"` // from 1
	eval.LabelReport
}

// Labels reads the evaluation of the labels after the best epoch. Without one the error wraps
// fs.ErrNotExist.
func (f *Folder) Labels() (*LabelEvaluation, error) {
	text, err := disk.ReadFile(f.path(LabelsFile))
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	var e LabelEvaluation
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(LabelsFile), err)
	}
	if e.Figures == nil {
		return nil, fmt.Errorf("%s: it has no figures of the labels", f.path(LabelsFile))
	}
	return &e, nil
}

// WriteLabels replaces the evaluation of the labels in the folder.
func (f *Folder) WriteLabels(e LabelEvaluation) error {
	if f == nil {
		return nil
	}
	text, err := printable.Marshal(e)
	if err != nil {
		return fmt.Errorf("%s: %w", LabelsFile, err)
	}
	return checkpoints.WriteAtomic(f.path(LabelsFile), writer(append(text, '\n')))
}
