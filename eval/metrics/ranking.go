package metrics

import (
	"math"
	"slices"
	"sort"
)

// A score stands for a probability p in 32 bits. It keeps the order of probabilities and shows small
// differences near 0 and near 1: it has the bits of p below 1/2, and of 1-p above it, with 21 bits
// after the point. Equal probabilities have equal scores.
const (
	scoreShift = 31
	half       = uint32(0x3FE0000000000000 >> scoreShift) // the bits of 1/2
)

func scoreOf(p float64) uint32 {
	if p <= 0.5 {
		return round(p)
	}
	return 2*half - round(1-p)
}

func round(p float64) uint32 {
	return uint32((math.Float64bits(p) + 1<<(scoreShift-1)) >> scoreShift)
}

// probabilityOf returns the probability of a score.
func probabilityOf(score uint32) float64 {
	if score <= half {
		return math.Float64frombits(uint64(score) << scoreShift)
	}
	return 1 - probabilityOf(2*half-score)
}

// point is a score of images of a class, the positives. The negatives are all other images.
type point struct {
	score           uint32
	positives       int
	negativesEqual  int
	negativesBelow  int // with a score between this and the next smaller one
	truePositives   int // positives with this score or a larger one
	allAtLeastScore int // images with this score or a larger one
}

// ranked has everything that ROC and precision-recall curves need. Of a negative it
// keeps only between which positives its score is.
type ranked struct {
	points               []point // by score, descending
	positives, negatives int
}

// rank counts the negatives between the positives. It sorts the positives.
func rank(positives, negatives []uint32) ranked {
	slices.Sort(positives)
	distinct := slices.Compact(slices.Clone(positives))
	n := len(distinct)
	r := ranked{points: make([]point, n), positives: len(positives), negatives: len(negatives)}
	for at, k := 0, 0; k < n; k++ {
		p := &r.points[n-1-k]
		p.score = distinct[k]
		for ; at < len(positives) && positives[at] == p.score; at++ {
			p.positives++
		}
	}
	below, above := 0, 0 // negatives below the smallest positive, and above the largest
	for _, s := range negatives {
		if n == 0 || s < distinct[0] { // most negatives
			below++
			continue
		}
		// the largest positive score that is not above
		k := sort.Search(n, func(k int) bool { return distinct[k] > s }) - 1
		p := &r.points[n-1-k]
		switch {
		case p.score == s:
			p.negativesEqual++
		case k == n-1:
			above++
		default:
			r.points[n-2-k].negativesBelow++
		}
	}
	if n > 0 {
		r.points[n-1].negativesBelow = below
	}
	truePositives, all := 0, above
	for i := range r.points {
		p := &r.points[i]
		truePositives += p.positives
		all += p.positives + p.negativesEqual
		p.truePositives, p.allAtLeastScore = truePositives, all
		all += p.negativesBelow
	}
	return r
}

// rocAUC returns the part of the pairs of a positive and a negative in which the positive has the
// larger score; equal scores count half. It is NaN without pairs.
func (r ranked) rocAUC() float64 {
	pairs := 0.0
	for _, p := range r.points {
		pairs += float64(p.negativesBelow)*float64(p.truePositives) +
			float64(p.negativesEqual)*(float64(p.truePositives)-float64(p.positives)/2)
	}
	return pairs / (float64(r.positives) * float64(r.negatives))
}

func (p *point) precision() float64 { return ratio(p.truePositives, p.allAtLeastScore) }

// averagePrecision computes Σ (Rₙ − Rₙ₋₁)·Pₙ, NaN without positives.
func (r ranked) averagePrecision() float64 {
	sum := 0.0
	for i := range r.points {
		sum += float64(r.points[i].positives) * r.points[i].precision()
	}
	return sum / float64(r.positives)
}

// Curve is a precision-recall curve. Between two recalls, the precision of the larger one holds.
// The model gives the class from the probability Threshold on.
type Curve struct {
	Class     int       `json:"class"`  // -1 for a mean over classes
	Recall    []float32 `json:"recall"` // ascending, ends with 1
	Precision []float32 `json:"precision"`
	Threshold []float32 `json:"threshold,omitempty"`
}

// curve returns at most this many points: with more positives, at evenly spaced recalls.
func (r ranked) curve(class, most int) Curve {
	c := Curve{Class: class}
	next := 1
	for i := range r.points {
		p := &r.points[i]
		if p.truePositives*most < next*r.positives && i < len(r.points)-1 {
			continue
		}
		next = p.truePositives*most/r.positives + 1
		c.Recall = append(c.Recall, float32(ratio(p.truePositives, r.positives)))
		c.Precision = append(c.Precision, float32(p.precision()))
		c.Threshold = append(c.Threshold, float32(probabilityOf(p.score)))
	}
	return c
}

// meanSteps is the number of steps of a mean curve.
const meanSteps = 100

// addTo adds the precision at recalls 0, 0.01, … 1.
func (r ranked) addTo(sum *[meanSteps + 1]float64) {
	i := 0
	for k := range sum {
		for i < len(r.points)-1 && r.points[i].truePositives*meanSteps < k*r.positives {
			i++
		}
		sum[k] += r.points[i].precision()
	}
}

// mostPoints is about how many points all curves have together; a curve has 11 to 101.
const mostPoints = 20_000

// rankFigures computes ROC-AUC and average precision of all classes, and their curves.
func (c *Collector) rankFigures(f *Figures) {
	if !c.KeepsLogits() {
		f.note("ROC-AUC, average precision and precision-recall curves need all logits: "+
			"%d images of %d classes are more than the %d values that are kept", len(c.images), c.classes, c.limit)
		return
	}
	curves := max(1, len(f.Classes)-len(f.NoImages))
	points := min(max(mostPoints/curves, 11), 101)
	var mean [meanSteps + 1]float64
	var auc, ap average
	var undefined []int
	all := c.eachClass(func(k int, r ranked) classRanks {
		x := classRanks{class: k, positives: r.positives, negatives: r.negatives}
		if r.positives > 0 {
			x.auc, x.ap, x.curve = r.rocAUC(), r.averagePrecision(), r.curve(k, points)
			r.addTo(&x.mean)
		}
		return x
	})
	for _, x := range all {
		s := &f.Classes[x.class]
		if x.positives == 0 {
			if s.Support > 0 {
				undefined = append(undefined, x.class) // none of its images has probabilities
			}
			continue
		}
		s.AveragePrecision = pointer(x.ap)
		ap.add(x.ap, x.positives)
		f.Curves = append(f.Curves, x.curve)
		for i, v := range x.mean {
			mean[i] += v
		}
		if x.negatives == 0 {
			undefined = append(undefined, x.class)
			continue
		}
		s.ROCAUC = pointer(x.auc)
		auc.add(x.auc, x.positives)
	}
	f.ROCAUC, f.AveragePrecision = auc.mean(), ap.mean()
	// The two areas are equal except for rounding. The areas under the precision-recall curves differ.
	if c.classes == 2 && f.Classes[1].ROCAUC != nil {
		f.ROCAUC = Mean{f.Classes[1].ROCAUC, f.Classes[1].ROCAUC}
	}
	if len(undefined) > 0 {
		f.note("ROC-AUC is not defined for %s: there are no images of other classes to compare with",
			f.listed(undefined))
	}
	if n := len(f.Curves); n > 0 {
		m := &Curve{Class: -1}
		for k, v := range mean {
			m.Recall = append(m.Recall, float32(k)/meanSteps)
			m.Precision = append(m.Precision, float32(v/float64(n)))
		}
		f.MeanCurve = m
	}
}

// average adds up a mean over classes.
type average struct {
	sum, weighted float64
	n, images     int
}

func (a *average) add(v float64, images int) {
	a.sum += v
	a.weighted += v * float64(images)
	a.n++
	a.images += images
}

func (a *average) mean() Mean {
	if a.n == 0 {
		return Mean{}
	}
	return Mean{pointer(a.sum / float64(a.n)), pointer(a.weighted / float64(a.images))}
}
