package train

import (
	"encoding/json"
	"fmt"

	"fasternet/data"
)

// tally collects the losses of a step's batches: each rank has its part, and after sum the total.
type tally struct {
	batches []counted
	values  []float64
}

// counted is one batch of a step.
type counted struct {
	loss    float64
	scales  []float64
	whole   int   // samples of all ranks
	samples []int // the samples of this rank
}

func (t *tally) add(b *data.Batch, loss float32, scales []float64) {
	c := counted{loss: float64(loss), whole: b.Whole, samples: append([]int{}, b.Indices...)}
	c.scales = append(c.scales, scales...)
	t.batches = append(t.batches, c)
}

// finite reports whether all losses of this rank are finite.
func (t *tally) finite() bool {
	for _, b := range t.batches {
		if !finite(b.loss) {
			return false
		}
	}
	return true
}

// sum adds the losses over the ranks.
func (t *tally) sum(with ranks) error {
	v := t.values[:0]
	for _, b := range t.batches {
		v = append(append(v, b.loss), b.scales...)
	}
	t.values = v
	if err := with.Sum64(v); err != nil {
		return err
	}
	for i := range t.batches {
		b := &t.batches[i]
		b.loss = v[0]
		copy(b.scales, v[1:])
		v = v[1+len(b.scales):]
	}
	return nil
}

// witness is what a rank knows about the step in which training diverged.
type witness struct {
	Broken  bool // a loss or gradient of this rank is not finite
	Samples []int
}

// diverged completes an error that all ranks have found. It names the first rank whose own loss or gradient
// is not finite, the samples of that rank, and what repeating the step shows.
func (t *trainer) diverged(e *DivergedError, own bool, samples []int, a attempt) error {
	if err := t.blame(e, own, samples); err != nil {
		return err
	}
	t.explain(e, a)
	return e
}

// blame finds that rank.
func (t *trainer) blame(e *DivergedError, own bool, samples []int) error {
	e.Samples = samples
	if t.ranks.Size() == 1 {
		return nil
	}
	text, err := json.Marshal(witness{own, samples})
	if err != nil {
		return err
	}
	texts, err := t.ranks.Gather(text)
	if err != nil {
		return err
	}
	for rank, text := range texts {
		var w witness
		if err := json.Unmarshal(text, &w); err != nil {
			return fmt.Errorf("%s: %w", t.ranks.Name(rank), err)
		}
		if w.Broken {
			e.Rank, e.Samples = t.ranks.Name(rank), w.Samples
			return nil
		}
	}
	return nil
}
