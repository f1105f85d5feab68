package train

import (
	"fmt"
	"time"
)

// Window sums the training since the last record of a step.
type Window struct {
	From    int       `json:"from"`    // finished batches of the epoch at that record
	LossSum float64   `json:"loss"`    // over the samples
	Samples int       `json:"samples"` // of all ranks
	Scales  []float64 `json:"scales,omitempty"`
}

// meter watches an epoch: averages since the last record, which are part of the progress, and the speed of this
// process.
type meter struct {
	t       *trainer
	steps   int // batches of the epoch
	samples int // since the last record
	waited  time.Duration
	synced  time.Duration // spent waiting for other ranks
	since   time.Time
	began   time.Time
	mark    time.Time // end of the last measurement of the pace
}

func newMeter(t *trainer, steps int) *meter {
	now := clock()
	m := &meter{t: t, steps: steps, since: now, began: now, mark: now}
	if w := &t.progress.Window; w.Samples == 0 { // after a record, or resumed from an older version
		w.From = t.progress.Step
	}
	t.total, t.pace = t.total.add(t.pace), pace{}
	t.show.Begin(m.name(), t.progress.Step, steps)
	return m
}

func (m *meter) name() string {
	return fmt.Sprintf("epoch %d/%d", m.t.progress.Epoch+1, m.t.epochs())
}

func (m *meter) add(loss float64, scales []float64, samples int) {
	w := &m.t.progress.Window
	w.Scales = addScales(w.Scales, scales, samples)
	w.LossSum += loss * float64(samples)
	w.Samples += samples
	m.samples += samples
	m.t.pace.images += samples
}

// show moves the bar, and writes a record every few steps.
func (m *meter) show(lr, norm float64) error {
	p := &m.t.progress
	loss := p.Window.LossSum / float64(max(p.Window.Samples, 1))
	speed := perSecond(m.t.pace.images, since(m.began))
	left := m.remaining()
	eta := remaining(left)
	m.measure()
	m.t.observe(Status{
		Loss:      loss,
		LR:        lr,
		GradNorm:  norm,
		Speed:     perSecond(m.samples, since(m.since)),
		Remaining: left,
	})
	m.t.show.Step(
		p.Step,
		m.name(),
		fmt.Sprintf("loss %.4f", loss),
		"ETA "+eta,
		fmt.Sprintf("%.0f img/s", speed),
		fmt.Sprintf("lr %.2e", lr),
	)
	if p.Step-p.Window.From < m.t.config.Train.LogInterval && p.Step < m.steps {
		return nil
	}
	now := clock()
	r := Record{
		Kind:     StepRecord,
		Epoch:    p.Epoch,
		Step:     p.Step,
		Batches:  p.Batches,
		Loss:     loss,
		LR:       lr,
		GradNorm: norm,
		Scales:   meanScales(p.Window.Scales, p.Window.Samples),
		Speed:    perSecond(m.samples, now.Sub(m.since)),
		Waited:   m.waited.Seconds(),
		Synced:   m.synced.Seconds(),
		Seconds:  since(m.t.began).Seconds(),
		Memory:   residentMemory() / 1e6,
	}
	m.t.show.Plain(fmt.Sprintf("%s step %d/%d: loss %.4f, lr %.3e, gradient norm %.3g, %.0f img/s, ETA %s",
		m.name(), p.Step, m.steps, loss, lr, norm, r.Speed, eta))
	p.Window = Window{From: p.Step}
	m.samples, m.waited, m.synced, m.since = 0, 0, 0, now
	return m.t.record(r)
}

// wait adds time spent waiting for data.
func (m *meter) wait(d time.Duration) {
	m.waited += d
	m.t.pace.waited += d
}

// sync adds time spent waiting for gradients of other ranks.
func (m *meter) sync(d time.Duration) {
	m.synced += d
	m.t.pace.synced += d
}

// measure adds an update to the pace of the epoch.
func (m *meter) measure() {
	p := &m.t.pace
	p.updates++
	p.took += since(m.mark)
	m.mark = clock()
}

// remaining estimates the time to the end of the run from the steps of this process, with evaluations.
func (m *meter) remaining() time.Duration {
	if m.t.budget != nil {
		return m.t.budgetLeft()
	}
	p := m.t.progress
	done := p.Batches - m.t.firstStep
	left := (m.t.config.Train.Epochs-p.Epoch)*m.steps - p.Step
	perBatch := since(m.t.began).Seconds() / float64(max(done, 1))
	const most = 1 << 62 // more than a century
	return time.Duration(min(perBatch*float64(left)*float64(time.Second), most))
}
