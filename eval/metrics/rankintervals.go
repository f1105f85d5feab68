package metrics

import (
	"cmp"
	"slices"
)

// mostRankWork limits images times classes times resamples: with more, ROC-AUC and average precision
// have no intervals. It stands for some tenths of a second.
const mostRankWork = 100_000_000

// ordering sorts the images by their score for a class, descending.
type ordering struct {
	images []int32
	last   []bool // the next image has a smaller score
}

// orderings sorts the images for all classes; nil if intervals would take too long.
func (c *Collector) orderings(resamples int) []ordering {
	if !c.KeepsLogits() || len(c.images)*c.classes > mostRankWork/resamples {
		return nil
	}
	all := make([]ordering, c.classes)
	scores := make([]uint32, len(c.images))
	for k := range all {
		o := &all[k]
		for i := range c.images {
			x := &c.images[i]
			if x.finite() {
				scores[i] = scoreOf(softmax{top: float64(x.top), sum: x.sum}.probability(c.row(i)[k]))
				o.images = append(o.images, int32(i))
			}
		}
		slices.SortFunc(o.images, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
		for i, a := range o.images {
			o.last = append(o.last, i == len(o.images)-1 || scores[o.images[i+1]] != scores[a])
		}
	}
	return all
}

// weighted computes the ROC-AUC and the average precision of a class if image i counts times[i] times.
// They are NaN without pairs, and without positives.
func (o *ordering) weighted(class int32, draws []draw, times []uint16) (auc, ap float64, positives int) {
	// images so far, and images with the same score
	var above, positivesAbove, group, groupPositives int
	var pairs, precisions float64
	for i, at := range o.images {
		n := int(times[at])
		group += n
		if draws[at].label == class {
			groupPositives += n
		}
		if !o.last[i] {
			continue
		}
		negatives := group - groupPositives
		pairs += float64(negatives) * (float64(positivesAbove) + float64(groupPositives)/2)
		positivesAbove += groupPositives
		above += group
		if groupPositives > 0 {
			precisions += float64(groupPositives) * float64(positivesAbove) / float64(above)
		}
		group, groupPositives = 0, 0
	}
	negativesAbove := float64(above - positivesAbove)
	auc = pairs / (float64(positivesAbove) * negativesAbove)
	return auc, precisions / float64(positivesAbove), positivesAbove
}

// rankAverages computes the macro averages of ROC-AUC and average precision over the classes that have
// images in a resample.
func rankAverages(all []ordering, draws []draw, times []uint16) (auc, ap float64) {
	var n, m int
	for k := range all {
		a, p, positives := all[k].weighted(int32(k), draws, times)
		if positives == 0 {
			continue
		}
		ap += p
		m++
		if a == a && (len(all) != 2 || k == 1) { // with two classes, take the area of class 1
			auc += a
			n++
		}
	}
	return auc / float64(n), ap / float64(m)
}
