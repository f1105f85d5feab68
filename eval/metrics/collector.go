package metrics

import "fmt"

// Collector keeps the answers of a model, image by image.
type Collector struct {
	classes int
	limit   int // keep at most this many logits
	images  []image
	logits  []float32 // [kept images, classes]
	// stride is 1 if the logits of all images are kept, 2 for every second image, and so on;
	// 0 for none.
	stride int
}

// image holds what the figures need about an image.
type image struct {
	nll, confidence, brier float64 // NaN if there are no probabilities
	sum                    float64 // of the softmax
	top                    float32 // the largest logit
	label, answer, rank    int32
}

// New makes a collector for a number of classes and images. It keeps the logits (4 bytes each)
// only if limit is enough for all of them. On one of several ranks, images is the number of
// all ranks, so that all ranks decide alike.
func New(classes, images, limit int) *Collector {
	c := &Collector{classes: classes, limit: limit, images: make([]image, 0, images)}
	if limit > 0 && images <= limit/classes {
		c.stride = 1
	}
	return c
}

// Thin keeps the logits of every second, third, … image if there are too many to keep all: enough to
// fit a temperature. Call it before the first image.
func (c *Collector) Thin() {
	if images := cap(c.images); c.stride == 0 && c.limit >= c.classes {
		rows := c.limit / c.classes
		c.stride = (images + rows - 1) / rows
	}
}

// Classes returns the number of classes.
func (c *Collector) Classes() int { return c.classes }

// Limit returns how many logits are kept at most.
func (c *Collector) Limit() int { return c.limit }

// Len returns the number of images.
func (c *Collector) Len() int { return len(c.images) }

// KeepsLogits reports whether the collector has the logits of all images.
func (c *Collector) KeepsLogits() bool { return c.stride == 1 }

// Sample is a model's answer for one image.
type Sample struct {
	Label, Answer int     // classes; the answer is -1 if the logits are not numbers
	Rank          int     // number of classes with a larger logit than the label; 0 if the answer is right
	NLL           float64 // -ln of the probability of the label
	Confidence    float64 // probability of the answer by softmax; NaN if there is none
}

// Add takes the logits of an image, [classes], and its label. It returns an error if the label
// is not a class.
func (c *Collector) Add(label int, logits []float32) (Sample, error) {
	if len(logits) != c.classes {
		return Sample{}, fmt.Errorf("%d logits, want %d, one for each class", len(logits), c.classes)
	}
	if label < 0 || label >= c.classes {
		return Sample{}, fmt.Errorf("label %d, but the model has %d classes: want 0 to %d",
			label, c.classes, c.classes-1)
	}
	s := softmaxOf(logits)
	x := image{
		nll: s.nll(logits[label]), confidence: nan, brier: nan, sum: s.sum, top: float32(s.top),
		label: int32(label), answer: int32(Answer(logits)), rank: int32(Rank(logits, label)),
	}
	if x.answer >= 0 && s.finite() {
		x.brier, x.confidence = s.brier(logits, label), 1/s.sum
	}
	c.images = append(c.images, x)
	c.keep(logits)
	return x.sample(), nil
}

// keep keeps the logits of the image that was added last. It drops all logits if more images come
// than New was told, and the limit is passed.
func (c *Collector) keep(logits []float32) {
	i := len(c.images) - 1
	if c.stride == 0 || i%c.stride != 0 {
		return
	}
	if c.stride == 1 && len(c.logits)+len(logits) > c.limit {
		c.logits, c.stride = nil, 0
		return
	}
	if c.logits == nil {
		c.logits = make([]float32, 0, (cap(c.images)+c.stride-1)/c.stride*c.classes)
	}
	c.logits = append(c.logits, logits...)
}

func (x *image) sample() Sample {
	return Sample{Label: int(x.label), Answer: int(x.answer), Rank: int(x.rank), NLL: x.nll, Confidence: x.confidence}
}

// finite reports whether the image has probabilities.
func (x *image) finite() bool { return x.confidence == x.confidence }

// Sample returns image i, from 0.
func (c *Collector) Sample(i int) Sample { return c.images[i].sample() }

// row returns the logits of image i, which must be kept.
func (c *Collector) row(i int) []float32 {
	i /= c.stride
	return c.logits[i*c.classes : (i+1)*c.classes]
}
