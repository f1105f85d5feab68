package report

import "fasternet/train"

// kept is the largest number of step records in a report. A long run logs a hundred times as
// many, and its live page is made again and again while it trains.
const kept = 2000

// history collects the step records of a log. When there are too many, it merges neighbours,
// as if train.log_interval were larger.
type history struct {
	steps   []train.Record
	covered []int // batches that each record sums up
	batches int   // at the last record
}

func (h *history) add(r train.Record) {
	if len(h.steps) == kept {
		h.halve()
	}
	h.steps, h.covered = append(h.steps, r), append(h.covered, max(r.Batches-h.batches, 1))
	h.batches = r.Batches
}

func (h *history) halve() {
	n := 0
	for i := 0; i < len(h.steps); i++ {
		r, c := h.steps[i], h.covered[i]
		if i+1 < len(h.steps) && h.steps[i+1].Seconds >= r.Seconds { // both come from the same process
			i++
			r, c = merged(r, h.steps[i], c, h.covered[i]), c+h.covered[i]
		}
		h.steps[n], h.covered[n] = r, c
		n++
	}
	clear(h.steps[n:])
	h.steps, h.covered = h.steps[:n], h.covered[:n]
}

// merged makes one record from two neighbours that sum up n and m batches.
func merged(a, b train.Record, n, m int) train.Record {
	share := float64(n) / float64(n+m)
	mean := func(x, y float64) float64 { return share*x + (1-share)*y }
	r := b
	r.Loss = mean(a.Loss, b.Loss)
	if len(a.Scales) == len(b.Scales) {
		r.Scales = nil
		for k := range b.Scales {
			r.Scales = append(r.Scales, mean(a.Scales[k], b.Scales[k]))
		}
	}
	r.GradNorm, r.Memory = max(a.GradNorm, b.GradNorm), max(a.Memory, b.Memory)
	r.Waited, r.Synced = a.Waited+b.Waited, a.Synced+b.Synced
	if a.Speed > 0 && b.Speed > 0 { // images divided by their time
		r.Speed = 1 / mean(1/a.Speed, 1/b.Speed)
	}
	return r
}
