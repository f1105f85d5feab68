package metrics

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// LabelCollector keeps the answers of a model for images with any number of labels. It takes
// 4 bytes for each logit, and a byte for each 8 labels.
type LabelCollector struct {
	labels int
	logits []float32 // [images, labels]
	truth  []byte    // [images, labels], a bit each; each image begins with a new byte
}

// NewLabelCollector makes a collector for a number of labels.
func NewLabelCollector(labels int) *LabelCollector { return &LabelCollector{labels: labels} }

// Len returns the number of images.
func (c *LabelCollector) Len() int { return len(c.logits) / c.labels }

// Labels returns the number of labels.
func (c *LabelCollector) Labels() int { return c.labels }

func (c *LabelCollector) stride() int { return (c.labels + 7) / 8 }

// Add takes the logits of an image, [labels], and its labels.
func (c *LabelCollector) Add(labels []int, logits []float32) error {
	if len(logits) != c.labels {
		return fmt.Errorf("%d logits, want %d, one for each label", len(logits), c.labels)
	}
	bits := make([]byte, c.stride())
	for _, l := range labels {
		if l < 0 || l >= c.labels {
			return fmt.Errorf("label %d, but the model has %d labels: want 0 to %d", l, c.labels, c.labels-1)
		}
		bits[l/8] |= 1 << (l % 8)
	}
	c.logits = append(c.logits, logits...)
	c.truth = append(c.truth, bits...)
	return nil
}

// has reports whether image i has a label.
func (c *LabelCollector) has(i, label int) bool {
	return c.truth[i*c.stride()+label/8]>>(label%8)&1 == 1
}

// probability returns the probability of a label for image i; 0 if its logit is NaN.
func (c *LabelCollector) probability(i, label int) float64 {
	p := Sigmoid(c.logits[i*c.labels+label])
	if p != p {
		return 0
	}
	return p
}

// MarshalBinary implements encoding.BinaryMarshaler. It writes the images for another rank.
func (c *LabelCollector) MarshalBinary() ([]byte, error) {
	out := binary.LittleEndian.AppendUint32(nil, uint32(c.labels))
	out = binary.LittleEndian.AppendUint32(out, uint32(c.Len()))
	for _, v := range c.logits {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return append(out, c.truth...), nil
}

// Append adds the images that MarshalBinary has written.
func (c *LabelCollector) Append(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("images of another rank are damaged: got %d bytes", len(b))
	}
	labels, n := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	b = b[8:]
	if labels != c.labels || len(b) != n*(4*labels+c.stride()) {
		return fmt.Errorf("images of another rank are damaged: got %d bytes for %d images with %d labels",
			len(b), n, c.labels)
	}
	for k := range n * labels {
		c.logits = append(c.logits, math.Float32frombits(binary.LittleEndian.Uint32(b[4*k:])))
	}
	c.truth = append(c.truth, b[4*n*labels:]...)
	return nil
}

// Sigmoid computes the probability of a logit without overflow.
func Sigmoid(logit float32) float64 {
	z := float64(logit)
	e := math.Exp(-math.Abs(z))
	if z < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

// LabelFigures holds the figures of a model for images with any number of labels. They are from 0
// to 1, as in scikit-learn; a figure that is not defined is nil.
type LabelFigures struct {
	MAP        *float64 `json:"map"`         // mean average precision over the labels that occur
	MicroAP    *float64 `json:"map_micro"`   // average precision over all pairs of an image and a label
	Precision  Averages `json:"precision"`   // with the thresholds
	Recall     Averages `json:"recall"`      // with the thresholds
	F1         Averages `json:"f1"`          // with the thresholds
	ExactMatch float64  `json:"exact_match"` // part of the images with all labels right
	Loss       float64  `json:"loss"`        // mean binary cross entropy over images and labels, nats

	Labels    []LabelFigure `json:"labels"`
	NoImages  []int         `json:"no_images,omitempty"`  // labels that no image has
	NotFinite int           `json:"not_finite,omitempty"` // images with a logit that is NaN or infinite
}

// LabelFigure holds the figures of a label.
type LabelFigure struct {
	Index            int      `json:"index"`
	Name             string   `json:"name"`
	Count            int      `json:"count"`             // images that have it
	AveragePrecision *float64 `json:"average_precision"` // nil if no image has it
	Threshold        float64  `json:"threshold"`         // the model gives the label from this probability on
	TruePositives    int      `json:"true_positives"`
	FalsePositives   int      `json:"false_positives"`
	FalseNegatives   int      `json:"false_negatives"`
	TrueNegatives    int      `json:"true_negatives"`
	Precision        float64  `json:"precision"`
	Recall           float64  `json:"recall"`
	F1               float64  `json:"f1"`
}

// scored is an image with its probability of a label.
type scored struct {
	p    float64
	real bool
}

// byScore sorts the images by their probability of a label, the largest first.
func (c *LabelCollector) byScore(label int) []scored {
	all := make([]scored, c.Len())
	for i := range all {
		all[i] = scored{c.probability(i, label), c.has(i, label)}
	}
	sortScored(all)
	return all
}

func sortScored(all []scored) {
	slices.SortFunc(all, func(a, b scored) int { return cmp.Compare(b.p, a.p) })
}

// eachCut calls f for every place between two different probabilities. given is the number of
// images before it, right how many of them are positive; above and below are the two probabilities.
func eachCut(all []scored, f func(given, right int, above, below float64)) {
	right := 0
	for i, x := range all {
		if x.real {
			right++
		}
		below := 0.0
		if i+1 < len(all) {
			if below = all[i+1].p; below == x.p {
				continue
			}
		}
		f(i+1, right, x.p, below)
	}
}

// precisionOf returns the average precision Σ (Rₙ − Rₙ₋₁)·Pₙ; nil without positives.
func precisionOf(all []scored) *float64 {
	sum, before := 0.0, 0
	eachCut(all, func(given, right int, _, _ float64) {
		sum += float64(right-before) * float64(right) / float64(given)
		before = right
	})
	if before == 0 {
		return nil
	}
	return pointer(sum / float64(before))
}

// NeutralThreshold is the threshold of a label that no image has.
const NeutralThreshold = 0.5

// BestThresholds returns the thresholds with the best F1 of each label on the images, halfway
// between two probabilities. A label that no image has gets [NeutralThreshold].
func (c *LabelCollector) BestThresholds() []float64 {
	out := make([]float64, c.labels)
	for l := range out {
		out[l] = bestThreshold(c.byScore(l))
	}
	return out
}

func bestThreshold(all []scored) float64 {
	positives := 0
	for _, x := range all {
		if x.real {
			positives++
		}
	}
	best, at := 0.0, NeutralThreshold
	eachCut(all, func(given, right int, above, below float64) {
		if f1 := 2 * float64(right) / float64(given+positives); f1 > best {
			best, at = f1, (above+below)/2
			if at <= below { // no number fits between them
				at = above
			}
		}
	})
	return at
}

// CheckThresholds returns an error unless there is a probability for each label.
func CheckThresholds(thresholds []float64, labels int) error {
	if len(thresholds) != labels {
		return fmt.Errorf("want a threshold for each of %d labels, got %d", labels, len(thresholds))
	}
	for _, t := range thresholds {
		if !(t >= 0 && t <= 1) {
			return fmt.Errorf("a threshold of %v: want a probability from 0 to 1", t)
		}
	}
	return nil
}

// Figures computes the figures of the images so far, with a threshold for each label.
func (c *LabelCollector) Figures(names []string, thresholds []float64) (*LabelFigures, error) {
	if err := CheckThresholds(thresholds, c.labels); err != nil {
		return nil, err
	}
	n := c.Len()
	if n == 0 {
		return nil, fmt.Errorf("there are no images to measure")
	}
	f := &LabelFigures{}
	var precisions average
	tallies := make([]tally, c.labels)
	right := make([]int, n) // the number of right labels of each image
	for l := range c.labels {
		x := LabelFigure{Index: l, Threshold: thresholds[l]}
		if l < len(names) {
			x.Name = names[l]
		}
		for i := range n {
			given := c.probability(i, l) >= thresholds[l]
			switch real := c.has(i, l); {
			case given && real:
				x.TruePositives++
			case given:
				x.FalsePositives++
			case real:
				x.FalseNegatives++
			default:
				x.TrueNegatives++
			}
			if given == c.has(i, l) {
				right[i]++
			}
		}
		x.Count = x.TruePositives + x.FalseNegatives
		k := tally{support: x.Count, predicted: x.TruePositives + x.FalsePositives, correct: x.TruePositives}
		tallies[l] = k
		x.Precision, x.Recall, x.F1 = k.precision(), k.recall(), k.f1()
		if x.AveragePrecision = precisionOf(c.byScore(l)); x.AveragePrecision != nil {
			precisions.add(*x.AveragePrecision, x.Count)
		} else {
			f.NoImages = append(f.NoImages, l)
		}
		f.Labels = append(f.Labels, x)
	}
	f.MAP = precisions.mean().Macro
	f.MicroAP = c.microAP()
	f.Precision, f.Recall, f.F1 = averagesOf(tallies)
	for _, k := range right {
		if k == c.labels {
			f.ExactMatch++
		}
	}
	f.ExactMatch /= float64(n)
	f.Loss, f.NotFinite = c.loss()
	return f, nil
}

// averagesOf averages over the labels. Like [Figures], it leaves out labels that no image has and
// that are never given.
func averagesOf(labels []tally) (precision, recall, f1 Averages) {
	var all tally
	seen := 0
	for _, t := range labels {
		if t.support+t.predicted == 0 {
			continue
		}
		seen++
		all = tally{all.support + t.support, all.predicted + t.predicted, all.correct + t.correct}
		for _, x := range []struct {
			to    *Averages
			value float64
		}{{&precision, t.precision()}, {&recall, t.recall()}, {&f1, t.f1()}} {
			x.to.Macro += x.value
			x.to.Weighted += x.value * float64(t.support)
		}
	}
	for _, x := range []struct {
		to    *Averages
		micro float64
	}{{&precision, all.precision()}, {&recall, all.recall()}, {&f1, all.f1()}} {
		x.to.Macro /= float64(max(seen, 1))
		x.to.Weighted /= float64(max(all.support, 1))
		x.to.Micro = x.micro
	}
	return precision, recall, f1
}

// mostPairs is the largest number of pairs of an image and a label to sort together.
const mostPairs = 1 << 26

// microAP returns the average precision over all pairs of an image and a label; nil if they are
// too many to sort.
func (c *LabelCollector) microAP() *float64 {
	if len(c.logits) > mostPairs {
		return nil
	}
	all := make([]scored, 0, len(c.logits))
	for i := range c.Len() {
		for l := range c.labels {
			all = append(all, scored{c.probability(i, l), c.has(i, l)})
		}
	}
	sortScored(all)
	return precisionOf(all)
}

// loss returns the mean binary cross entropy, and the number of images with logits that are not finite.
func (c *LabelCollector) loss() (mean float64, notFinite int) {
	for i := range c.Len() {
		bad := false
		for l := range c.labels {
			z := float64(c.logits[i*c.labels+l])
			bad = bad || z-z != 0
			own := z
			if c.has(i, l) {
				own = -z
			}
			mean += max(own, 0) + math.Log1p(math.Exp(-math.Abs(z)))
		}
		if bad {
			notFinite++
		}
	}
	return mean / float64(len(c.logits)), notFinite
}
