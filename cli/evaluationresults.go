package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"fasternet/data"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/train"
)

// evalResult is the JSON object of a model or an ensemble.
type evalResult struct {
	eval.Result
	Loss     *float64         `json:"loss"`
	Model    string           `json:"model"`
	Weights  string           `json:"weights"`
	TTA      string           `json:"tta,omitempty"`
	Ensemble []evalResult     `json:"ensemble,omitempty"` // each model by itself
	Metrics  *metrics.Figures `json:"metrics,omitempty"`
	// Threshold is only measured for models of two classes.
	Threshold *metrics.Threshold `json:"threshold,omitempty"`
}

func (e *evaluation) result(r *eval.Report, m *evaluated) evalResult {
	v := evalResult{Result: r.Result, Loss: number(r.Loss), Model: m.Path, Weights: m.Used()}
	if e.tta != string(data.NoTTA) {
		v.TTA = e.tta
	}
	if r.Figures != nil {
		v.Metrics = shownMetrics(r.Figures)
	}
	return v
}

// shownMetrics returns all figures for --json; after text, only the short ones.
func shownMetrics(f *metrics.Figures) *metrics.Figures {
	if wantsJSON() {
		return f
	}
	return f.Brief()
}

// measure computes the figures of a report and shows the most important ones.
func (e *evaluation) measure(r *eval.Report, names []string) error {
	if err := r.Measure(metrics.Options{Names: names, Resamples: e.bootstrap}); err != nil {
		return err
	}
	e.show.Line("top-1 %.2f %%, top-5 %.2f %%, loss %.4f", r.Top1, r.Top5, r.Loss)
	f := r.Figures
	e.show.Line("F1 macro %.4f, weighted %.4f; balanced accuracy %.4f; "+
		"ROC-AUC %s, average precision %s (macro, one-vs-rest)",
		f.F1.Macro, f.F1.Weighted, f.BalancedAccuracy, shownFigure(f.ROCAUC.Macro),
		shownFigure(f.AveragePrecision.Macro))
	e.show.Line("ECE %s (15 bins), Brier %s", shownFigure(f.ECE), shownFigure(f.Brier))
	if i := f.Intervals; i != nil {
		top1, f1 := i.Figures["top1"], i.Figures["f1_macro"]
		e.show.Line("95 %% intervals of %d resamples: top-1 %.2f to %.2f %%, F1 macro %.4f to %.4f",
			i.Resamples, top1[0], top1[1], f1[0], f1[1])
	}
	for _, n := range f.Notes {
		e.show.Line("note: %s", n)
	}
	return nil
}

func shownFigure(v *float64) string {
	if v == nil {
		return "not defined"
	}
	return fmt.Sprintf("%.4f", *v)
}

// showFigures shows and writes the figures of a model or an ensemble.
func (e *evaluation) showFigures(found *eval.Together, ds data.Dataset, names []string) error {
	r := found.Whole
	if e.ensemble {
		for i, m := range found.Members {
			e.show.Line("%s alone: top-1 %.2f %%, loss %.4f", e.models[i].Path, m.Top1, m.Loss)
		}
	}
	if err := e.measure(r, names); err != nil {
		return err
	}
	v := e.result(r, e.models[0])
	if e.temperature == fitTemperature {
		t, err := r.Collected().Calibrate(0)
		if err != nil {
			return err
		}
		showTemperature(e.show, t)
		r.Figures.Temperature = t
	}
	if e.ensemble {
		v.Model, v.Weights = e.title(), ""
		for i, m := range found.Members {
			v.Ensemble = append(v.Ensemble, e.result(m, e.models[i]))
		}
	}
	if e.changed("threshold") {
		t, err := r.Collected().At(e.threshold)
		if err != nil {
			return err
		}
		v.Threshold = t
		e.show.Line("%s from a probability of %v on: precision %.4f, recall %.4f, F1 %.4f",
			eval.ClassName(names, 1), t.Value, t.Precision, t.Recall, t.F1)
	}
	if e.confusion != "" {
		title := fmt.Sprintf("%s: top-1 %.2f %% of %d images", e.title(), r.Top1, r.Count)
		if err := r.Confusion.Write(e.confusion, title, names); err != nil {
			return err
		}
	}
	if e.results != "" {
		first := e.models[0]
		if err := r.Results(v.Model, e.parameters(), names, first.transform, eval.Seen(ds, first.transform)).
			Write(e.results); err != nil {
			return err
		}
	}
	if err := e.writeTables(r, ds, names); err != nil {
		return err
	}
	if err := printScores(r.Confusion.Scores(names), r.Figures, names, e.verbose); err != nil {
		return err
	}
	v.Metrics = shownMetrics(r.Figures)
	return printJSON(v)
}

// showTemperature describes the effect of a temperature.
func showTemperature(show *train.Display, t *metrics.Calibration) {
	show.Line("temperature %.4f, fitted on %d images; on held-out halves: ECE %.4f before and %.4f after, "+
		"loss %.4f before and %.4f after",
		t.Value, t.FittedOn, t.Before.ECE, t.After.ECE, t.Before.NLL, t.After.NLL)
	show.Line("note: if these images chose the checkpoint or settings of the run, the figures are a little too good; " +
		"measure on other images to know")
}

// comparison is the JSON object of --compare.
type comparison struct {
	A          evalResult          `json:"a"`
	B          evalResult          `json:"b"`
	Difference *metrics.Difference `json:"difference"` // b minus a
	McNemar    *metrics.McNemar    `json:"mcnemar"`
}

// showComparison shows and writes how two models compare.
func (e *evaluation) showComparison(found *eval.Together, ds data.Dataset, names []string) error {
	a, b := found.Members[0], found.Members[1]
	for i, r := range []*eval.Report{a, b} {
		e.show.Line("%s, %s:", strings.ToUpper("ab"[i:i+1]), e.models[i].Path)
		if err := e.measure(r, names); err != nil {
			return err
		}
	}
	v := comparison{A: e.result(a, e.models[0]), B: e.result(b, e.models[1])}
	var err error
	if v.McNemar, err = found.McNemar(0, 1); err != nil {
		return err
	}
	if v.Difference, err = metrics.DifferenceOf(a.Collected(), b.Collected(), e.bootstrap, 0); err != nil {
		return err
	}
	if e.csv != "" {
		if err := a.WriteClassCSV(filepath.Join(e.csv, "classes.csv")); err != nil {
			return err
		}
		if err := found.WriteComparedImageCSV(filepath.Join(e.csv, "images.csv"), ds, names); err != nil {
			return err
		}
	}
	printComparison(v)
	return printJSON(v)
}
