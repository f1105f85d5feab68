package train

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"fasternet/eval"
)

// Progress is where a run stands. It is stored in every checkpoint.
type Progress struct {
	Epoch   int `json:"epoch"`   // in progress, from 0
	Step    int `json:"step"`    // batches of the epoch that are done
	Batches int `json:"batches"` // since the beginning of the run
	Updates int `json:"updates"` // of the weights

	LossSum   float64 `json:"loss_sum"` // over the samples of the epoch
	LossCount int     `json:"loss_count"`
	// ScaleSums is LossSum taken apart, of a loss that is a sum over scales.
	ScaleSums []float64 `json:"scale_sums,omitempty"`
	// Phase is the part of the schedule that is done, from 0 to 1, and Spent the seconds that the
	// run has taken, of a run with a budget.
	Phase     float64 `json:"phase,omitempty"`
	Spent     float64 `json:"spent_s,omitempty"`
	NormSum   float64 `json:"norm_sum"` // of the gradients, over the updates of the epoch
	NormCount int     `json:"norm_count"`
	Window    Window  `json:"window"`

	Last Score `json:"last"` // last evaluation
	// Thresholds of the labels by the last evaluation, of task multilabel.
	Thresholds []float64 `json:"thresholds,omitempty"`
	Best       *Score    `json:"best,omitempty"`
	// Stale is the number of evaluations since one was better than Bar by
	// train.min_delta, and became it.
	Stale int      `json:"stale,omitempty"`
	Bar   *float64 `json:"bar,omitempty"`
	TopK  []Score  `json:"top_k,omitempty"` // epochs with a checkpoint of their own, best first
	// Dropped are the epochs whose checkpoints went when the last one was ranked.
	Dropped []int `json:"dropped,omitempty"`
}

// Score is the evaluation after an epoch.
type Score struct {
	Epoch       int          `json:"epoch"` // from 0
	TrainLoss   float64      `json:"train_loss"`
	LR          float64      `json:"lr"`
	eval.Result              // of the averaged weights, if there are any, and
	Plain       *eval.Result `json:"plain,omitempty"` // of the weights as they are then
}

// byLoss says whether a configured measure (checkpoint.monitor) is the loss, and not the accuracy.
func byLoss(monitor string) bool {
	switch monitor {
	case "loss":
		return true
	case "top1", "map":
		return false
	}
	panic(fmt.Sprintf("train: there is no measure %q", monitor)) // configs.Config.Check says so with an error
}

// Better compares by the configured measure. The other one decides between equal
// accuracies, or losses. What is not a number is worse than all that is.
func (s Score) Better(than Score, monitor string) bool {
	figure, loss := cmp.Compare(s.figure(), than.figure()), cmp.Compare(-s.Loss, -than.Loss)
	if byLoss(monitor) {
		return cmp.Or(loss, figure) > 0
	}
	return cmp.Or(figure, loss) > 0
}

// value is what the configured measure has, the larger the better.
func (s Score) value(monitor string) float64 {
	if byLoss(monitor) {
		return -s.Loss
	}
	return s.figure()
}

// figure is the accuracy in percent, or mean average precision of task multilabel, which has no
// accuracy.
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

// recount makes Bar and Stale what they are by a measure that the run did not have before.
func (p *Progress) recount(scores []Score, monitor string, delta float64) {
	p.Bar, p.Stale = nil, 0
	for _, s := range scores {
		p.wait(s, monitor, delta)
	}
}

// stale says whether a run is to end because it has not become better for long.
func (t *trainer) stale() bool {
	n := t.config.Train.Patience
	return n > 0 && t.progress.Stale >= n
}

// ProgressKey is the key in a checkpoint's metadata.
const ProgressKey = "progress"

func (p Progress) text() string {
	b, err := json.Marshal(p)
	if err != nil { // NaN: the run stops before it could be stored
		panic(err)
	}
	return string(b)
}

// rank adds a score to the best epochs; those that fall out are in Dropped then.
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

// meanScales are such sums divided by the number of samples.
func meanScales(sums []float64, count int) []float64 {
	var out []float64
	for _, s := range sums {
		out = append(out, s/float64(max(count, 1)))
	}
	return out
}
