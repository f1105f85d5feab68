package metrics

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// classRanks holds the figures of a class that come from its scores.
type classRanks struct {
	class, positives, negatives int
	auc, ap                     float64
	curve                       Curve
	mean                        [meanSteps + 1]float64
}

// together is how many classes a goroutine collects at once: a cache line of logits.
const together = 16

// eachClass ranks the scores of all classes, several at once, and returns the results of measure
// by class.
func (c *Collector) eachClass(measure func(class int, r ranked) classRanks) []classRanks {
	all := make([]classRanks, c.classes)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			var positives, negatives [together][]uint32
			for {
				first := int(next.Add(together)) - together
				if first >= c.classes {
					return
				}
				n := min(together, c.classes-first)
				for k := range n {
					positives[k], negatives[k] = positives[k][:0], negatives[k][:0]
				}
				for i := range c.images {
					x := &c.images[i]
					if !x.finite() {
						continue
					}
					s := softmax{top: float64(x.top), sum: x.sum}
					for k, v := range c.row(i)[first : first+n] {
						score := scoreOf(s.probability(v))
						if int(x.label) == first+k {
							positives[k] = append(positives[k], score)
						} else {
							negatives[k] = append(negatives[k], score)
						}
					}
				}
				for k := range n {
					all[first+k] = measure(first+k, rank(positives[k], negatives[k]))
				}
			}
		})
	}
	wait.Wait()
	return all
}
