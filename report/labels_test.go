package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/train"
)

// multiLabelRun writes the folder of a run of task multilabel, whose labels were evaluated after an epoch.
func multiLabelRun(t *testing.T, c *metrics.LabelCollector, names []string, epoch int) string {
	t.Helper()
	thresholds := c.BestThresholds()
	f, err := c.Figures(names, thresholds)
	if err != nil {
		t.Fatal(err)
	}
	written := t.TempDir()
	e := train.LabelEvaluation{Epoch: epoch, LabelReport: eval.LabelReport{
		Thresholds: thresholds, Figures: f, Count: c.Len(),
	}}
	if err := (&train.Folder{Dir: written}).WriteLabels(e); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(written, train.LabelsFile))
	if err != nil {
		t.Fatal(err)
	}
	return folder(t, "labels", []float64{2, 1.5, 1.2, 1}, map[string]string{train.LabelsFile: string(text)},
		"task=multilabel", "data.name=annotations", "checkpoint.monitor=loss")
}

// The table has the figures that scikit-learn 1.9 computes from the same logits: average_precision_score, and
// precision_recall_fscore_support at the threshold with the best F1 in precision_recall_curve.
func TestLabelTable(t *testing.T) {
	const images, labels = 40, 4
	c := metrics.NewLabelCollector(labels)
	for i := range images {
		logits, has := make([]float32, labels), []int{}
		for l := range labels {
			logits[l] = float32((i*7+l*5)%19-9) / 4
			if l < 3 && (i*(l+1)+l+(i*i)%7)%(3+l) == 0 || l < 2 && logits[l] > 1.6 {
				has = append(has, l)
			}
		}
		if err := c.Add(has, logits); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"sea", "<b>sky", "tree", "no image"}
	text := page(t, load(t, multiLabelRun(t, c, names, 4)))
	at := -1
	for _, row := range []string{ // the lowest average precision first
		"tree</th><td>7</td><td>14.2</td><td>0.048</td><td>17.5</td><td>100.0</td><td>29.8</td>",
		"sea</th><td>17</td><td>79.0</td><td>0.408</td><td>63.6</td><td>82.4</td><td>71.8</td>",
		"&lt;b&gt;sky</th><td>10</td><td>79.5</td><td>0.797</td><td>87.5</td><td>70.0</td><td>77.8</td>",
		"no image</th><td>0</td><td>–</td><td>0.500</td><td>0.0</td><td>–</td><td>0.0</td>",
	} {
		now := strings.Index(text, row)
		if now <= at {
			_, table, _ := strings.Cut(text, `class="labels`)
			t.Fatalf("%s is not in its place in\n%.2000s", row, table)
		}
		at = now
	}
	for _, want := range []string{"4 labels on 40 validation images", "Labels that no image has: 1."} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// The evaluation of another epoch than the best one is not shown.
	if r := load(t, multiLabelRun(t, c, names, 2)); r.Labels != nil || strings.Contains(page(t, r), "<h2>Labels") {
		t.Error("the labels of another epoch are shown")
	}
	// A damaged file is an error, as for classes.
	dir := multiLabelRun(t, c, names, 4)
	if err := os.WriteFile(filepath.Join(dir, train.LabelsFile), []byte(`{"epoch":4}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (&train.Folder{Dir: dir}).Labels(); err == nil || !strings.Contains(err.Error(), "no figures") {
		t.Errorf("a file without figures: %v", err)
	}
}

// A thousand labels take little room.
func TestManyLabels(t *testing.T) {
	const labels = 1000
	c := metrics.NewLabelCollector(labels)
	var names []string
	for l := range labels {
		names = append(names, fmt.Sprintf("label %04d", l))
	}
	for i := range 30 {
		logits := make([]float32, labels)
		for l := range logits {
			logits[l] = float32((i*31+l*17)%101-50) / 9
		}
		if err := c.Add([]int{i, 2 * i, 900 + i}, logits); err != nil {
			t.Fatal(err)
		}
	}
	few := len(page(t, load(t, multiLabelRun(t, c, names[:10], 2)))) // without the table
	text := page(t, load(t, multiLabelRun(t, c, names, 4)))
	if n := strings.Count(text, `<tr><th scope="row">label `); n != labels {
		t.Errorf("%d rows, want %d", n, labels)
	}
	if more := len(text) - few; more > 140_000 {
		t.Errorf("the table takes %d bytes", more)
	}
}
