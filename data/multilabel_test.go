package data

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/internal/datatest"
)

// manyLabels is a data set whose samples have any number of labels.
type manyLabels struct {
	*fakeSet
	sets [][]int32
}

func (d manyLabels) Len() int             { return len(d.sets) }
func (manyLabels) Label(int) int          { return -1 }
func (d manyLabels) LabelSets() [][]int32 { return d.sets }

func newManyLabels(n int) manyLabels {
	d := manyLabels{fakeSet: newFakeSet(n)}
	for i := range n {
		d.sets = append(d.sets, [][]int32{{0}, {0, 1}, {}, {0, 2}, {0}, {1}, {0}, {0, 1}}[i%8])
	}
	d.sets[n-1] = []int32{0, 3}
	return d
}

// Views of a data set keep the labels of the samples.
func TestLabelSetOfViews(t *testing.T) {
	d := newManyLabels(8)
	some := Subset(d, []int{7, 2, 1})
	renamed, err := Relabel(some, []int{3, 0, 2, 1}, []string{"b", "d", "c", "a"})
	if err != nil {
		t.Fatal(err)
	}
	sets := fmt.Sprint(LabelSet(renamed, 0), LabelSet(renamed, 1), LabelSet(renamed, 2), renamed.Label(0))
	if got := sets; got != "[1 3] [] [0 3] -1" {
		t.Error(got)
	}
	names := []string{LabelNames(renamed, 0), LabelNames(renamed, 1), LabelNames(d, 1)}
	if got := strings.Join(names, " / "); got != "d, a / no label / a, b" {
		t.Error(got)
	}
	counts, err := CountClasses(renamed)
	if err != nil || fmt.Sprint(counts) != "[1 1 0 2]" {
		t.Error(counts, err)
	}
	if !IsMultiLabel(renamed) || IsMultiLabel(newFakeSet(3)) || fmt.Sprint(LabelSet(newFakeSet(3), 2)) != "[2]" {
		t.Error("a data set is taken for one of the other kind")
	}
	if _, err := Relabel(d, []int{0, 1, 2, 7}, []string{"a"}); err == nil {
		t.Error("a label that does not exist gives no error")
	}
	d.sets[1] = []int32{9}
	_, err = CountClasses(d)
	datatest.WantError(t, err, "label 9 is not one of the 4 classes")
	none := manyLabels{newFakeSet(2), [][]int32{{}, {}}}
	datatest.WantError(t, CheckLabels(none, "training"), "none of the 2 training images has a label")
}

// The names decide which images are held out, and no label loses its last training image.
func TestHoldOutOfManyLabels(t *testing.T) {
	d := newManyLabels(60)
	train, val, err := HoldOut(d, 0.3, 1)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := CountClasses(train)
	if err != nil || slices.Min(counts) == 0 ||
		!IsMultiLabel(train) || !IsMultiLabel(val) ||
		train.Len()+val.Len() != 60 {
		t.Errorf("%d + %d images, of each label %v, %v", train.Len(), val.Len(), counts, err)
	}
	d.sets[0] = []int32{0, 3} // a second image of the rarest label
	train, val, err = HoldOutFold(d, 1, 3, 1, "")
	if err != nil || val.Len() < 15 || val.Len() > 25 || !IsMultiLabel(train) {
		t.Errorf("a fold of labels: %v, %v", val, err)
	}
	_, _, err = HoldOutShuffled(d, 0.3, 1)
	datatest.WantError(t, err, "use hash")
	a := TakeFingerprint(d, false)
	d.sets[5] = []int32{2}
	if b := TakeFingerprint(d, false); a.Listing == b.Listing || fmt.Sprint(b.PerClass) == fmt.Sprint(a.PerClass) {
		t.Error("another label of an image is not noticed")
	}
}

// Targets are 1 at each label. Smoothing takes half of its share away, because each label is a
// choice of two. Mixing blends the targets of two images.
func TestTargetsOfManyLabels(t *testing.T) {
	sets := [][]int{{0, 2}, {}, {1}, {2}}
	got := make([]float32, 12)
	if err := SmoothLabelSets(got, sets, 3, 0.1); err != nil {
		t.Fatal(err)
	}
	datatest.Near(t, "smoothed targets", got, []float32{
		0.95, 0.05, 0.95,
		0.05, 0.05, 0.05,
		0.05, 0.95, 0.05,
		0.05, 0.05, 0.95,
	}, 1e-6)
	if err := blendLabelSets(got, sets, 3, 0, 0.75); err != nil {
		t.Fatal(err)
	}
	datatest.Near(t, "mixed targets", got, []float32{0.75, 0, 1, 0, 0.25, 0, 0, 0.75, 0, 0.25, 0, 1}, 1e-6)
	datatest.WantError(t, SmoothLabelSets(got, [][]int{{3}, {}, {}, {}}, 3, 0), "label 3 of sample 0")
	datatest.WantError(t, SmoothLabelSets(got, sets, 4, 0), "12 target values for 4 samples of 4 classes")
}

// The batches of a loader have the labels of their samples, mixed as the images are.
func TestLoaderOfManyLabels(t *testing.T) {
	d := newManyLabels(16)
	for _, sampling := range []Sampling{InstanceSampling, BalancedSampling} {
		o := trainOptions()
		o.Sampling = sampling
		o.Mix.Smoothing = 0
		o.Mix.Prob = 0
		for _, b := range batches(t, newLoader(t, d, o), 2, 0) {
			for k, i := range b.Indices {
				want := make([]float32, 4)
				for _, l := range LabelSet(d, i) {
					want[l] = 1
				}
				if !slices.Equal(b.Targets[k*4:][:4], want) || b.Labels[k] != -1 {
					t.Fatalf("targets %v of labels %v", b.Targets[k*4:][:4], LabelSet(d, i))
				}
			}
		}
		o.Mix.Prob = 1
		soft := false
		for _, b := range batches(t, newLoader(t, d, o), 2, 0) {
			for _, v := range b.Targets {
				soft = soft || v > 0 && v < 1
			}
		}
		if !soft {
			t.Error("no target of a mixed batch is soft")
		}
	}
}

// The rarest label of a sample says how often it is drawn. Samples without labels form a class.
func TestSamplingOfManyLabels(t *testing.T) {
	d := newManyLabels(64)
	counts, err := CountClasses(d)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float64, d.Len())
	total, none := 0.0, 8.0
	for i := range w {
		w[i] = 1 / none
		if labels := LabelSet(d, i); len(labels) > 0 {
			w[i] = 0
			for _, l := range labels {
				w[i] = max(w[i], 1/float64(counts[l]))
			}
		}
		total += w[i]
	}
	draws, err := newDraws(d, BalancedSampling)
	if err != nil {
		t.Fatal(err)
	}
	const epochs = 50
	drawn := make([]int, d.Len())
	for epoch := range epochs {
		order, _ := draws.epoch(1, epoch)
		if len(order) != d.Len() {
			t.Fatalf("%d draws", len(order))
		}
		for _, i := range order {
			drawn[i]++
		}
	}
	for i, n := range drawn {
		want := w[i] / total * float64(d.Len())
		if got := float64(n) / epochs; math.Abs(got-want) > 0.25+0.05*want {
			t.Errorf("sample %d with labels %v: %v draws an epoch, want %v", i, LabelSet(d, i), got, want)
		}
	}
}
