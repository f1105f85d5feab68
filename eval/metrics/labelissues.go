package metrics

import (
	"cmp"
	"math"
	"slices"
)

// LabelIssue is an image whose label is probably wrong.
type LabelIssue struct {
	Image            int     // its number among the images, from 0
	Label, Suggested int     // classes
	Given            float64 // probability of the label
	Probability      float64 // of the suggested class
}

// LabelIssues finds images whose labels are probably wrong by confident learning (Northcutt, Jiang and
// Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021). The threshold of a
// class is its mean probability over the images with its label. Among the classes that reach their
// thresholds for an image, the one with the largest probability is suggested. If it is not the label,
// the label is probably wrong. The largest differences between the two probabilities come first. If
// the logits of all images are not kept, only the answer is compared with its threshold, and all is
// false.
func (c *Collector) LabelIssues() (issues []LabelIssue, all bool) {
	thresholds, counts := make([]float64, c.classes), make([]int, c.classes)
	for i := range c.images {
		if x := &c.images[i]; x.finite() {
			thresholds[x.label] += math.Exp(-x.nll)
			counts[x.label]++
		}
	}
	for k, n := range counts {
		if n == 0 {
			thresholds[k] = math.Inf(1) // no image has this label
			continue
		}
		thresholds[k] /= float64(n)
	}
	all = c.KeepsLogits()
	for i := range c.images {
		x := &c.images[i]
		if !x.finite() {
			continue
		}
		suggested, most := -1, 0.0
		consider := func(k int, p float64) {
			if p >= thresholds[k] && p > most {
				suggested, most = k, p
			}
		}
		if all {
			row := c.row(i)
			s := softmaxOf(row)
			for k, v := range row {
				consider(k, s.probability(v))
			}
		} else {
			consider(int(x.answer), x.confidence)
		}
		if suggested >= 0 && suggested != int(x.label) {
			issues = append(issues, LabelIssue{i, int(x.label), suggested, math.Exp(-x.nll), most})
		}
	}
	slices.SortStableFunc(issues, func(a, b LabelIssue) int {
		return cmp.Compare(b.Probability-b.Given, a.Probability-a.Given)
	})
	return issues, all
}
