package metrics

import (
	"math"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/golden"
)

type wantedLabels struct {
	Images, Classes  int
	Logits           []float32
	Sets             [][]int
	Thresholds       []float64
	MAP              float64    `json:"map"`
	MicroAP          float64    `json:"map_micro"`
	AveragePrecision []*float64 `json:"average_precision"`
	Precision        Averages
	Recall           Averages
	F1               Averages
	ExactMatch       float64 `json:"exact_match"`
	Loss             float64
	Matrices         [][2][2]int
	BestF1           []float64 `json:"best_f1"`
}

func collected(t *testing.T, w wantedLabels, from, to int) *LabelCollector {
	t.Helper()
	c := NewLabelCollector(w.Classes)
	for i := from; i < to; i++ {
		if err := c.Add(w.Sets[i], w.Logits[i*w.Classes:][:w.Classes]); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// The figures equal scikit-learn's: see scripts/golden_multilabel.py.
func TestLabelFigures(t *testing.T) {
	var w wantedLabels
	golden.JSON(t, "multilabel.json", &w)
	c := collected(t, w, 0, 41)
	other, err := collected(t, w, 41, w.Images).MarshalBinary() // from another rank
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Append(other); err != nil || c.Len() != w.Images {
		t.Fatalf("%d images, %v", c.Len(), err)
	}
	f, err := c.Figures([]string{"a", "b"}, w.Thresholds)
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("mAP", *f.MAP, w.MAP)
	near("micro mAP", *f.MicroAP, w.MicroAP)
	near("exact match", f.ExactMatch, w.ExactMatch)
	near("loss", f.Loss, w.Loss)
	for _, x := range []struct {
		what      string
		got, want Averages
	}{{"precision", f.Precision, w.Precision}, {"recall", f.Recall, w.Recall}, {"F1", f.F1, w.F1}} {
		near("macro "+x.what, x.got.Macro, x.want.Macro)
		near("weighted "+x.what, x.got.Weighted, x.want.Weighted)
		near("micro "+x.what, x.got.Micro, x.want.Micro)
	}
	for k, l := range f.Labels {
		if got := [2][2]int{
			{l.TrueNegatives, l.FalsePositives},
			{l.FalseNegatives, l.TruePositives},
		}; got != w.Matrices[k] {
			t.Errorf("label %d: %v, want %v", k, got, w.Matrices[k])
		}
		if want := w.AveragePrecision[k]; (want == nil) != (l.AveragePrecision == nil) {
			t.Errorf("label %d: average precision %v, want %v", k, l.AveragePrecision, want)
		} else if want != nil {
			near("average precision", *l.AveragePrecision, *want)
		}
	}
	if f.Labels[1].Name != "b" || f.Labels[2].Name != "" || len(f.NoImages) != 1 || f.NoImages[0] != 4 {
		t.Errorf("names %q and %q, labels without images %v", f.Labels[1].Name, f.Labels[2].Name, f.NoImages)
	}

	best := c.BestThresholds()
	if best[4] != NeutralThreshold {
		t.Errorf("the threshold of a label without images is %v", best[4])
	}
	if f, err = c.Figures(nil, best); err != nil {
		t.Fatal(err)
	}
	for k, want := range w.BestF1 {
		near("best F1", f.Labels[k].F1, want)
	}
}

func TestLabelCollectorErrors(t *testing.T) {
	c := NewLabelCollector(3)
	datatest.WantError(t, c.Add([]int{3}, make([]float32, 3)), "label 3, but the model has 3")
	datatest.WantError(t, c.Add(nil, make([]float32, 2)), "2 logits, want 3")
	datatest.WantError(t, c.Append([]byte("other")), "images of another rank are damaged")
	_, err := c.Figures(nil, []float64{0.5, 0.5, 0.5})
	datatest.WantError(t, err, "no images")
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, row := range [][]float32{{nan, 1, -inf}, {2, inf, 0}} {
		if err := c.Add([]int{0, 1}, row); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []float64{-0.1, 1.1, math.NaN()} {
		_, err = c.Figures(nil, []float64{0.5, bad, 0.5})
		datatest.WantError(t, err, "want a probability from 0 to 1")
	}
	_, err = c.Figures(nil, []float64{0.5})
	datatest.WantError(t, err, "want a threshold for each of 3 labels, got 1")
	f, err := c.Figures(nil, c.BestThresholds())
	if err != nil || f.NotFinite != 2 || !math.IsNaN(f.Loss) {
		t.Errorf("%+v, %v: want 2 images that are not finite", f, err)
	}
}
