package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"fasternet/eval/metrics"
)

// labelTable has a row for each label of task multilabel.
type labelTable struct {
	Images, Labels, Without int // Without counts labels that no validation image has
	Rows                    []labelRow
}

// labelRow has the figures of a label as texts. They have the same number of decimals in all rows, and "–"
// if a figure is not defined.
type labelRow struct {
	Name, Count, AveragePrecision, Threshold, Precision, Recall, F1 string
}

// labels returns the table, the lowest average precision first; nil without an evaluation.
func (r *Run) labels() *labelTable {
	if r.Labels == nil {
		return nil
	}
	f := r.Labels.Figures
	t := &labelTable{Images: r.Labels.Count, Labels: len(f.Labels), Without: len(f.NoImages)}
	order := slices.Clone(f.Labels)
	slices.SortStableFunc(order, func(a, b metrics.LabelFigure) int {
		return cmp.Compare(orAbove(a.AveragePrecision), orAbove(b.AveragePrecision))
	})
	for _, l := range order {
		row := labelRow{
			Name:             cmp.Or(l.Name, strconv.Itoa(l.Index)),
			Count:            count(l.Count),
			AveragePrecision: "–",
			Threshold:        fmt.Sprintf("%.3f", l.Threshold),
			Precision:        "–",
			Recall:           "–",
			F1:               "–",
		}
		if l.AveragePrecision != nil {
			row.AveragePrecision = inPercent(*l.AveragePrecision)
		}
		if l.TruePositives+l.FalsePositives > 0 {
			row.Precision = inPercent(l.Precision)
		}
		if l.Count > 0 {
			row.Recall = inPercent(l.Recall)
		}
		if l.Count+l.FalsePositives > 0 {
			row.F1 = inPercent(l.F1)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// orAbove returns a figure, or more than any figure if it is not defined.
func orAbove(v *float64) float64 {
	if v == nil {
		return 2
	}
	return *v
}

func inPercent(v float64) string { return fmt.Sprintf("%.1f", 100*v) }
