package metrics

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var nan = math.NaN()

// Figures holds all figures of an evaluation.
type Figures struct {
	Precision        Averages       `json:"precision"`
	Recall           Averages       `json:"recall"`
	F1               Averages       `json:"f1"`
	BalancedAccuracy float64        `json:"balanced_accuracy"`
	ROCAUC           Mean           `json:"roc_auc"` // one-vs-rest; with two classes, for class 1
	AveragePrecision Mean           `json:"average_precision"`
	ECE              *float64       `json:"ece"`
	Brier            *float64       `json:"brier"`
	NLL              *float64       `json:"nll"` // nats
	Reliability      []Bin          `json:"reliability,omitempty"`
	Classes          []ClassFigures `json:"classes,omitempty"`       // all classes of the model, by index
	Curves           []Curve        `json:"pr_curves,omitempty"`     // for the classes that have images
	MeanCurve        *Curve         `json:"mean_pr_curve,omitempty"` // mean over those classes
	Intervals        *Intervals     `json:"intervals,omitempty"`
	Temperature      *Calibration   `json:"temperature,omitempty"`
	NoImages         []int          `json:"no_images,omitempty"`       // classes without images
	NeverPredicted   []int          `json:"never_predicted,omitempty"` // classes with images that are never the answer
	NotFinite        int            `json:"not_finite,omitempty"`      // images whose logits give no probabilities
	// Notes say what is undefined or was left out, and why.
	Notes []string `json:"notes,omitempty"`
}

// Averages over classes.
type Averages struct {
	Macro    float64 `json:"macro"`    // every class counts the same
	Weighted float64 `json:"weighted"` // a class counts by its images
	Micro    float64 `json:"micro"`    // every image counts the same
}

// Mean is the mean over the classes for which a figure is defined. It is nil if there are none, or
// the logits were not kept.
type Mean struct {
	Macro    *float64 `json:"macro"`
	Weighted *float64 `json:"weighted"`
}

// ClassFigures holds the figures of one class.
type ClassFigures struct {
	Index     int     `json:"index"`
	Name      string  `json:"name"`
	Support   int     `json:"support"`   // images of the class
	Predicted int     `json:"predicted"` // images that got it as their answer
	Correct   int     `json:"correct"`   // both
	Precision float64 `json:"precision"` // 0 if it is never the answer
	Recall    float64 `json:"recall"`    // 0 if it has no images
	F1        float64 `json:"f1"`
	// For the class against all others; nil if it has no images, if there are no others, or if
	// the logits were not kept.
	ROCAUC           *float64 `json:"roc_auc"`
	AveragePrecision *float64 `json:"average_precision"`
}

// Options say what to measure.
type Options struct {
	Names     []string // of the classes, by index; without a name, the index is the name
	Resamples int      // for the bootstrap; 0 for no intervals
	Seed      uint64   // for the bootstrap
}

// Figures computes the figures of the images so far. It returns an error if there are none.
func (c *Collector) Figures(o Options) (*Figures, error) {
	if len(c.images) == 0 {
		return nil, fmt.Errorf("there are no images to measure")
	}
	f := &Figures{Classes: make([]ClassFigures, c.classes)}
	for k := range f.Classes {
		f.Classes[k].Index, f.Classes[k].Name = k, className(o.Names, k)
	}
	c.count(f)
	c.calibrate(f)
	c.rankFigures(f)
	if o.Resamples > 0 {
		var err error
		if f.Intervals, err = c.Bootstrap(o.Resamples, o.Seed); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Brief returns a copy without the long lists: classes, curves and bins.
func (f *Figures) Brief() *Figures {
	b := *f
	b.Reliability, b.Classes, b.Curves, b.MeanCurve = nil, nil, nil, nil
	if f.Temperature != nil {
		b.Temperature = f.Temperature.Brief()
	}
	return &b
}

func (f *Figures) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// className returns the name of a class, or its index if it has none.
func className(names []string, class int) string {
	if class < len(names) && names[class] != "" {
		return names[class]
	}
	return strconv.Itoa(class)
}

// listed returns the names of the first few classes, and how many more there are.
func (f *Figures) listed(classes []int) string {
	const few = 5
	var parts []string
	for _, k := range classes[:min(few, len(classes))] {
		parts = append(parts, f.Classes[k].Name)
	}
	text := strings.Join(parts, ", ")
	if more := len(classes) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// ratio returns a/b, or 0 if b is 0.
func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func pointer(v float64) *float64 { return &v }
