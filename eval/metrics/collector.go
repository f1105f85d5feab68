package metrics

import "fmt"

// Collector keeps what a model says about images, one after the other.
type Collector struct {
	classes int
	limit   int // logits to keep at most
	images  []image
	logits  []float32 // [kept images, classes]
	// stride is 1 if the logits of all images are kept, 2 if every second image's are, and so
	// on; 0 if none are.
	stride int
}

// image is what the figures need of an image.
type image struct {
	nll, confidence, brier float64 // NaN if there are no probabilities
	sum                    float64 // of the softmax
	top                    float32 // logit
	label, answer, rank    int32
}

// New makes a collector for a model with some classes and for so many images. It keeps all
// logits if these are at most limit values, 4 bytes each, and else none. For one of several
// ranks, the limit is compared with the images of all ranks, so that all decide alike.
func New(classes, images, limit int) *Collector {
	c := &Collector{classes: classes, limit: limit, images: make([]image, 0, images)}
	if limit > 0 && images <= limit/classes {
		c.stride = 1
	}
	return c
}

// Thin keeps the logits of every second, third, … image where those of all are too many: enough to fit
// a temperature. Call it before the first image.
func (c *Collector) Thin() {
	if images := cap(c.images); c.stride == 0 && c.limit >= c.classes {
		rows := c.limit / c.classes
		c.stride = (images + rows - 1) / rows
	}
}

// Classes is the number of classes.
func (c *Collector) Classes() int { return c.classes }

// Limit is how many logits are kept at most.
func (c *Collector) Limit() int { return c.limit }

// Len is the number of images.
func (c *Collector) Len() int { return len(c.images) }

// KeepsLogits says whether the collector has the logits of all images.
func (c *Collector) KeepsLogits() bool { return c.stride == 1 }

// Sample is what a model says about one image.
type Sample struct {
	Label, Answer int     // classes; the answer is -1 if the logits are not numbers
	Rank          int     // classes with a larger logit than the label's; 0 if the answer is right
	NLL           float64 // -ln of the probability of the label
	Confidence    float64 // probability of the answer by softmax; NaN if there is none
}

// Add takes the logits of an image, [classes], and its label. A label that is no class is an
// error.
func (c *Collector) Add(label int, logits []float32) (Sample, error) {
	if len(logits) != c.classes {
		return Sample{}, fmt.Errorf("%d logits, want %d, one for each class", len(logits), c.classes)
	}
	if label < 0 || label >= c.classes {
		return Sample{}, fmt.Errorf("label %d, but the model has %d classes: want 0 to %d", label, c.classes, c.classes-1)
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

// keep keeps the logits of the image that was added last. More images than were announced may
// be too many.
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

// finite says whether there are probabilities.
func (x *image) finite() bool { return x.confidence == x.confidence }

// Sample is image i, from 0 on.
func (c *Collector) Sample(i int) Sample { return c.images[i].sample() }

// row has the logits of image i, which are kept.
func (c *Collector) row(i int) []float32 {
	i /= c.stride
	return c.logits[i*c.classes : (i+1)*c.classes]
}
