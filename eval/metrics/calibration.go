package metrics

import "math"

// Bins is the number of bins of the expected calibration error.
const Bins = 15

// Bin is a bin of a reliability diagram: the images whose answers have a probability in
// (Low, High].
type Bin struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Count      int     `json:"count"`
	Confidence float64 `json:"confidence"` // mean probability of the answers; 0 without images
	Accuracy   float64 `json:"accuracy"`   // the part of the answers that are right; 0 without images
}

// edge returns the lower end of bin i.
func edge(i int) float64 { return float64(i) * (1.0 / Bins) }

// binOf returns the bin of a confidence from 0 to 1.
func binOf(confidence float64) int {
	b := min(max(int(confidence*Bins), 0), Bins-1)
	// Rounding may put the product on the wrong side of an edge.
	for b > 0 && confidence <= edge(b) {
		b--
	}
	for b < Bins-1 && confidence > edge(b+1) {
		b++
	}
	return b
}

// reliability sums up confidences by bin.
type reliability [Bins]struct {
	count, correct int
	confidence     float64 // sum
}

func (r *reliability) add(bin int, confidence float64, correct bool) {
	b := &r[bin]
	b.count++
	b.confidence += confidence
	if correct {
		b.correct++
	}
}

// ece returns the expected calibration error, NaN without images.
func (r *reliability) ece() float64 {
	total, sum := 0, 0.0
	for _, b := range r {
		total += b.count
		sum += math.Abs(float64(b.correct) - b.confidence)
	}
	return sum / float64(total)
}

func (r *reliability) bins() []Bin {
	out := make([]Bin, Bins)
	for i, b := range r {
		out[i] = Bin{Low: edge(i), High: edge(i + 1), Count: b.count}
		if b.count > 0 {
			out[i].Confidence, out[i].Accuracy = b.confidence/float64(b.count), ratio(b.correct, b.count)
		}
	}
	out[Bins-1].High = 1
	return out
}

// CalibrationFigures say how well probabilities agree with accuracy.
type CalibrationFigures struct {
	NLL         float64 `json:"nll"` // nats
	ECE         float64 `json:"ece"`
	Brier       float64 `json:"brier"`
	Reliability []Bin   `json:"reliability,omitempty"`
}

// calibrationFigures returns nil if no image has probabilities.
func (c *Collector) calibrationFigures() *CalibrationFigures {
	var r reliability
	var f CalibrationFigures
	n := 0
	for i := range c.images {
		x := &c.images[i]
		if !x.finite() {
			continue
		}
		n++
		f.NLL += x.nll
		f.Brier += x.brier
		r.add(binOf(x.confidence), x.confidence, x.rank == 0)
	}
	if n == 0 {
		return nil
	}
	f.NLL, f.Brier, f.ECE, f.Reliability = f.NLL/float64(n), f.Brier/float64(n), r.ece(), r.bins()
	return &f
}

// calibrate measures the probabilities of the answers and the labels.
func (c *Collector) calibrate(f *Figures) {
	r := c.calibrationFigures()
	if r == nil {
		f.Reliability = new(reliability).bins()
		return
	}
	f.Reliability, f.ECE, f.Brier = r.Reliability, &r.ECE, &r.Brier
	if math.IsInf(r.NLL, 0) {
		f.note("NLL is infinite: the label of an image has the probability 0")
		return
	}
	f.NLL = &r.NLL
}
