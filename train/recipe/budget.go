package recipe

import (
	"context"
	"fmt"
	"math"
	"time"

	"fasternet/configs"
	"fasternet/train"
)

// leastSteps is the smallest number of optimizer steps that teach a model anything.
const leastSteps = 60

// BudgetError says that a budget is too short to learn anything.
type BudgetError struct {
	Budget time.Duration
	Least  time.Duration // shortest sufficient budget
	what   string
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("a budget of %v is too short: %s; want %v or more", e.Budget, e.what, e.Least)
}

// checkBudget returns an error if the time is too short to learn anything.
func (d *draft) checkBudget() error {
	f := d.facts
	batch := float64(batchOf(f))
	steps := f.training() * d.speed / batch
	if steps >= leastSteps {
		return nil
	}
	need := leastSteps*batch/d.speed/(1-evaluating) + (f.Used + f.After).Seconds()
	least := time.Duration(math.Ceil(1.2*need/5)*5) * time.Second
	return &BudgetError{
		f.Budget, least,
		fmt.Sprintf("after looking at the images there is time for about %d steps of %d images, "+
			"and a model needs %d to learn anything",
			int(steps), int(batch), leastSteps),
	}
}

var epochsRule = rule{
	partly: true, // the warm-up must fit
	name:   "Epochs", keys: []string{"train.epochs", "train.budget"},
	reason: `As many as the budget allows at the measured speed, with evaluations, report and
export. The run keeps to the time (` + "`train.budget`" + `): its learning rate follows the clock. If the machine
becomes slower or faster, there are fewer or more epochs, and the cosine still ends at its minimum. A
resumed run has the rest of the time. Remove ` + "`budget`" + ` to train a fixed number of epochs, however long
they take: then the same seed gives the same bits.

Without ` + "`--budget`" + ` it is 30 minutes: long enough for a few thousand photographs on two cores.`,
	apply: func(d *draft) error {
		d.set("train.epochs", d.epochs(), "about as many as the budget allows")
		d.set("train.budget", BudgetText(d.facts.Budget),
			"the learning rate follows the clock; without it, train.epochs counts")
		return nil
	},
}

// within opens a data set within the budget.
func (o Options) within(ctx context.Context, open func(context.Context) error) error {
	return train.OpenWithin(ctx, o.Began, o.Budget, open)
}

// BudgetText formats a budget for train.budget: 30m, not 30m0s.
func BudgetText(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// DefaultBudget is the time of a run without --budget.
const DefaultBudget = 30 * time.Minute

// epochs returns the number of epochs that fit. An epoch has whole batches only: with 60 images in batches of 32
// it is one step.
func (d *draft) epochs() int {
	if d.given("train.epochs") {
		return d.config.Train.Epochs
	}
	batch := max(d.config.Train.BatchSize, 1)
	epoch := float64(max(d.facts.Train/batch, 1) * batch)
	return int(clamp(math.Round(d.views()*float64(d.facts.Train)/epoch), 1, 100_000))
}

// updates estimates the optimizer steps of the run.
func (d *draft) updates() float64 {
	c := d.config
	return d.views() * float64(d.facts.Train) / float64(c.Train.BatchSize*c.Train.AccumSteps)
}

// provisional returns a configuration for timing, with the likely choices of later rules.
func provisional(d *draft) *configs.Config {
	c := *d.config
	c.Train.BatchSize, c.Train.AccumSteps = batchOf(d.facts), 1
	if d.given("train.batch_size") || d.given("train.accum_steps") {
		c.Train.BatchSize, c.Train.AccumSteps = d.config.Train.BatchSize, 1
	}
	return &c
}
