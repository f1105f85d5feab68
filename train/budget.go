package train

import (
	"math"
	"time"

	"fasternet/configs"
)

// budget keeps a run within a time (train.budget): the schedule follows the clock, not the count of updates.
// After each update the phase, the finished part of the schedule, grows by one part in the number of updates
// that still fit. So the schedule reaches its end however fast the machine is or becomes.
type budget struct {
	total  time.Duration
	after  time.Duration // needed by the caller after the run
	before float64       // seconds that were used before this process began to train

	mark time.Time // end of the last measurement of the pace
	pace mean      // seconds of an update
	// plain and eval are the seconds from the last update of an epoch to the next one, without and with an
	// evaluation.
	plain, eval mean
	left        float64 // last estimate of the updates that fit
}

// mean is a moving average: of all values while they are few, then mostly of the latest.
type mean struct {
	value float64
	n     int
}

// meanOf is the number of values that count about equally.
const meanOf = 20

// One value far above the others comes from a machine that stood still, and is limited. A machine that has
// become slow is noticed after a few more.
func (m *mean) add(v float64) {
	if m.n >= 5 {
		v = min(v, 3*m.value)
	}
	m.n++
	m.value += (v - m.value) / float64(min(m.n, meanOf))
}

// startBudget starts the budget of a run that has one, when its progress is known.
func (t *trainer) startBudget(o Options) error {
	total, err := t.config.Train.BudgetTime()
	if err != nil || total == 0 {
		return err
	}
	t.budget = &budget{total: total, after: o.After, before: t.progress.Spent + o.Before.Seconds(), mark: clock()}
	switch {
	case t.progress.Batches == 0:
	case !t.more():
		t.show.Line("nothing is left to train, the run has used its train.budget %s; a longer --budget goes on",
			t.config.Train.Budget)
	default:
		t.show.Line("%s of train.budget %s are left", short(total-seconds(t.progress.Spent)), t.config.Train.Budget)
	}
	return nil
}

// otherBudget finds the place in the schedule of a run that is resumed with a budget that it did not
// have. A run that has ended goes on if it gets a longer one: as with more epochs, it is at an
// earlier part of a longer schedule then. A run that had no budget is as far as its epochs are.
func (t *trainer) otherBudget(was configs.Train) error {
	before, err := was.BudgetTime()
	if err != nil {
		return err
	}
	now, err := t.config.Train.BudgetTime()
	if err != nil {
		return err
	}
	p := &t.progress
	switch all := float64(t.config.Train.Epochs * t.steps); {
	case now == 0 || now == before || p.Batches == 0:
	case before == 0:
		p.Phase = min((float64(p.Epoch*t.steps)+float64(p.Step))/max(all, 1), 1)
	case p.Phase >= 1 && now > before:
		p.Phase = min(p.Spent/now.Seconds(), 1)
	}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// short formats a time in whole seconds.
func short(d time.Duration) string { return max(d, 0).Round(time.Second).String() }

// more reports whether there is anything left to train or to evaluate.
func (t *trainer) more() bool {
	if t.budget != nil {
		return t.progress.Phase < 1 || t.progress.Step > 0
	}
	return t.progress.Epoch < t.config.Train.Epochs
}

// over reports whether the schedule has ended within an epoch.
func (t *trainer) over() bool { return t.budget != nil && t.progress.Phase >= 1 }

// last reports whether the epoch in progress is the last one.
func (t *trainer) last() bool {
	if t.budget != nil {
		return t.over()
	}
	return t.progress.Epoch+1 == t.config.Train.Epochs
}

// epochs returns the number of epochs of the run, or an estimate from the pace so far.
func (t *trainer) epochs() int {
	p := t.progress
	switch {
	case t.budget == nil || t.budget.pace.n == 0 && p.Phase < 1:
		return max(t.config.Train.Epochs, p.Epoch+1)
	case p.Phase >= 1 && p.Step == 0:
		return max(p.Epoch, 1)
	}
	ahead := float64(p.Step) + t.budget.left*float64(t.config.Train.AccumSteps)
	if p.Phase >= 1 {
		ahead = float64(p.Step)
	}
	return p.Epoch + max(int(math.Ceil(ahead/float64(max(t.steps, 1))-1e-9)), 1)
}

// rate returns the learning rate of the next update.
func (t *trainer) rate(steps int) float64 {
	p, s := t.progress, scheduleOf(t.config, steps)
	if t.budget == nil {
		return s.At(p.Epoch, p.Step/t.config.Train.AccumSteps)
	}
	all := t.config.Train.Epochs * steps
	at := min(int(p.Phase*float64(all)), all-1)
	return s.At(at/steps, at%steps)
}

// tick counts an update. The clock of rank 0 decides.
func (t *trainer) tick(updates int) error {
	b, p := t.budget, &t.progress
	if b == nil {
		return nil
	}
	b.pace.add(since(b.mark).Seconds())
	b.mark = clock()
	if t.ranks.Rank() == 0 {
		p.Spent = max(p.Spent, b.before+since(t.began).Seconds())
		b.left = t.fit(updates)
		p.Phase = nextPhase(p.Phase, b.left)
	}
	if t.ranks.Size() == 1 {
		return nil
	}
	state := []float64{0, 0, 0}
	if t.ranks.Rank() == 0 {
		state = []float64{p.Spent, p.Phase, b.left}
	}
	if err := t.ranks.Sum64(state); err != nil {
		return err
	}
	p.Spent, p.Phase, b.left = state[0], state[1], state[2]
	return nil
}

// largestPhase limits how much one update adds to the phase. If a machine stood still, its time may be used up:
// the learning rate still falls in a few steps, and the run takes that much longer.
const largestPhase = 0.025

// nextPhase returns the phase after an update if this many more fit.
func nextPhase(phase, left float64) float64 {
	if left < 0.5 {
		left = 0
	}
	next := phase + min((1-phase)/(left+1), largestPhase)
	if next > 1-1e-9 {
		return 1
	}
	return next
}

// fit estimates how many more updates fit, for epochs of this many updates. The run ends with an evaluation.
func (t *trainer) fit(updates int) float64 {
	b, every := t.budget, float64(t.config.Train.ValInterval)
	evaluation := b.eval.value
	if b.eval.n == 0 {
		evaluation = t.guessEvaluation()
	}
	time := b.total.Seconds() - b.after.Seconds() - t.progress.Spent - evaluation
	between := b.plain.value
	if b.plain.n > 0 || b.eval.n > 0 || every == 1 {
		between = (b.plain.value*(every-1) + evaluation) / every
	}
	each := b.pace.value + between/float64(max(updates, 1))
	if each <= 0 { // the clock does not move: without this the run would never end
		return float64(t.config.Train.Epochs*updates - t.progress.Updates)
	}
	return time / each
}

// guessEvaluation estimates the seconds of an evaluation before the first one: a forward pass takes a third
// of a step.
func (t *trainer) guessEvaluation() float64 {
	images := t.budget.pace.value / float64(t.config.Train.BatchSize*t.config.Train.AccumSteps)
	times := 1.0
	if t.config.EMA.Decay > 0 { // evaluates the last weights and their average
		times = 2
	}
	return times * images * float64(t.val.Len()) / 3 / float64(t.ranks.Size())
}

// between measures the time from the last update of an epoch to the first of the next one.
func (t *trainer) between(evaluated bool) {
	b := t.budget
	if b == nil {
		return
	}
	took := since(b.mark).Seconds()
	b.mark = clock()
	if evaluated {
		b.eval.add(took)
	} else {
		b.plain.add(took)
	}
}

// endBudget says at the end of a run how many epochs fitted into its time.
func (t *trainer) endBudget() {
	if planned := t.config.Train.Epochs; t.over() && t.progress.Step == 0 && t.progress.Epoch != planned {
		t.show.Line("%[2]d epochs fitted into train.budget %[1]s (planned: %[3]d)",
			t.config.Train.Budget, t.progress.Epoch, planned)
	}
}

// budgetLeft returns the remaining time of the budget.
func (t *trainer) budgetLeft() time.Duration {
	return max(t.budget.total-t.budget.after-seconds(t.progress.Spent), 0)
}

// lastRate returns the learning rate of an epoch's last update, if no steps are left.
func (t *trainer) lastRate(steps int) float64 {
	if t.budget != nil {
		return t.rate(steps)
	}
	return scheduleOf(t.config, steps).At(t.progress.Epoch, max(steps-1, 0))
}
