package metrics

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func collector(t testing.TB, limit int, rows ...[]float32) *Collector {
	t.Helper()
	c := New(len(rows[0]), len(rows), limit)
	for i, row := range rows {
		if _, err := c.Add(i%len(row), row); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestBadInput(t *testing.T) {
	c := New(3, 2, 100)
	_, err := c.Figures(Options{})
	wantError(t, err, "there are no images")
	_, err = c.Bootstrap(10, 0)
	wantError(t, err, "there are no images")
	_, err = c.Add(3, []float32{1, 2, 3})
	wantError(t, err, "label 3, but the model has 3 classes: want 0 to 2")
	_, err = c.Add(-1, []float32{1, 2, 3})
	wantError(t, err, "label -1")
	_, err = c.Add(0, []float32{1, 2})
	wantError(t, err, "2 logits, want 3")
	if c.Len() != 0 {
		t.Error("what is wrong was collected")
	}
	c = collector(t, 100, []float32{1, 0, 0}, []float32{0, 1, 0})
	for _, n := range []int{-1, 0, MostResamples + 1} {
		_, err = c.Bootstrap(n, 0)
		wantError(t, err, "resamples: want 1 to")
	}
	_, err = c.At(0.5)
	wantError(t, err, "decides between two classes, but the model has 3")
	for _, bad := range []float64{-0.01, 1.01, math.NaN(), math.Inf(1)} {
		_, err = c.At(bad)
		wantError(t, err, "want a probability from 0 to 1")
	}
	for _, bad := range []float64{0, -1, 101, math.NaN(), math.Inf(1)} {
		wantError(t, CheckTemperature(bad), "want 0.01 to 100")
	}
	_, err = DifferenceOf(c, New(3, 0, 0), 0, 0)
	wantError(t, err, "got 2 and 0")
}

// NaN and infinite logits are counted and wrong, and change nothing else.
func TestNotFinite(t *testing.T) {
	nan32, inf := float32(math.NaN()), float32(math.Inf(1))
	good := [][]float32{{2, 0, 1}, {0, 2, 1}, {0, 1, 2}, {1, 2, 0}}
	want, err := collector(t, 100, good...).Figures(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]float32{
		{nan32, 0, 1},
		{0, 1, nan32},
		{nan32, nan32, nan32},
		{0, inf, 0},
		{-inf, -inf, -inf},
	} {
		c := collector(t, 100, append(append([][]float32{}, good...), bad)...)
		f, err := c.Figures(Options{Resamples: 10})
		if err != nil {
			t.Fatal(err)
		}
		if f.NotFinite != 1 ||
			*f.NLL != *want.NLL ||
			*f.ECE != *want.ECE ||
			*f.Brier != *want.Brier ||
			!reflect.DeepEqual(f.ROCAUC, want.ROCAUC) ||
			f.Recall.Weighted >= 1 {
			t.Errorf("%v: %+v", bad, f)
		}
		if notes := strings.Join(f.Notes, "\n"); !strings.Contains(notes, "the logits of 1 image are NaN or infinite") {
			t.Errorf("%v: %s", bad, notes)
		}
	}
	// A class with logit -Inf has the probability 0.
	f, err := collector(t, 100, []float32{1, -inf, 0}, []float32{-inf, 1, 0}).Figures(Options{})
	if err != nil || f.NotFinite != 0 || f.NLL == nil {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = collector(t, 100, []float32{-inf, 1, 0}).Figures(Options{Resamples: 3})
	if err != nil || f.NLL != nil || !strings.Contains(strings.Join(f.Notes, ""), "NLL is infinite") {
		t.Errorf("%+v, %v", f, err)
	}
	if _, ok := f.Intervals.Figures["nll"]; ok {
		t.Error("an interval of infinite values")
	}
}

// Notes name classes without images, and classes that are never the answer.
func TestNotes(t *testing.T) {
	c := New(4, 3, 100)
	for i, row := range [][]float32{{3, 0, 0, 0}, {3, 0, 0, 0}, {0, 0, 0, 3}} {
		if _, err := c.Add(i%2, row); err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.Figures(Options{Names: []string{"ant", "bee", "cat"}})
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(f.Notes, "\n")
	for _, want := range []string{
		"2 of the 4 classes have no images: cat, 3",
		"1 of the 4 classes has images, but is never the answer: bee",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is not in %q", want, notes)
		}
	}
	if !reflect.DeepEqual(f.NoImages, []int{2, 3}) ||
		!reflect.DeepEqual(f.NeverPredicted, []int{1}) ||
		f.Classes[2].ROCAUC != nil ||
		f.Classes[2].AveragePrecision != nil {
		t.Errorf("%+v", f)
	}
}

// Without room for the logits, the figures that need no scores are still there.
func TestLimit(t *testing.T) {
	s := expected(t).Sets[0]
	whole, err := s.collect(t).Figures(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Collector{
		New(s.Classes, s.Images, s.Images*s.Classes-1),
		New(s.Classes, 3, s.Images*s.Classes-1),
	} {
		thin := New(s.Classes, s.Images, s.Images*s.Classes-1)
		thin.Thin()
		for i := range s.Images {
			if _, err := c.Add(s.label(i), s.row(i)); err != nil {
				t.Fatal(err)
			}
			if _, err := thin.Add(s.label(i), s.row(i)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := c.Figures(Options{})
		if err != nil ||
			c.KeepsLogits() ||
			f.ROCAUC.Macro != nil ||
			f.AveragePrecision.Weighted != nil ||
			len(f.Curves) > 0 ||
			f.MeanCurve != nil ||
			*f.ECE != *whole.ECE ||
			f.F1 != whole.F1 ||
			!strings.Contains(strings.Join(f.Notes, ""), "500 images of 10 classes are more than the 4999 values") {
			t.Errorf("%+v, %v", f, err)
		}
		if _, err := c.Calibrate(0); err == nil {
			t.Error("a temperature without logits")
		}
		// Half of the logits are enough for a temperature.
		want, err := s.collect(t).Calibrate(0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := thin.Calibrate(0); err != nil ||
			got.FittedOn != s.Images/2 ||
			math.Abs(got.Value-want.Value) > 0.2 {
			t.Errorf("%+v, %v; want about %v", got, err, want.Value)
		}
	}
}

func TestMergeOfParts(t *testing.T) {
	s := expected(t).Sets[0]
	whole := s.collect(t)
	for _, limit := range []int{s.Images * s.Classes, 100} {
		merged := New(s.Classes, s.Images, limit)
		for part := range 3 {
			c := New(s.Classes, s.Images, limit)
			for i := part * s.Images / 3; i < (part+1)*s.Images/3; i++ {
				if _, err := c.Add(s.label(i), s.row(i)); err != nil {
					t.Fatal(err)
				}
			}
			b, err := c.MarshalBinary()
			if err == nil {
				err = merged.Merge(b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(merged.images, whole.images) ||
			merged.KeepsLogits() != (limit > 100) ||
			merged.KeepsLogits() && !reflect.DeepEqual(merged.logits, whole.logits) {
			t.Errorf("limit %d: the parts are not the whole", limit)
		}
	}
	b, err := whole.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, b[:20], b[:len(b)-1], append(b[:len(b):len(b)], 0)} {
		wantError(t, New(s.Classes, 0, 1<<20).Merge(bad), "figures of a rank")
	}
	wantError(t, New(3, 0, 1<<20).Merge(b), "10 classes")
}

func TestBootstrap(t *testing.T) {
	s := expected(t).Sets[0]
	c := s.collect(t)
	a, err := c.Bootstrap(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := c.Bootstrap(2000, 3); err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("the same seed: %+v, want %+v, %v", b, a, err)
	}
	if b, err := c.Bootstrap(2000, 4); err != nil || reflect.DeepEqual(a.Figures, b.Figures) {
		t.Errorf("another seed: %+v, %v", b, err)
	}
	if len(a.Figures) != len(IntervalNames) || a.Level != 0.95 || a.Resamples != 2000 || a.Seed != 3 {
		t.Errorf("%+v", a)
	}
	// The interval of a proportion is close to the interval of the normal distribution.
	p := s.Top1 / 100
	width := 2 * 1.96 * 100 * math.Sqrt(p*(1-p)/float64(s.Images))
	top1 := a.Figures["top1"]
	if math.Abs((top1[0]+top1[1])/2-s.Top1) > 0.5 || math.Abs(top1[1]-top1[0]-width) > 0.1*width {
		t.Errorf("top-1 %v to %v, want %v ± %v", top1[0], top1[1], s.Top1, width/2)
	}
}

func TestTemperatureThatCannotBe(t *testing.T) {
	right := [][]float32{{9, 0}, {0, 9}, {9, 0}, {0, 9}, {9, 0}, {0, 9}}
	_, err := collector(t, 100, right...).Calibrate(0)
	wantError(t, err, "all answers on these 6 images are right")
	wrong := [][]float32{{0, 9}, {9, 0}, {0, 9}, {9, 0}}
	_, err = collector(t, 100, wrong...).Calibrate(0)
	wantError(t, err, "not better than chance on these 4 images")
	_, err = collector(t, 100, right[:2]...).Calibrate(0)
	wantError(t, err, "only 2 images have probabilities")
	_, err = collector(t, 100, []float32{float32(math.Inf(-1)), 0}, right[1], right[0], right[1]).Calibrate(0)
	wantError(t, err, "the label of image 0 has the probability 0")
}

func TestThreshold(t *testing.T) {
	c := New(2, 5, 100)
	for _, x := range []struct {
		label int
		p     float64 // of class 1
	}{{1, 0.9}, {1, 0.4}, {0, 0.6}, {0, 0.2}, {1, 0.3}} {
		if _, err := c.Add(x.label, []float32{0, float32(math.Log(x.p / (1 - x.p)))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct{ at, tp, fp, fn, tn float64 }{
		{0, 3, 2, 0, 0},
		{0.35, 2, 1, 1, 1},
		{0.5, 1, 1, 2, 1},
		{0.95, 0, 0, 3, 2},
		{1, 0, 0, 3, 2},
	} {
		got, err := c.At(x.at)
		if err != nil {
			t.Fatal(err)
		}
		n := (Threshold{
			Value:          x.at,
			TruePositives:  int(x.tp),
			FalsePositives: int(x.fp),
			FalseNegatives: int(x.fn),
			TrueNegatives:  int(x.tn),
		})
		if got.TruePositives != n.TruePositives || got.FalsePositives != n.FalsePositives ||
			got.FalseNegatives != n.FalseNegatives || got.TrueNegatives != n.TrueNegatives {
			t.Errorf("%v: %+v, want %+v", x.at, got, n)
		}
		want := 2 * x.tp / (2*x.tp + x.fp + x.fn)
		if math.Abs(got.F1-want) > 1e-12 || math.Abs(got.Accuracy-(x.tp+x.tn)/5) > 1e-12 {
			t.Errorf("%v: %+v, want F1 %v", x.at, got, want)
		}
	}
}

// A value on an edge belongs to the bin below.
func TestEdges(t *testing.T) {
	for i := range Bins {
		if got := binOf(edge(i + 1)); got != i {
			t.Errorf("%v is in bin %d, want %d", edge(i+1), got, i)
		}
		if got := binOf(math.Nextafter(edge(i), 1)); got != i {
			t.Errorf("above %v is bin %d, want %d", edge(i), got, i)
		}
	}
	if binOf(1) != Bins-1 || binOf(0) != 0 {
		t.Error("the ends")
	}
}

// Scores keep the order of probabilities near 0 and near 1.
func TestScores(t *testing.T) {
	p := []float64{
		0, 1e-300, 1e-200, 1e-30, 1e-30 * (1 + 1e-6), 1e-3, 0.3,
		0.5, 0.5000005, 0.9, 1 - 1e-10, 1 - 9e-11, 1 - 1e-15, 1,
	}
	for i := 1; i < len(p); i++ {
		if scoreOf(p[i-1]) >= scoreOf(p[i]) {
			t.Errorf("%v and %v have scores %d and %d", p[i-1], p[i], scoreOf(p[i-1]), scoreOf(p[i]))
		}
	}
	for _, v := range p[1:] {
		if got := probabilityOf(scoreOf(v)); math.Abs(got-v) > 1e-6*math.Min(v, 1-v)+1e-18 {
			t.Errorf("%v is %v", v, got)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	row := make([]float32, 1000)
	for k := range row {
		row[k] = float32(splitmix(uint64(k))>>40) / (1 << 22)
	}
	c := New(1000, b.N, 0)
	for i := range b.N {
		if _, err := c.Add(i%1000, row); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFigures(b *testing.B) {
	sets := expected(b).Sets
	s := sets[len(sets)-1]
	c := s.collect(b)
	b.ResetTimer()
	for range b.N {
		if _, err := c.Figures(Options{Resamples: 1000}); err != nil {
			b.Fatal(err)
		}
	}
}
