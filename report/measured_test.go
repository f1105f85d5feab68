package report

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/train"
)

// The areas under the drawn curves equal the measured areas.
func TestMeasuredCurves(t *testing.T) {
	const classes, images = 3, 150
	c, r := metrics.New(classes, images, classes*images), rand.New(rand.NewPCG(1, 2))
	for i := range images {
		logits := []float32{r.Float32(), r.Float32(), r.Float32()}
		logits[i%classes] += 0.4
		if _, err := c.Add(i%classes, logits); err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.Figures(metrics.Options{Names: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	m := (&Run{Evaluation: &train.Evaluation{Report: eval.Report{Figures: f}}}).measured()
	if len(m.Charts) != 3 || len(m.Tiles) != 6 {
		t.Fatalf("%d charts and %d tiles", len(m.Charts), len(m.Tiles))
	}
	for _, test := range []struct {
		chart *Chart
		area  func(c metrics.ClassFigures) *float64
	}{
		{m.Charts[1], func(c metrics.ClassFigures) *float64 { return c.AveragePrecision }},
		{m.Charts[2], func(c metrics.ClassFigures) *float64 { return c.ROCAUC }},
	} {
		var data struct {
			X      string
			Curves []struct {
				Name   string
				Points [][4]float64
			}
		}
		if err := json.Unmarshal([]byte(test.chart.Data), &data); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, curve := range data.Curves {
			area, before := 0.0, curve.Points[0]
			for _, p := range curve.Points[1:] {
				area += (p[0] - before[0]) * (p[3] + before[3]) / 2
				before = p
			}
			for _, class := range f.Classes {
				if class.Name != curve.Name {
					continue
				}
				seen++
				if want := *test.area(class); math.Abs(area-want) > 1e-3 {
					t.Errorf("%s of %s: the area that is drawn is %v, measured are %v",
						test.chart.Title, class.Name, area, want)
				}
			}
		}
		if seen != classes || data.X == "" {
			t.Errorf("%s: curves of %d classes over %q", test.chart.Title, seen, data.X)
		}
	}
	table := m.Charts[0].Table
	if table == nil || len(table.Rows) == 0 || len(table.Rows[0]) != len(table.Head) {
		t.Errorf("the reliability diagram has the table %+v", table)
	}
}
