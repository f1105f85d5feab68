package cli

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"
)

// labelEvaluation is the evaluation of a model of task multilabel.
type labelEvaluation struct {
	model     *model.Loaded
	config    *configs.Config
	flags     *modelFlags
	split     string
	threshold *float64 // for all labels; nil for the model's
	confusion string
	results   string
	verbose   bool
}

// labelResults is printed and written.
type labelResults struct {
	Model      string   `json:"model"`
	Weights    string   `json:"weights"`
	Task       string   `json:"task"`
	Count      int      `json:"count"`     // images
	MAP        float64  `json:"map"`       // percent
	MicroMAP   *float64 `json:"map_micro"` // percent
	F1         float64  `json:"f1_macro"`  // percent, with the thresholds
	MicroF1    float64  `json:"f1_micro"`
	ExactMatch float64  `json:"exact_match"` // percent of the images with only correct labels
	Loss       *float64 `json:"loss"`        // mean binary cross entropy, nats
	From       string   `json:"thresholds_from"`

	Metrics *metrics.LabelFigures `json:"metrics,omitempty"`
}

func (e *labelEvaluation) check() error {
	if e.confusion != "" && !strings.EqualFold(filepath.Ext(e.confusion), ".csv") {
		return usageError{fmt.Errorf("--confusion: for task multilabel (%s) each label has its own table: "+
			"want a .csv file",
			e.model.Path)}
	}
	if e.results != "" && !strings.EqualFold(filepath.Ext(e.results), ".json") {
		return usageError{fmt.Errorf("--results-file: for task multilabel (%s) want a .json file", e.model.Path)}
	}
	return nil
}

// runLabels evaluates a model of task multilabel. It refuses options that need one label per image.
func (e *evaluation) runLabels(ctx context.Context, m *evaluated) error {
	for _, o := range []struct {
		option string
		given  bool
	}{
		{"--ensemble", e.ensemble}, {"--compare", e.compare}, {"--tta", e.tta != string(data.NoTTA)},
		{"--temperature", e.temperature != ""}, {"--csv", e.csv != ""},
		{"--bootstrap", e.changed("bootstrap")},
	} {
		if o.given {
			return usageError{fmt.Errorf("%s: %s has task multilabel, but this option needs one label per image",
				o.option, m.Path)}
		}
	}
	l := labelEvaluation{
		model:     m.Loaded,
		config:    m.config,
		flags:     &e.model,
		split:     e.split,
		confusion: e.confusion,
		results:   e.results,
		verbose:   e.verbose,
	}
	if e.changed("threshold") {
		l.threshold = &e.threshold
	}
	return l.run(ctx)
}

// limits returns the thresholds and their source.
func (e *labelEvaluation) limits() (limits []float64, from string) {
	switch {
	case e.threshold != nil:
		return slices.Repeat([]float64{*e.threshold}, e.model.Model.Classes()), "--threshold"
	case e.model.Thresholds == nil:
		return e.model.AllThresholds(), "0.5, because the model has none"
	}
	return e.model.Thresholds, "from the model: best F1 of each label on the validation images of its run"
}

func (e *labelEvaluation) run(ctx context.Context) error {
	if err := e.check(); err != nil {
		return err
	}
	m, config := e.model, e.config
	ds, err := sets.Open(ctx, config.Data, e.split == string(data.Train))
	if err != nil {
		return err
	}
	if !data.IsMultiLabel(ds) {
		return fmt.Errorf("%s has task multilabel, but the data set has one label per image", m.Path)
	}
	ds, note, err := eval.ForModel(ds, m.Classes, m.Model.Classes())
	if err != nil {
		return err
	}
	pool := kernels.NewPool(config.Threads)
	defer pool.Close()
	runner, err := model.NewRunner(config, m.Model, pool)
	if err != nil {
		return err
	}
	show := display()
	show.Line("evaluating %s on %s%s, %s, %s",
		which(m), printable.Count(ds.Len(), "image"), of(config.Data.Dir),
		printable.Count(pool.Workers(), "thread"), pool.Kernels().Describe(runner.Precision))
	showLeftOut(show, data.LeftOutOf(ds))
	for _, n := range append(data.NotesOf(ds), note) {
		if n != "" {
			show.Line("note: %s", n)
		}
	}
	if e.split == string(data.Val) {
		showKnown(show, m.Path, config.Data)
	}
	show.Begin("evaluation", 0, ds.Len())
	limits, from := e.limits()
	report, err := eval.ExamineLabels(ctx, runner, ds, preprocess.Evaluation(config.Data,
		config.Model.InChans), eval.Options{
		Batch: config.Train.ValBatchSize, Workers: config.Data.Workers, SkipBad: e.flags.skipBad(),
		Progress: func(done, _ int) { show.Step(done, "evaluation") },
	}, limits)
	show.End()
	if err != nil {
		return err
	}
	showSkipped(show, report.Skipped, e.verbose)
	f := report.Figures
	if f.NotFinite > 0 {
		show.Line("warning: the logits of %s are NaN or infinite", printable.Count(f.NotFinite, "image"))
	}
	if n := len(f.NoImages); n > 0 {
		show.Line("note: no image has %d of the %d labels; mAP leaves them out", n, len(f.Labels))
	}
	show.Line("mAP %.2f %%, micro %s, macro F1 %.2f %%, loss %.4f; thresholds: %s",
		report.MAP, percent(f.MicroAP), report.F1, report.Loss, from)
	r := labelResults{
		Model:      m.Path,
		Weights:    m.Used(),
		Task:       config.Task,
		Count:      report.Count,
		MAP:        report.MAP,
		F1:         report.F1,
		MicroF1:    100 * f.F1.Micro,
		ExactMatch: 100 * f.ExactMatch,
		Loss:       number(report.Loss),
		From:       from,
		Metrics:    f,
	}
	if f.MicroAP != nil {
		r.MicroMAP = number(100 * *f.MicroAP)
	}
	if number(f.Loss) == nil {
		r.Metrics.Loss = 0 // JSON has no NaN, and the loss above is null
	}
	if err := e.write(r); err != nil {
		return err
	}
	if err := printLabels(f, e.verbose); err != nil {
		return err
	}
	r.Metrics = nil
	return printJSON(r)
}

// write writes the requested files.
func (e *labelEvaluation) write(r labelResults) error {
	if e.confusion != "" {
		if err := checkpoints.WriteAtomic(e.confusion, func(w io.Writer) error {
			return writeLabelTables(w, r.Metrics)
		}); err != nil {
			return err
		}
	}
	if e.results == "" {
		return nil
	}
	text, err := printable.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return checkpoints.WriteAtomic(e.results, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// writeLabelTables writes a line with the four cells of the confusion matrix for each label.
func writeLabelTables(w io.Writer, f *metrics.LabelFigures) error {
	c := csv.NewWriter(w)
	c.Write([]string{"label", "true_positives", "false_positives", "false_negatives", "true_negatives", "threshold"})
	for _, l := range f.Labels {
		row := []string{labelName(l)}
		for _, n := range []int{l.TruePositives, l.FalsePositives, l.FalseNegatives, l.TrueNegatives} {
			row = append(row, strconv.Itoa(n))
		}
		c.Write(printable.Row(append(row, strconv.FormatFloat(l.Threshold, 'g', -1, 64))))
	}
	c.Flush()
	return c.Error()
}

func labelName(l metrics.LabelFigure) string {
	if l.Name != "" {
		return l.Name
	}
	return strconv.Itoa(l.Index)
}

func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100**v)
}

// printLabels prints the figures of the labels, the lowest average precision first.
func printLabels(f *metrics.LabelFigures, all bool) error {
	order := slices.Clone(f.Labels)
	slices.SortStableFunc(order, func(a, b metrics.LabelFigure) int {
		if (a.AveragePrecision == nil) != (b.AveragePrecision == nil) {
			if a.AveragePrecision == nil { // labels without images come last
				return 1
			}
			return -1
		}
		if a.AveragePrecision == nil {
			return 0
		}
		return cmp.Compare(*a.AveragePrecision, *b.AveragePrecision)
	})
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "label\timages\taverage precision\tthreshold\tprecision\trecall\tF1\n")
	for i, l := range order {
		if i == fewLines && !all && len(order) > fewLines+1 {
			printable.Fprintf(w, "… and %d more labels (--verbose)\n", len(order)-i)
			break
		}
		printable.Fprintf(
			w,
			"%s\t%d\t%s\t%.3f\t%.3f\t%.3f\t%.3f\n",
			labelName(l),
			l.Count,
			percent(l.AveragePrecision),
			l.Threshold,
			l.Precision,
			l.Recall,
			l.F1,
		)
	}
	return w.Flush()
}
