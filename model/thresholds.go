package model

import (
	"encoding/json"
	"fmt"
	"slices"

	"fasternet/checkpoints"
	"fasternet/configs"
)

// ThresholdsKey is the key of the thresholds in the metadata of a checkpoint or an export of task
// multilabel: for each class, the probability from which an image has it; JSON.
const ThresholdsKey = "thresholds"

// TaskKey is the key of the task in the metadata of an export.
const TaskKey = "task"

// AddThresholds adds thresholds to the metadata of a file, if there are any.
func AddThresholds(meta map[string]string, thresholds []float64) error {
	if len(thresholds) == 0 {
		return nil
	}
	text, err := json.Marshal(thresholds)
	if err != nil {
		return fmt.Errorf("model: thresholds: %w", err)
	}
	meta[ThresholdsKey] = string(text)
	return nil
}

// thresholdsOf reads the thresholds for a number of outputs from a file; nil if it has none, or the
// model has a different task.
func thresholdsOf(f *checkpoints.File, c *configs.Config, outputs int) ([]float64, error) {
	if f == nil || c.Task != configs.MultiLabelTask || f.Meta[ThresholdsKey] == "" {
		return nil, nil
	}
	var thresholds []float64
	if err := json.Unmarshal([]byte(f.Meta[ThresholdsKey]), &thresholds); err != nil {
		return nil, fmt.Errorf("its thresholds: %w", err)
	}
	if len(thresholds) != outputs {
		return nil, fmt.Errorf("its thresholds: %d for %d outputs", len(thresholds), outputs)
	}
	for _, t := range thresholds {
		if !(t >= 0 && t <= 1) {
			return nil, fmt.Errorf("its thresholds: want probabilities from 0 to 1, got %v", t)
		}
	}
	return thresholds, nil
}

// MultiLabel reports whether the task is multilabel: an image has any number of the classes.
func (l *Loaded) MultiLabel() bool { return l.Config.Task == configs.MultiLabelTask }

// NeedOneLabel returns an error for a model of task multilabel, and names what needs one label per image.
func (l *Loaded) NeedOneLabel(what string) error {
	if l.MultiLabel() {
		return fmt.Errorf("%s: its task is multilabel, but %s needs one label per image", l.Path, what)
	}
	return nil
}

// AllThresholds returns the probability from which an image has each class, 0.5 if the file has none; nil
// for other tasks.
func (l *Loaded) AllThresholds() []float64 {
	switch {
	case !l.MultiLabel():
		return nil
	case l.Thresholds == nil:
		return slices.Repeat([]float64{0.5}, l.Model.Classes())
	}
	return slices.Clone(l.Thresholds)
}
