package train

import (
	"math"
	"slices"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/ops"
)

// manyOf returns a data set with this many images per class.
type manyOf struct {
	names  []string
	labels []int
}

func newManyOf(names []string, counts ...int) manyOf {
	c := manyOf{names: names}
	for k, n := range counts {
		c.labels = append(c.labels, slices.Repeat([]int{k}, n)...)
	}
	return c
}

func (c manyOf) Len() int                        { return len(c.labels) }
func (c manyOf) Classes() []string               { return c.names }
func (c manyOf) Label(i int) int                 { return c.labels[i] }
func (manyOf) Name(int) string                   { return "an image" }
func (manyOf) Image(int) (*picture.Image, error) { return picture.NewImage(1, 1, 1), nil }
func weighted(w *configs.ClassWeights) configs.Loss {
	l := configs.DefaultLoss()
	l.ClassWeights = w
	return l
}

var _ data.Dataset = manyOf{}

func TestClassWeights(t *testing.T) {
	ds := newManyOf([]string{"cat", "dog", "bird", "none"}, 80, 16, 4, 0)
	sqrt := 100 / (math.Sqrt(80) + 4 + 2)
	// Effective numbers with β = 0.9: (1 - 0.9^n) / 0.1.
	e := []float64{9.997814, 8.146980, 3.439}
	scale := 100 / (80/e[0] + 16/e[1] + 4/e[2])
	for _, c := range []struct {
		name    string
		weights *configs.ClassWeights
		want    []float64
	}{
		{"none", &configs.ClassWeights{Rule: "none"}, nil},
		{"nothing said", nil, nil},
		{"balanced", &configs.ClassWeights{Rule: "balanced"}, []float64{100.0 / 240, 100.0 / 48, 100.0 / 12, 1, 1}},
		{"sqrt", &configs.ClassWeights{Rule: "sqrt"}, []float64{sqrt / math.Sqrt(80), sqrt / 4, sqrt / 2, 1, 1}},
		{
			"effective", &configs.ClassWeights{Rule: "effective"},
			[]float64{scale / e[0], scale / e[1], scale / e[2], 1, 1},
		},
		{"a list", &configs.ClassWeights{Values: []float64{1, 2, 0, 3}}, []float64{1, 2, 0, 3, 1}},
		{"names", &configs.ClassWeights{ByName: map[string]float64{"bird": 5, "cat": 0.5}}, []float64{0.5, 1, 5, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := weighted(c.weights)
			l.EffectiveBeta = 0.9
			got, err := classWeights(l, ds, 5) // one output more than classes
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("%v, %v, want %v", got, err, c.want)
			}
			mean := 0.0
			for k, w := range c.want {
				if math.Abs(float64(got[k])-w) > 1e-5 {
					t.Errorf("weights %v, want %v", got, c.want)
					break
				}
				if k < 3 {
					mean += float64(got[k]) * []float64{0.8, 0.16, 0.04}[k]
				}
			}
			if c.weights != nil && c.weights.Rule != "" && got != nil && math.Abs(mean-1) > 1e-6 {
				t.Errorf("the mean over the images is %v, want 1", mean)
			}
		})
	}
	for _, c := range []struct {
		want    string
		weights *configs.ClassWeights
	}{
		{
			`there is no class "bord", did you mean "bird"?`,
			&configs.ClassWeights{ByName: map[string]float64{"bord": 1}},
		},
		{
			"want 4 numbers, one for each class of the data set, got 3",
			&configs.ClassWeights{Values: []float64{1, 2, 3}},
		},
		{`unknown rule "even"`, &configs.ClassWeights{Rule: "even"}},
	} {
		_, err := classWeights(weighted(c.weights), ds, 4)
		datatest.WantError(t, err, c.want)
	}
}

func TestLogitAdjustment(t *testing.T) {
	ds := newManyOf([]string{"cat", "dog", "none"}, 75, 25, 0)
	c := configs.Default()
	c.Loss.LogitAdjustment = 2
	var l ops.Loss
	if err := balance(&l, &c, ds, 4); err != nil {
		t.Fatal(err)
	}
	for k, share := range []float64{0.75, 0.25, 0.01, 0.01} {
		if got, want := float64(l.Adjustment[k]), 2*math.Log(share); math.Abs(got-want) > 1e-6 {
			t.Errorf("output %d: %v, want %v", k, got, want)
		}
	}
}
