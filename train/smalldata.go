package train

import (
	"fmt"

	"fasternet/internal/printable"
)

const (
	fewUpdates = 10   // updates per epoch
	fewInAll   = 1000 // updates per run: fewer hardly learn even small data sets
)

// fewStepsNote warns about a recipe for many images that gets few: it makes so few steps that it learns little.
func (t *trainer) fewStepsNote() string {
	c := t.config.Train
	updates := (t.steps + c.AccumSteps - 1) / c.AccumSteps
	if t.preset == "" || c.Budget != "" || updates >= fewUpdates || updates*c.Epochs >= fewInAll {
		return ""
	}
	text := fmt.Sprintf("%d training images make only %s per epoch, %d in all, "+
		"with steps of %d images (train.batch_size %d × accum_steps %d)",
		t.train.Len(), printable.Count(updates, "step"), updates*c.Epochs,
		c.BatchSize*c.AccumSteps, c.BatchSize, c.AccumSteps)
	if small := min(c.BatchSize, 64); small*c.AccumSteps > small && t.train.Len() >= small {
		text += fmt.Sprintf("; set train.batch_size=%d train.accum_steps=1", small)
		if lr, ok := t.config.RateFor(small, t.config.Optim.LR, c.BatchSize*c.AccumSteps); ok {
			text += fmt.Sprintf(" optim.lr=%.2g", lr)
		}
	}
	return text + "; or use train --data FOLDER, which makes a recipe for these images"
}
