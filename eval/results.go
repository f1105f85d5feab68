package eval

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/eval/metrics"
	"fasternet/internal/printable"
)

// Results is the content of a results file. It uses timm's names.
type Results struct {
	Model         string  `json:"model"`
	Top1          float64 `json:"top1"` // percent
	Top1Err       float64 `json:"top1_err"`
	Top5          float64 `json:"top5"`
	Top5Err       float64 `json:"top5_err"`
	Loss          float64 `json:"loss"`
	Count         int     `json:"count"`       // images
	ParamCount    float64 `json:"param_count"` // millions
	ImgSize       int     `json:"img_size"`
	CropPct       float64 `json:"crop_pct"` // the part of the shorter side that the model sees
	Interpolation string  `json:"interpolation"`

	Metrics *metrics.Figures `json:"metrics,omitempty"` // CSV has some of them

	Classes []ClassScore `json:"classes"`           // not in CSV
	Skipped []Bad        `json:"skipped,omitempty"` // not in CSV
}

// Results describes a report: the name of the model, the number of its parameters, the names
// of its classes, how the images were cropped, and how much of them the model has [Seen].
func (m *Report) Results(model string, parameters int, names []string, t *data.EvalTransform, seen float64) Results {
	round := func(v float64, digits int) float64 {
		p := math.Pow10(digits)
		return math.Round(v*p) / p
	}
	return Results{
		Model:      model,
		Top1:       round(m.Top1, 4),
		Top1Err:    round(100-m.Top1, 4),
		Top5:       round(m.Top5, 4),
		Top5Err:    round(100-m.Top5, 4),
		Loss:       m.Loss,
		Count:      m.Count,
		ParamCount: round(float64(parameters)/1e6, 2),
		ImgSize:    t.Size, CropPct: seen, Interpolation: string(t.Interpolation),
		Metrics: m.Figures, Classes: m.Confusion.Scores(names), Skipped: m.Skipped,
	}
}

// Seen returns the part of the shorter side of an image that the model sees. For small images
// it depends on their size: the first image that can be read decides.
func Seen(ds data.Dataset, t *data.EvalTransform) float64 {
	if t.Cut().KeepTo > 0 {
		for i := range ds.Len() {
			if m, err := ds.Image(i); err == nil {
				return t.Seen(m.Height, m.Width)
			}
		}
	}
	return t.Cut().Ratio
}

// CheckResultsFile returns an error unless the name of a results file ends in .json or .csv.
func CheckResultsFile(path string) error { return checkEnding(path, ".json", ".csv") }

func checkEnding(path string, want ...string) error {
	for _, w := range want {
		if strings.EqualFold(filepath.Ext(path), w) {
			return nil
		}
	}
	last := len(want) - 1
	return fmt.Errorf("%s: want a name that ends in %s or %s", path, strings.Join(want[:last], ", "), want[last])
}

// Write writes the results to a file, as JSON or CSV by the file's name.
func (r Results) Write(path string) error {
	if err := CheckResultsFile(path); err != nil {
		return err
	}
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		if strings.EqualFold(filepath.Ext(path), ".csv") {
			return r.writeCSV(w)
		}
		var v any = r
		// The loss of a model that computes NaN is not a number, and JSON has no NaN.
		if math.IsNaN(r.Loss) || math.IsInf(r.Loss, 0) {
			v = struct {
				Results
				Loss *float64 `json:"loss"`
			}{Results: r}
		}
		text, err := printable.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	})
}

func (r Results) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	head := []string{
		"model", "top1", "top1_err", "top5", "top5_err", "loss", "count",
		"param_count", "img_size", "crop_pct", "interpolation",
	}
	row := []string{r.Model}
	for _, v := range []any{
		r.Top1, r.Top1Err, r.Top5, r.Top5Err, r.Loss, r.Count,
		r.ParamCount, r.ImgSize, r.CropPct, r.Interpolation,
	} {
		row = append(row, fmt.Sprint(v))
	}
	if f := r.Metrics; f != nil {
		for _, v := range []struct {
			name  string
			value *float64
		}{
			{"precision_macro", &f.Precision.Macro}, {"recall_macro", &f.Recall.Macro},
			{"f1_macro", &f.F1.Macro}, {"f1_weighted", &f.F1.Weighted},
			{"balanced_accuracy", &f.BalancedAccuracy}, {"roc_auc_macro", f.ROCAUC.Macro},
			{"roc_auc_weighted", f.ROCAUC.Weighted},
			{"average_precision_macro", f.AveragePrecision.Macro}, {"ece", f.ECE}, {"brier", f.Brier},
		} {
			head, row = append(head, v.name), append(row, optional(v.value))
		}
	}
	c.Write(head)
	c.Write(printable.Row(row))
	c.Flush()
	return c.Error()
}
