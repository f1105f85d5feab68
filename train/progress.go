package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"fasternet/eval"
)

// Progress says how far a run is. It is stored in every checkpoint.
type Progress struct {
	Epoch   int `json:"epoch"`   // epoch in progress, from 0
	Step    int `json:"step"`    // finished batches of the epoch
	Batches int `json:"batches"` // since the beginning of the run
	Updates int `json:"updates"` // of the weights

	LossSum   float64 `json:"loss_sum"` // sum over the samples of the epoch
	LossCount int     `json:"loss_count"`
	// ScaleSums splits LossSum into the scales, if the loss is a sum over scales.
	ScaleSums []float64 `json:"scale_sums,omitempty"`
	// Phase is the finished part of the schedule, from 0 to 1, and Spent the seconds of the run, for a run
	// with a budget.
	Phase     float64 `json:"phase,omitempty"`
	Spent     float64 `json:"spent_s,omitempty"`
	NormSum   float64 `json:"norm_sum"` // sum of the gradient norms over the updates of the epoch
	NormCount int     `json:"norm_count"`
	Window    Window  `json:"window"`

	Last Score `json:"last"` // last evaluation
	// Thresholds are the thresholds of the labels in the last evaluation, for task multilabel.
	Thresholds []float64 `json:"thresholds,omitempty"`
	Best       *Score    `json:"best,omitempty"`
	// Stale counts the evaluations since the last one that was better than Bar by train.min_delta, and
	// became Bar.
	Stale int      `json:"stale,omitempty"`
	Bar   *float64 `json:"bar,omitempty"`
	TopK  []Score  `json:"top_k,omitempty"` // epochs with a checkpoint of their own, best first
	// Dropped are epochs whose checkpoints were dropped when the last epoch was ranked.
	Dropped []int `json:"dropped,omitempty"`
}

// Score is the evaluation after an epoch.
type Score struct {
	Epoch       int          `json:"epoch"` // from 0
	TrainLoss   float64      `json:"train_loss"`
	LR          float64      `json:"lr"`
	eval.Result              // of the averaged weights, if there are any
	Plain       *eval.Result `json:"plain,omitempty"` // of the last weights, if Result is for averaged ones
}

// byLoss reports whether a measure (checkpoint.monitor) is the loss, not the accuracy.
func byLoss(monitor string) bool {
	switch monitor {
	case "loss":
		return true
	case "top1", "map":
		return false
	}
	panic(fmt.Sprintf("train: no measure is called %q", monitor)) // configs.Config.Check says so with an error
}

// Better compares by the configured measure. If that is equal, the other measure decides. NaN is worse than any
// number.
func (s Score) Better(than Score, monitor string) bool {
	figure, loss := cmp.Compare(s.figure(), than.figure()), cmp.Compare(-s.Loss, -than.Loss)
	if byLoss(monitor) {
		return cmp.Or(loss, figure) > 0
	}
	return cmp.Or(figure, loss) > 0
}

// value returns the configured measure: larger is better.
func (s Score) value(monitor string) float64 {
	if byLoss(monitor) {
		return -s.Loss
	}
	return s.figure()
}

// figure returns the accuracy in percent, or mean average precision for task multilabel.
func (s Score) figure() float64 { return s.Top1 + s.MAP }

// wait counts evaluations that are not better than the best before them.
func (p *Progress) wait(s Score, monitor string, delta float64) {
	v := s.value(monitor)
	if finite(v) && (p.Bar == nil || v > *p.Bar+delta) {
		p.Bar, p.Stale = &v, 0
		return
	}
	p.Stale++
}

// recount sets Bar and Stale by a new measure.
func (p *Progress) recount(scores []Score, monitor string, delta float64) {
	p.Bar, p.Stale = nil, 0
	for _, s := range scores {
		p.wait(s, monitor, delta)
	}
}

// stale reports whether a run must end because it has not improved for long.
func (t *trainer) stale() bool {
	n := t.config.Train.Patience
	return n > 0 && t.progress.Stale >= n
}

// ProgressKey is the key in a checkpoint's metadata.
const ProgressKey = "progress"

func (p Progress) text() string {
	b, err := json.Marshal(p)
	if err != nil { // impossible: only NaN fails, and the run stops before
		panic(err)
	}
	return string(b)
}

// rank adds a score to the best epochs. Epochs that fall out are then in Dropped.
func (p *Progress) rank(s Score, monitor string, k int) {
	p.Dropped = nil
	if k == 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(p.TopK, s, func(a, b Score) int {
		if b.Better(a, monitor) {
			return 1
		}
		return -1
	})
	p.TopK = slices.Insert(p.TopK, at, s)
	if len(p.TopK) > k {
		for _, d := range p.TopK[k:] {
			p.Dropped = append(p.Dropped, d.Epoch)
		}
		p.TopK = p.TopK[:k]
	}
}

// addScales adds the losses of a batch's scales, weighted by its size.
func addScales(sums, scales []float64, size int) []float64 {
	if len(sums) == 0 && len(scales) > 0 {
		sums = make([]float64, len(scales))
	}
	for k, l := range scales {
		sums[k] += l * float64(size)
	}
	return sums
}

// meanScales divides such sums by the number of samples.
func meanScales(sums []float64, count int) []float64 {
	var out []float64
	for _, s := range sums {
		out = append(out, s/float64(max(count, 1)))
	}
	return out
}
