package optim

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/kernels"
	"fasternet/layers"
)

// EMA is an exponential moving average of the weights and the statistics of a model over the steps
// of the optimizer. It follows timm: the first step copies, and with a warm-up the decay rises as 1
// - (1 + t/γ)^-power, where t is the number of steps before.
type EMA struct {
	config configs.EMA
	store  *layers.Store
	pool   *kernels.Pool
	shadow [][]float32 // for each entry of the store; nil for counters
	parts  []emaPart
	decay  float32
	update func(worker, i int)
	swap   func(worker, i int)
}

type emaPart struct{ entry, from, to int }

// NewEMA makes an average that equals the current model, or returns nil for a decay of 0.
func NewEMA(c configs.EMA, s *layers.Store, pool *kernels.Pool) *EMA {
	if c.Decay == 0 {
		return nil
	}
	e := &EMA{config: c, store: s, pool: pool}
	e.update, e.swap = e.updatePart, e.swapPart
	const most = 1 << 16
	for i := range s.Entries {
		live := e.live(i)
		e.shadow = append(e.shadow, slices.Clone(live))
		for from := 0; from < len(live); from += most {
			e.parts = append(e.parts, emaPart{i, from, min(from+most, len(live))})
		}
	}
	return e
}

// live returns the values of an entry of the model; nil for a counter.
func (e *EMA) live(i int) []float32 {
	entry := e.store.Entries[i]
	if entry.Param != nil {
		return entry.Param.Data()
	}
	return entry.Buffer
}

// decayAt returns the decay of an update, counted from 0.
func (e *EMA) decayAt(step int) float64 {
	switch {
	case step == 0:
		return 0
	case e.config.Warmup:
		return min(e.config.Decay, 1-math.Pow(1+float64(step)/e.config.Gamma, -e.config.Power))
	}
	return e.config.Decay
}

// Update takes the model into the average. steps is the number of updates of the model.
func (e *EMA) Update(steps int) {
	e.decay = float32(e.decayAt(steps - 1))
	e.pool.Run(len(e.parts), e.update)
}

func (e *EMA) updatePart(_, i int) {
	p := e.parts[i]
	avg, live := row(e.shadow[p.entry][p.from:p.to]), row(e.live(p.entry)[p.from:p.to])
	if e.decay == 0 {
		e.pool.Kernels().Copy(avg, live)
		return
	}
	e.pool.Kernels().Combine(avg, avg, live, e.decay, 1-e.decay)
}

// Exchange swaps the average and the model: the model then computes with the average. A second call
// undoes it.
func (e *EMA) Exchange() {
	e.pool.Run(len(e.parts), e.swap)
	for i := range e.shadow {
		if p := e.store.Entries[i].Param; p != nil {
			p.Changed()
		}
	}
}

func (e *EMA) swapPart(_, i int) {
	p := e.parts[i]
	avg, live := e.shadow[p.entry][p.from:p.to], e.live(p.entry)[p.from:p.to]
	for k, v := range live {
		live[k], avg[k] = avg[k], v
	}
}

// Statistics returns the averages of the running statistics of batch norms.
func (e *EMA) Statistics() [][]float32 {
	average := map[*float32][]float32{} // by the address of the first value
	for i := range e.shadow {
		if live := e.live(i); len(live) > 0 {
			average[&live[0]] = e.shadow[i]
		}
	}
	var all [][]float32
	for _, n := range e.store.Norms {
		all = append(all, average[&n.RunningMean[0]], average[&n.RunningVar[0]])
	}
	return all
}

// Tensors returns the average for a checkpoint.
func (e *EMA) Tensors() []formats.Tensor {
	var ts []formats.Tensor
	for i, entry := range e.store.Entries {
		if avg := e.shadow[i]; avg != nil {
			ts = append(ts, formats.Tensor{
				Name:  checkpoints.EMAPrefix + entry.Name,
				Shape: slices.Clone([]int(entry.Shape)),
				F32:   avg,
			})
		}
	}
	return ts
}

// Restore reads the average from a checkpoint.
func (e *EMA) Restore(f *checkpoints.File) error {
	for _, t := range e.Tensors() {
		have, ok := f.Lookup(t.Name)
		switch {
		case !ok:
			return errors.New("the checkpoint has no averaged weights, because the run began without ema.decay: " +
				"set ema.decay to 0, or start another run with --from")
		case len(have.F32) != len(t.F32):
			return fmt.Errorf("the checkpoint's average does not fit: %s has shape %v", t.Name, have.Shape)
		}
		copy(t.F32, have.F32)
	}
	return nil
}
