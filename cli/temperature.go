package cli

import (
	"context"
	"fmt"
	"strconv"

	"fasternet/configs"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"
)

// fitTemperature is the value of --temperature that fits one.
const fitTemperature = "fit"

// parseTemperature reads the value of --temperature.
func parseTemperature(text string) (float64, error) {
	t, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("--temperature: want a number or %s, got %q", fitTemperature, text)
	}
	if err := metrics.CheckTemperature(t); err != nil {
		return 0, fmt.Errorf("--temperature: %w", err)
	}
	return t, nil
}

// checkTemperature checks the value of --temperature, which may be empty.
func checkTemperature(text string) error {
	if text == "" || text == fitTemperature {
		return nil
	}
	_, err := parseTemperature(text)
	return err
}

// temper divides the logits of a model as --temperature says, and returns the result of a fit.
// to be fitted.
func temper(
	ctx context.Context,
	show *train.Display,
	m *model.Loaded,
	text string,
	pool *kernels.Pool,
) (*metrics.Calibration, error) {
	if text == "" {
		return nil, nil
	}
	if graph.IsInt8(m.Model) {
		return nil, fmt.Errorf("--temperature: the classifier of %s is already int8: "+
			"export the run or its checkpoint with both --int8 and --temperature",
			m.Path)
	}
	var fitted *metrics.Calibration
	var value float64
	var err error
	if text == fitTemperature {
		if fitted, err = fitOnValidation(ctx, show, m, m.Config, pool); err != nil {
			return nil, err
		}
		fitted, value = fitted.Brief(), fitted.Value
	} else if value, err = parseTemperature(text); err != nil {
		return nil, err
	}
	if _, err := m.Temper(value); err != nil {
		return nil, fmt.Errorf("--temperature: %w", err)
	}
	return fitted, nil
}

// fitOnValidation fits a temperature on the validation images of a model, and describes its effect.
func fitOnValidation(
	ctx context.Context,
	show *train.Display,
	m *model.Loaded,
	config *configs.Config,
	pool *kernels.Pool,
) (*metrics.Calibration, error) {
	ds, err := sets.Open(ctx, config.Data, false)
	if err != nil {
		return nil, fmt.Errorf("--temperature %s: %w", fitTemperature, err)
	}
	ds, note, err := eval.ForModel(ds, m.Classes, m.Model.Classes())
	if err != nil {
		return nil, err
	}
	if note != "" {
		show.Line("note: %s", note)
	}
	showKnown(show, m.Path, config.Data)
	net, err := graph.ForInference(m.Model)
	if err != nil {
		return nil, err
	}
	runner, err := model.NewRunner(config, net, pool)
	if err != nil {
		return nil, err
	}
	show.Begin("temperature", 0, ds.Len())
	report, err := eval.Examine(ctx, runner, ds, preprocess.Evaluation(config.Data, config.Model.InChans), eval.Options{
		Batch:      config.Train.ValBatchSize,
		Workers:    config.Data.Workers,
		SkipBad:    config.Data.OnBadImage == "skip",
		KeepLogits: eval.EvalLogits,
		ThinLogits: true,
		Progress:   func(done, _ int) { show.Step(done, "temperature") },
	})
	show.End()
	if err != nil {
		return nil, err
	}
	showSkipped(show, report.Skipped, false)
	t, err := report.Collected().Calibrate(0)
	if err != nil {
		return nil, err
	}
	showTemperature(show, t)
	return t, nil
}

// temperatureNote says that the probabilities of an exported model are already calibrated.
func temperatureNote(m *model.Loaded) string {
	if m.Temperature == 0 {
		return ""
	}
	return fmt.Sprintf("%s: its logits are already divided by a temperature of %.4g", m.Path, m.Temperature)
}
