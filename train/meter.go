package train

import (
	"fmt"
	"time"
)

// meter watches an epoch: averages since the last record, and speed.
type meter struct {
	t        *trainer
	steps    int // batches of the epoch
	loss     float64
	lastLoss float64
	scales   []float64 // loss, taken apart
	samples  int
	waited   time.Duration
	synced   time.Duration // spent waiting for other ranks
	since    time.Time
	recorded int // batches of the epoch at the last record
	began    time.Time
	mark     time.Time // up to which the pace is measured
}

func newMeter(t *trainer, steps int) *meter {
	now := clock()
	m := &meter{t: t, steps: steps, since: now, began: now, mark: now, recorded: t.progress.Step}
	t.total, t.pace = t.total.add(t.pace), pace{}
	t.show.Begin(m.name(), t.progress.Step, steps)
	return m
}

func (m *meter) name() string {
	return fmt.Sprintf("epoch %d/%d", m.t.progress.Epoch+1, m.t.config.Train.Epochs)
}

func (m *meter) add(loss float64, scales []float64, samples int) {
	m.scales = addScales(m.scales, scales, samples)
	m.lastLoss = loss
	m.loss += loss * float64(samples)
	m.samples += samples
	m.t.pace.images += samples
}

// show moves the bar, and every so many steps writes a record.
func (m *meter) show(lr, norm float64) error {
	p := m.t.progress
	loss := m.loss / float64(max(m.samples, 1))
	speed := perSecond(m.t.pace.images, since(m.began))
	left := m.remaining()
	eta := remaining(left)
	m.measure(norm)
	m.t.observe(Status{Loss: loss, LR: lr, GradNorm: norm, Speed: perSecond(m.samples, since(m.since)), Remaining: left})
	m.t.show.Step(p.Step, fmt.Sprintf("%s loss %.4f lr %.2e %.0f img/s ETA %s", m.name(), loss, lr, speed, eta))
	if p.Step-m.recorded < m.t.config.Train.LogInterval && p.Step < m.steps {
		return nil
	}
	now := clock()
	r := Record{
		Kind: StepRecord, Epoch: p.Epoch, Step: p.Step, Batches: p.Batches, Loss: loss, LR: lr, GradNorm: norm, Scales: meanScales(m.scales, m.samples),
		Speed: perSecond(m.samples, now.Sub(m.since)), Waited: m.waited.Seconds(), Synced: m.synced.Seconds(), Seconds: since(m.t.began).Seconds(),
	}
	m.t.show.Plain(fmt.Sprintf("%s step %d/%d: loss %.4f, lr %.3e, gradient norm %.3g, %.0f img/s, ETA %s", m.name(), p.Step, m.steps, loss, lr, norm, r.Speed, eta))
	clear(m.scales)
	m.loss, m.samples, m.waited, m.synced, m.since, m.recorded = 0, 0, 0, 0, now, p.Step
	return m.t.record(r)
}

// wait adds time in which there were no data.
func (m *meter) wait(d time.Duration) {
	m.waited += d
	m.t.pace.waited += d
}

// sync adds time in which the gradients of other ranks were not there.
func (m *meter) sync(d time.Duration) {
	m.synced += d
	m.t.pace.synced += d
}

// measure adds an update to the pace of the epoch.
func (m *meter) measure(norm float64) {
	p := &m.t.pace
	p.norms += norm
	p.updates++
	p.took += since(m.mark)
	m.mark = clock()
}

// remaining estimates the time to the end of the run from this process's own
// steps; evaluations count as part of them.
func (m *meter) remaining() time.Duration {
	p := m.t.progress
	done := p.Batches - m.t.firstStep
	left := (m.t.config.Train.Epochs-p.Epoch)*m.steps - p.Step
	perBatch := since(m.t.began).Seconds() / float64(max(done, 1))
	return time.Duration(perBatch * float64(left) * float64(time.Second))
}
