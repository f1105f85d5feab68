package train

import "fmt"

const (
	fewUpdates = 10   // in an epoch
	fewInAll   = 1000 // in a run: with fewer even small data sets are hardly learned
)

// fewStepsNote is about a recipe for many images that meets few: it makes so few steps that little
// is learned, and takes no notice.
func (t *trainer) fewStepsNote() string {
	c := t.config.Train
	updates := (t.steps + c.AccumSteps - 1) / c.AccumSteps
	if t.preset == "" || c.Budget != "" || updates >= fewUpdates || updates*c.Epochs >= fewInAll {
		return ""
	}
	steps := "1 step"
	if updates != 1 {
		steps = fmt.Sprintf("%d steps", updates)
	}
	text := fmt.Sprintf("%d training images make %s per epoch, %d in all, where a step is meant to have %d (train.batch_size %d × accum_steps %d): few to learn from",
		t.train.Len(), steps, updates*c.Epochs, c.BatchSize*c.AccumSteps, c.BatchSize, c.AccumSteps)
	if small := min(c.BatchSize, 64); small*c.AccumSteps > small && t.train.Len() >= small {
		text += fmt.Sprintf("; set train.batch_size=%d train.accum_steps=1", small)
		if lr, ok := t.config.RateFor(small, t.config.Optim.LR, c.BatchSize*c.AccumSteps); ok {
			text += fmt.Sprintf(" optim.lr=%.2g", lr)
		}
	}
	return text + "; or leave the preset out: train --data FOLDER makes a recipe that fits the images"
}
