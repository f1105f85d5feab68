package cli

import (
	"fmt"
	"strconv"
	"strings"

	"fasternet/data/classes"
	"fasternet/eval/predict"
	"fasternet/model"
)

// answers is predict's answer for an image.
type answers func(logits []float32) []predict.Guess

// answersOf returns a model's answers for images: the most probable classes or, for task multilabel, the labels
// that reach their thresholds.
func answersOf(m *model.Loaded, names []string, topk int, topkGiven bool, thresholds []string) (answers, error) {
	if !m.MultiLabel() {
		if len(thresholds) > 0 {
			return nil, usageError{fmt.Errorf("--threshold: needs task multilabel; with one label per image, " +
				"--topk says how many classes to list")}
		}
		return func(logits []float32) []predict.Guess { return predict.TopK(logits, topk, names) }, nil
	}
	if topkGiven {
		return nil, usageError{fmt.Errorf("--topk: %s has task multilabel, "+
			"which lists the labels that reach their thresholds; "+
			"--threshold 0 lists all",
			m.Path)}
	}
	limits, err := thresholdsFor(m, names, thresholds)
	if err != nil {
		return nil, err
	}
	return func(logits []float32) []predict.Guess { return classes.AppendGiven(nil, logits, limits, names) }, nil
}

// thresholdsFor returns the thresholds of a model with changes: a number for all labels, or LABEL=number for one.
func thresholdsFor(m *model.Loaded, names []string, changes []string) ([]float64, error) {
	limits := m.AllThresholds()
	for _, change := range changes {
		name, text := "", change
		if at := strings.LastIndexByte(change, '='); at >= 0 {
			name, text = change[:at], change[at+1:]
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		switch {
		case err != nil:
			return nil, usageError{fmt.Errorf("--threshold %s: want a number, or LABEL=number", change)}
		case !(v >= 0 && v <= 1):
			return nil, usageError{fmt.Errorf("--threshold %s: want a probability from 0 to 1, got %v", change, v)}
		}
		if name == "" && !strings.Contains(change, "=") {
			for i := range limits {
				limits[i] = v
			}
			continue
		}
		at := classes.Index(names, name)
		if at < 0 || at >= len(limits) {
			return nil, usageError{fmt.Errorf("--threshold %s: the model has no label %q%s",
				change, name, classes.Suggest(names, name))}
		}
		limits[at] = v
	}
	return limits, nil
}
