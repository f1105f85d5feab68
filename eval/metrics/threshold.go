package metrics

import "fmt"

// Threshold holds the figures of a model of two classes that answers class 1 if its probability is at
// least Value.
type Threshold struct {
	Value          float64 `json:"value"`
	TruePositives  int     `json:"true_positives"`
	FalsePositives int     `json:"false_positives"`
	FalseNegatives int     `json:"false_negatives"`
	TrueNegatives  int     `json:"true_negatives"`
	Precision      float64 `json:"precision"`
	Recall         float64 `json:"recall"`
	F1             float64 `json:"f1"`
	Accuracy       float64 `json:"accuracy"`
}

// CheckThreshold returns an error for a value that is not a probability.
func CheckThreshold(t float64) error {
	if !(t >= 0 && t <= 1) {
		return fmt.Errorf("a threshold of %v: want a probability from 0 to 1", t)
	}
	return nil
}

// At measures a threshold. Images without probabilities count as class 0.
func (c *Collector) At(threshold float64) (*Threshold, error) {
	if err := CheckThreshold(threshold); err != nil {
		return nil, err
	}
	if c.classes != 2 {
		return nil, fmt.Errorf("a threshold decides between two classes, but the model has %d", c.classes)
	}
	if len(c.images) == 0 {
		return nil, fmt.Errorf("there are no images to measure")
	}
	t := &Threshold{Value: threshold}
	for i := range c.images {
		x := &c.images[i]
		// The confidence belongs to the answer; the other class has the rest.
		p := x.confidence
		if x.answer == 0 {
			p = 1 - p
		}
		switch given := p >= threshold; {
		case given && x.label == 1:
			t.TruePositives++
		case given:
			t.FalsePositives++
		case x.label == 1:
			t.FalseNegatives++
		default:
			t.TrueNegatives++
		}
	}
	k := tally{
		support:   t.TruePositives + t.FalseNegatives,
		predicted: t.TruePositives + t.FalsePositives,
		correct:   t.TruePositives,
	}
	t.Precision, t.Recall, t.F1 = k.precision(), k.recall(), k.f1()
	t.Accuracy = ratio(t.TruePositives+t.TrueNegatives, len(c.images))
	return t, nil
}
