package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
)

// expectedSet is a set of logits with the figures of scikit-learn, written by
// scripts/expected_metrics.py, which says how the logits are made.
type expectedSet struct {
	Name         string
	Images       int
	Classes      int
	Seed         uint64
	Labels       []int // they repeat; nil for all classes in turn
	Scale, Boost float64
	Steps        float64
	Distinct     int // number of distinct rows, which repeat
	Never        []int
	Averages     struct{ Macro, Weighted, Micro [3]float64 } // precision, recall, F1
	Balanced     float64                                     `json:"balanced_accuracy"`
	Top1, Top5   float64
	NLL          float64
	Brier, ECE   float64
	Bins         [][3]float64  // count, confidence, accuracy
	ROCAUC       [2]*float64   `json:"roc_auc"`
	AP           [2]*float64   `json:"average_precision"`
	PerClass     [][8]*float64 `json:"per_class"` // index, support, predicted, precision, recall, F1, AUC, AP
	Curves       []curveOf
	Temperature  any
	Resamples    [][10]float64
	Percentiles  [][2]float64
}

type curveOf struct {
	class  int
	points [][3]float64 // recall, precision, threshold
}

func (c *curveOf) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&c.class, &c.points})
}

func splitmix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

func (s *expectedSet) label(i int) int {
	if s.Labels == nil {
		return i % s.Classes
	}
	return s.Labels[i%len(s.Labels)]
}

// row returns a row of logits. Repeated rows favour the label of their first copy.
func (s *expectedSet) row(i int) []float32 {
	if s.Distinct > 0 {
		i %= s.Distinct
	}
	row := make([]float32, s.Classes)
	for k := range row {
		u := float64(splitmix(s.Seed<<40+uint64(i)<<20+uint64(k))>>40) / (1 << 24)
		z := (u - 0.5) * s.Scale
		if k == s.label(i) {
			z += s.Boost
		}
		for _, n := range s.Never {
			if k == n {
				z -= 1000
			}
		}
		if s.Steps > 0 {
			z = math.Floor(z*s.Steps) / s.Steps
		}
		row[k] = float32(z)
	}
	return row
}

func (s *expectedSet) collect(t testing.TB) *Collector {
	t.Helper()
	c := New(s.Classes, s.Images, s.Images*s.Classes)
	for i := range s.Images {
		if _, err := c.Add(s.label(i), s.row(i)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

type expectation struct {
	Sets    []*expectedSet
	McNemar [][5]any // b, c, test, statistic, p
}

func expected(t testing.TB) expectation {
	t.Helper()
	text, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var e expectation
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Sets) < 9 || len(e.McNemar) < 10 {
		t.Fatalf("%d sets, %d tests of McNemar", len(e.Sets), len(e.McNemar))
	}
	return e
}

const tolerance = 1e-6

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.9f, want %.9f", what, got, want)
	}
}

func nearOrNil(t *testing.T, what string, got, want *float64) {
	t.Helper()
	if got == nil || want == nil {
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
		return
	}
	near(t, what, *got, *want)
}

func TestScikitLearn(t *testing.T) {
	for _, s := range expected(t).Sets {
		t.Run(s.Name, func(t *testing.T) {
			c := s.collect(t)
			f, err := c.Figures(Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []struct {
				name string
				got  Averages
				at   int
			}{{"precision", f.Precision, 0}, {"recall", f.Recall, 1}, {"F1", f.F1, 2}} {
				near(t, "macro "+a.name, a.got.Macro, s.Averages.Macro[a.at])
				near(t, "weighted "+a.name, a.got.Weighted, s.Averages.Weighted[a.at])
				near(t, "micro "+a.name, a.got.Micro, s.Averages.Micro[a.at])
			}
			near(t, "balanced accuracy", f.BalancedAccuracy, s.Balanced)
			nearOrNil(t, "macro ROC-AUC", f.ROCAUC.Macro, s.ROCAUC[0])
			nearOrNil(t, "weighted ROC-AUC", f.ROCAUC.Weighted, s.ROCAUC[1])
			nearOrNil(t, "macro average precision", f.AveragePrecision.Macro, s.AP[0])
			nearOrNil(t, "weighted average precision", f.AveragePrecision.Weighted, s.AP[1])
			nearOrNil(t, "ECE", f.ECE, &s.ECE)
			nearOrNil(t, "Brier", f.Brier, &s.Brier)
			nearOrNil(t, "NLL", f.NLL, &s.NLL)
			if len(f.Reliability) != len(s.Bins) {
				t.Fatalf("%d bins", len(f.Reliability))
			}
			for i, b := range f.Reliability {
				near(t, fmt.Sprint("images of bin ", i), float64(b.Count), s.Bins[i][0])
				near(t, fmt.Sprint("confidence of bin ", i), b.Confidence, s.Bins[i][1])
				near(t, fmt.Sprint("accuracy of bin ", i), b.Accuracy, s.Bins[i][2])
			}
			for _, want := range s.PerClass {
				got := f.Classes[int(*want[0])]
				for i, v := range []float64{
					float64(got.Index), float64(got.Support), float64(got.Predicted), got.Precision,
					got.Recall, got.F1,
				} {
					near(t, fmt.Sprintf("class %d, value %d", got.Index, i), v, *want[i])
				}
				nearOrNil(t, fmt.Sprintf("ROC-AUC of class %d", got.Index), got.ROCAUC, want[6])
				nearOrNil(t, fmt.Sprintf("average precision of class %d", got.Index), got.AveragePrecision, want[7])
			}
			checkCurves(t, c, s)
		})
	}
}

// checkCurves compares all points of curves that have a point for each score.
func checkCurves(t *testing.T, c *Collector, s *expectedSet) {
	all := c.eachClass(func(k int, r ranked) classRanks {
		return classRanks{curve: r.curve(k, 1<<20)}
	})
	for _, want := range s.Curves {
		got := all[want.class].curve
		if len(got.Recall) != len(want.points) {
			t.Errorf("curve of class %d: %d points, want %d", want.class, len(got.Recall), len(want.points))
			continue
		}
		for i, p := range want.points {
			near(t, "recall", float64(got.Recall[i]), p[0])
			near(t, "precision", float64(got.Precision[i]), p[1])
			near(t, "threshold", float64(got.Threshold[i]), p[2])
		}
	}
}

func TestTemperatureOfScipy(t *testing.T) {
	n := 0
	for _, s := range expected(t).Sets {
		want, ok := s.Temperature.(float64)
		if !ok {
			continue
		}
		n++
		t.Run(s.Name, func(t *testing.T) {
			c := s.collect(t)
			r, err := c.Calibrate(0)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "temperature", r.Value, want)
			near(t, "NLL before", r.Before.NLL, s.NLL)
			near(t, "ECE before", r.Before.ECE, s.ECE)
			if r.FittedOn != s.Images || r.Halves[0] == r.Halves[1] || !(r.After.NLL < r.Before.NLL) {
				t.Errorf("%+v", r)
			}
		})
	}
	if n < 5 {
		t.Errorf("%d sets have a temperature", n)
	}
}

// Each resample has the figures of scikit-learn, and the percentiles equal numpy's.
func TestResamples(t *testing.T) {
	n := 0
	for _, s := range expected(t).Sets {
		if len(s.Resamples) == 0 {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			c := s.collect(t)
			draws, rankings := c.draws(), c.orderings(1000)
			columns := make([][]float64, len(IntervalNames))
			var r resample
			for k, want := range s.Resamples {
				n++
				r.reset(s.Classes)
				times := make([]uint16, len(draws))
				for i := range draws {
					at := splitmix(uint64(k)<<32+uint64(i)) % uint64(len(draws))
					times[at]++
					r.add(&draws[at])
				}
				figures := r.figures()
				figures[8], figures[9] = rankAverages(rankings, draws, times)
				for f, got := range figures {
					near(t, IntervalNames[f], got, want[f])
					columns[f] = append(columns[f], got)
				}
			}
			for f, column := range columns {
				low, high, ok := interval(column)
				if !ok {
					t.Fatal(IntervalNames[f])
				}
				near(t, "lower end of "+IntervalNames[f], low, s.Percentiles[f][0])
				near(t, "upper end of "+IntervalNames[f], high, s.Percentiles[f][1])
			}
		})
	}
	if n < 30 {
		t.Errorf("%d resamples", n)
	}
}

func TestMcNemar(t *testing.T) {
	for _, want := range expected(t).McNemar {
		b, c := int(want[0].(float64)), int(want[1].(float64))
		t.Run(fmt.Sprint(b, " and ", c), func(t *testing.T) {
			m := &McNemar{}
			for i := range b + c + 7 {
				m.Add(i < b || i > b+c+2, i >= b && i < b+c || i > b+c+2)
			}
			if err := m.Decide(); err != nil {
				t.Fatal(err)
			}
			if m.OnlyA != b ||
				m.OnlyB != c ||
				m.Both != 4 ||
				m.Neither != 3 ||
				m.Images != b+c+7 ||
				m.Test != want[2] ||
				(m.Statistic == nil) != (want[3] == nil) {
				t.Errorf("%+v", m)
			}
			if m.Statistic != nil {
				near(t, "statistic", *m.Statistic, want[3].(float64))
			}
			if p := want[4].(float64); math.Abs(m.P-p) > 1e-9*p {
				t.Errorf("p %v, want %v", m.P, p)
			}
		})
	}
	if err := new(McNemar).Decide(); err == nil {
		t.Error("a comparison on no images")
	}
}
