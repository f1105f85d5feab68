package metrics

import (
	"math"
	"testing"
)

// The threshold of a class is its mean probability, so an unsure class needs less.
func TestLabelIssues(t *testing.T) {
	rows := []struct {
		label int
		p     []float64
	}{
		{0, []float64{0.9, 0.05, 0.05}},
		{0, []float64{0.7, 0.2, 0.1}},
		{0, []float64{0.1, 0.85, 0.05}}, // an issue
		{1, []float64{0.2, 0.7, 0.1}},
		{1, []float64{0.45, 0.5, 0.05}}, // right, and no issue
		{2, []float64{0.5, 0.2, 0.3}},   // wrong, but below the threshold: no issue
		{2, []float64{0.58, 0.1, 0.32}}, // reaches the threshold of class 0: an issue
		// The answer, class 0, is below its threshold; class 2 reaches its own: only all logits show this issue.
		{1, []float64{0.55, 0.1, 0.35}},
	}
	// The thresholds are (0.9+0.7+0.1)/3 = 0.567, (0.7+0.5+0.1)/3 = 0.433 and (0.3+0.32)/2 = 0.31.
	for _, test := range []struct {
		name  string
		limit int
		want  []LabelIssue
	}{
		{"all logits", 1000, []LabelIssue{{2, 0, 1, 0.1, 0.85}, {6, 2, 0, 0.32, 0.58}, {7, 1, 2, 0.1, 0.35}}},
		{"answers", 0, []LabelIssue{{2, 0, 1, 0.1, 0.85}, {6, 2, 0, 0.32, 0.58}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := New(3, len(rows)+1, test.limit)
			for _, r := range rows {
				logits := make([]float32, 3)
				for k, p := range r.p {
					logits[k] = float32(math.Log(p))
				}
				if _, err := c.Add(r.label, logits); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Add(0, []float32{float32(math.NaN()), 0, 0}); err != nil { // no issue
				t.Fatal(err)
			}
			got, all := c.LabelIssues()
			if all != (test.limit > 0) || len(got) != len(test.want) {
				t.Fatalf("%v, all logits %v, want %v", got, all, test.want)
			}
			for i, want := range test.want {
				g := got[i]
				if g.Image != want.Image ||
					g.Label != want.Label ||
					g.Suggested != want.Suggested ||
					math.Abs(g.Given-want.Given) > 1e-6 ||
					math.Abs(g.Probability-want.Probability) > 1e-6 {
					t.Errorf("%d: %+v, want %+v", i, g, want)
				}
			}
		})
	}
}
