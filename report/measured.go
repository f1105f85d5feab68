package report

import (
	"cmp"
	"fmt"
	"slices"

	"fasternet/eval/metrics"
)

// measured holds the figures of an evaluation besides accuracy and loss.
type measured struct {
	Tiles  []tile
	Charts []*Chart
	Notes  []string
}

// shownCurves is how many classes have their own curves in a chart.
const shownCurves = 4

func (r *Run) measured() *measured {
	if r.Evaluation == nil || r.Evaluation.Figures == nil {
		return nil
	}
	f := r.Evaluation.Figures
	m := &measured{Notes: f.Notes}
	between := func(name string) string {
		if f.Intervals == nil {
			return ""
		}
		if i, ok := f.Intervals.Figures[name]; ok {
			return fmt.Sprintf(" (%.3f to %.3f)", i[0], i[1])
		}
		return ""
	}
	add := func(v *float64, name, interval string) {
		if v != nil && finite(*v) {
			m.Tiles = append(m.Tiles, tile{fmt.Sprintf("%.3f", *v), name + between(interval)})
		}
	}
	add(&f.F1.Macro, "F1, mean over the classes", "f1_macro")
	add(&f.BalancedAccuracy, "balanced accuracy", "balanced_accuracy")
	add(f.ROCAUC.Macro, "area under ROC curves", "")
	add(f.AveragePrecision.Macro, "average precision", "")
	add(f.ECE, "calibration error (ECE)", "ece")
	add(f.Brier, "Brier score", "brier")
	m.Charts = compact([]*Chart{reliability(f), m.recall(f), m.roc(f)})
	return m
}

// reliability draws how often answers are right, over the model's confidence.
func reliability(f *metrics.Figures) *Chart {
	diagonal := series{
		name:   "perfect",
		colour: 6,
		dashed: true,
		last:   " ",
		points: []point{{x: 0, y: 0}, {x: 1, y: 1}},
	}
	of := func(name string, colour int, bins []metrics.Bin) series {
		s := series{name: name, colour: colour, last: " "}
		for _, b := range bins {
			if b.Count > 0 {
				s.points = append(s.points, point{x: b.Confidence, y: b.Accuracy})
			}
		}
		return s
	}
	plain := of("answers", 1, f.Reliability)
	if len(plain.points) == 0 {
		return nil
	}
	all := []series{diagonal, plain}
	if t := f.Temperature; t != nil {
		all = append(all, of(fmt.Sprintf("with temperature %.3g", t.Value), 2, t.After.Reliability))
	}
	c := square("Reliability", "part of the answers that are right", "confidence", all...)
	c.Table = &table{Head: []string{"confidence", "images", "mean confidence", "right"}}
	for _, b := range f.Reliability {
		if b.Count > 0 {
			c.Table.Rows = append(c.Table.Rows, []string{
				fmt.Sprintf("%.3f to %.3f", b.Low, b.High),
				count(b.Count),
				fmt.Sprintf("%.3f", b.Confidence),
				fmt.Sprintf("%.3f", b.Accuracy),
			})
		}
	}
	return c
}

// curvesOf returns the curves to show: all of them, or if there are many, the ones with the smallest areas.
func curvesOf(f *metrics.Figures, area func(c metrics.ClassFigures) *float64) []metrics.Curve {
	all := slices.DeleteFunc(slices.Clone(f.Curves), func(c metrics.Curve) bool {
		return c.Class < 0 ||
			c.Class >= len(f.Classes) ||
			area(f.Classes[c.Class]) == nil ||
			len(c.Recall) == 0 ||
			len(c.Recall) != len(c.Precision)
	})
	slices.SortStableFunc(all, func(a, b metrics.Curve) int {
		return cmp.Compare(*area(f.Classes[a.Class]), *area(f.Classes[b.Class]))
	})
	return all[:min(len(all), shownCurves)]
}

func (m *measured) recall(f *metrics.Figures) *Chart {
	var all []series
	if c := f.MeanCurve; c != nil && len(c.Recall) == len(c.Precision) {
		s := series{name: "mean over the classes", colour: 1}
		for i, v := range c.Recall {
			s.points = append(s.points, point{x: float64(v), y: float64(c.Precision[i])})
		}
		if a := f.AveragePrecision.Macro; a != nil {
			s.last = fmt.Sprintf("area %.3f", *a)
		}
		all = append(all, s)
	}
	area := func(c metrics.ClassFigures) *float64 { return c.AveragePrecision }
	for i, c := range curvesOf(f, area) {
		s := series{
			name:   f.Classes[c.Class].Name,
			colour: 2 + i,
			last:   fmt.Sprintf("area %.3f", *area(f.Classes[c.Class])),
		}
		before := 0.0
		for k, v := range c.Recall { // a step curve: the precision at the end of a step holds for the step
			y := float64(c.Precision[k])
			s.points = append(s.points, point{x: before, y: y}, point{x: float64(v), y: y})
			before = float64(v)
		}
		all = append(all, s)
	}
	return withAreas(square("Precision and recall", precisionUnit(len(f.Curves)), "recall", all...), f)
}

func precisionUnit(classes int) string {
	if classes > shownCurves {
		return fmt.Sprintf("precision; the %d classes with the smallest areas", shownCurves)
	}
	return "precision"
}

// roc draws ROC curves from the points of the precision-recall curves. With P images of a class and
// recall r, rP images are found; with precision p the class is given rP/p times, so it is given to
// rP(1/p - 1) other images.
func (m *measured) roc(f *metrics.Figures) *Chart {
	total := 0
	for _, c := range f.Classes {
		total += c.Support
	}
	all := []series{
		{
			name:   "guessing",
			colour: 6,
			dashed: true,
			last:   "area 0.5",
			points: []point{{x: 0, y: 0}, {x: 1, y: 1}},
		},
	}
	area := func(c metrics.ClassFigures) *float64 { return c.ROCAUC }
	for i, c := range curvesOf(f, area) {
		class := f.Classes[c.Class]
		positives, negatives := float64(class.Support), float64(total-class.Support)
		if positives == 0 || negatives == 0 {
			continue
		}
		s := series{
			name:   class.Name,
			colour: 1 + i,
			last:   fmt.Sprintf("area %.3f", *area(class)),
			points: []point{{}},
		}
		for k, v := range c.Recall {
			if p := float64(c.Precision[k]); p > 0 {
				x := min(float64(v)*positives*(1/p-1)/negatives, 1)
				s.points = append(s.points, point{x: x, y: s.points[len(s.points)-1].y}, point{x: x, y: float64(v)})
			}
		}
		s.points = append(s.points, point{x: 1, y: 1})
		all = append(all, s)
	}
	if len(all) == 1 {
		return nil
	}
	unit := "part of the class that is found"
	if len(f.Curves) > shownCurves {
		unit += fmt.Sprintf("; the %d classes with the smallest areas", shownCurves)
	}
	return square("ROC curves", unit, "part of the other images that get this class", all...)
}

// withAreas adds the areas of the classes as a table.
func withAreas(c *Chart, f *metrics.Figures) *Chart {
	if c == nil {
		return nil
	}
	c.Table = &table{Head: []string{
		"class", "images", "precision", "recall", "F1", "ROC area", "average precision",
	}}
	value := func(v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf("%.3f", *v)
	}
	for _, x := range f.Classes {
		if x.Support == 0 {
			continue
		}
		c.Table.Rows = append(c.Table.Rows, []string{
			x.Name,
			count(x.Support),
			fmt.Sprintf("%.3f", x.Precision),
			fmt.Sprintf("%.3f", x.Recall),
			fmt.Sprintf("%.3f", x.F1),
			value(x.ROCAUC),
			value(x.AveragePrecision),
		})
	}
	return c
}
